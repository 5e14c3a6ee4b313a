import type { Authorizer, Credentials, CredentialsProvider, RequestSigner } from '../ports.ts';
import type { AuthorizerOptions } from '../protocol/wire.ts';
import { keepCredentials } from '../signing/credentials.ts';
import { haveRequestsSigned } from './have-requests-signed.ts';
import type { RequestSigning } from './request-signing.ts';

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
  if (ways.length === 1) return ways[0] === 'credentials' ? textMust(Object(signer)) : undefined;
  const one = `be one of ${Object.keys(WAYS).join(', ')}`;
  return ways.length === 0 ? one : `${one}, and not ${ways.join(' and ')} at once`;
}

/** Files end in a line break, and so do the keys that are read from them. Of a header with one in it browsers show the whole. */
function textMust({ secretId, secretKey, token }: Partial<Credentials>): string | undefined {
  const isTrimmed = [secretId, secretKey, token].every((value) => !/^\s|\s$|\p{Cc}/u.test(value ?? ''));
  return isTrimmed ? undefined : 'have no line break in secretId, secretKey and token, and no white space around them';
}

/** Of signatures that can be used for a while. */
export const LIFETIME_SEC = 3600;
