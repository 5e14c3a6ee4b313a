import type {
  Authorizer,
  Clock,
  Credentials,
  CredentialsProvider,
  RequestSigner,
  Signer,
  WireRequest,
} from '../ports.ts';
import type { Wire } from '../protocol/wire.ts';
import { cachedSigner } from './cached-signer.ts';
import { createKeeper } from './keeper.ts';

/** An authorizer that tells how often signatures were asked for. */
export interface CountingAuthorizer extends Authorizer {
  readonly asked: number;
  presign: NonNullable<Authorizer['presign']>;
}

/** Signs texts or requests, or brings what a wire signs them with. */
export type GivenSigner = Signer | Authorizer | Credentials | CredentialsProvider | RequestSigner;

/** Makes what was given as `signer` into what lets requests through: signatures that are kept, or one signed request after another. */
export function createAuthorizer(
  wire: Pick<Wire, 'attach' | 'authorizer'>,
  given: GivenSigner,
  options: { readonly clock: Clock; readonly timeoutMs: number },
): CountingAuthorizer {
  if ('authorize' in given) {
    // Somebody else's: it fails as signers do, and is not waited for without end.
    const keeper = createKeeper({
      ...options,
      name: 'the authorizer',
      must: 'return the request',
      isUsable: isRequest,
    });
    return countingAuthorizer(given, (request, claim, signal) => {
      const ask = (asking: AbortSignal) => given.authorize(request, claim, asking);
      return keeper.get(undefined, { ask, lifeMs: () => 0, isRefused: () => false }, signal) as Promise<typeof request>;
    });
  }
  if (wire.authorizer && !isOnlySigner(given)) return countingAuthorizer(wire.authorizer(given, options));
  const signer = cachedSigner(given as Signer, options);
  return {
    get asked() {
      return signer.asked;
    },
    authorize: (request, claim, signal) =>
      signer.sign(claim, signal).then((signature) => wire.attach(request, signature)),
    presign: (request, claim, signal) =>
      signer.sign(claim, signal).then((signature) => `${request.url}?sign=${encodeURIComponent(signature)}`),
  };
}

/** Signs texts, and does not tell what it signs them with. */
function isOnlySigner(given: GivenSigner): given is Signer {
  return 'sign' in given && !('credentials' in given) && !('signRequests' in given);
}

function isRequest(value: unknown): value is WireRequest<unknown> {
  return !!(value as WireRequest<unknown> | undefined)?.url;
}

function countingAuthorizer(
  given: Authorizer,
  authorize: Authorizer['authorize'] = (...args) => given.authorize(...args),
): CountingAuthorizer {
  let asked = 0;
  return {
    get asked() {
      return given.asked ?? asked;
    },
    async authorize(request, claim, signal) {
      asked += 1;
      return authorize(request, claim, signal);
    },
    async presign(request, claim, signal) {
      asked += 1;
      return given.presign?.(request, claim, signal) ?? request.url;
    },
  };
}
