import type { Authorizer, Clock, Signer } from '../ports.ts';
import type { Wire } from '../protocol/wire.ts';
import { cachedSigner } from './cached-signer.ts';

/** An authorizer that tells how often signatures were asked for. */
export interface CountingAuthorizer extends Authorizer {
  readonly asked: number;
}

/** Makes what was given as `signer` into what lets requests through: signatures that are kept, or one signed request after another. */
export function createAuthorizer(
  wire: Pick<Wire, 'attach'>,
  given: Signer | Authorizer,
  options: { readonly clock: Clock; readonly timeoutMs: number },
): CountingAuthorizer {
  if ('authorize' in given) return countingAuthorizer(given);
  const signer = cachedSigner(given, options);
  return {
    get asked() {
      return signer.asked;
    },
    authorize: (request, claim, signal) =>
      signer.sign(claim, signal).then((signature) => wire.attach(request, signature)),
  };
}

function countingAuthorizer(given: Authorizer): CountingAuthorizer {
  let asked = 0;
  return {
    get asked() {
      return asked;
    },
    async authorize(request, claim, signal) {
      asked += 1;
      return given.authorize(request, claim, signal);
    },
  };
}
