import type { Authorizer, Credentials, CredentialsProvider, RequestSigner, SignClaim, WireRequest } from '../ports.ts';
import type { AuthorizerOptions } from '../protocol/wire.ts';
import type { XmlWire } from '../protocol/xml/wire.ts';
import { keepCredentials } from '../signing/credentials.ts';
import { haveRequestsSigned } from './have-requests-signed.ts';

/** What a signature has to cover of a request that somebody else signs. */
export interface Covered {
  /** What is left of the URL. */
  readonly url: string;
  /** What is not: the rest of the query, as it is sent. */
  readonly rest?: string | undefined;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** How a wire signs. */
export interface RequestSigning {
  readonly wire: Pick<XmlWire, 'bucketName' | 'bucketUrl'>;
  cover<C>(request: WireRequest<C>): Covered;
  sign<C>(request: WireRequest<C>, credentials: Credentials, claim: SignClaim): Promise<WireRequest<C>>;
  /** @returns the URL with a signature in its query, which covers the query and the headers */
  presign<C>(request: WireRequest<C>, credentials: Credentials, claim: SignClaim): Promise<string>;
}

/** Signs every request with credentials that are renewed before they end, or has it signed. */
export function signRequests(
  given: Credentials | CredentialsProvider | RequestSigner,
  options: AuthorizerOptions,
  signing: RequestSigning,
): Authorizer {
  if ('signRequests' in given) return haveRequestsSigned(given, options, signing);
  const kept = keepCredentials(given, options);
  return {
    async authorize(request, claim, signal) {
      return signing.sign(request, await kept.get(claim.nowSec, claim.refused, signal), claim);
    },
    async presign(request, claim, signal) {
      return signing.presign(request, await kept.get(claim.nowSec, claim.refused, signal), claim);
    },
  };
}

/** Ways to sign, and what an object that goes one of them has. Nobody can tell which one is meant of an object that has two. */
const WAYS = {
  credentials: ({ credentials, secretKey }) => typeof credentials === 'function' || secretKey !== undefined,
  'signatures for requests': ({ signRequests: sign }) => typeof sign === 'function',
  'an authorizer': ({ authorize }) => typeof authorize === 'function',
} satisfies Record<string, (signer: Record<string, unknown>) => boolean>;

/** `Wire.signerMust` */
export function signerMust(signer: unknown): string | undefined {
  const ways = Object.entries(WAYS).flatMap(([name, has]) => (has(Object(signer)) ? [name] : []));
  if (ways.length === 1) return undefined;
  const one = `be one of ${Object.keys(WAYS).join(', ')}`;
  return ways.length === 0 ? one : `${one}, and not ${ways.join(' and ')} at once`;
}

/** Of signatures that can be used for a while. */
export const LIFETIME_SEC = 3600;
