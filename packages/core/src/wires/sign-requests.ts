import type { Authorizer, Clock, Credentials, CredentialsProvider, SignClaim, WireRequest } from '../ports.ts';
import { keepCredentials } from '../signing/credentials.ts';

/** How a wire signs, once credentials are there. */
export interface RequestSigning {
  sign<C>(request: WireRequest<C>, credentials: Credentials, claim: SignClaim): Promise<WireRequest<C>>;
  /** @returns the signed URL */
  presign<C>(request: WireRequest<C>, credentials: Credentials, claim: SignClaim): Promise<string>;
}

/** Signs every request with credentials that are renewed before they end. */
export function signRequests(
  given: Credentials | CredentialsProvider,
  options: { readonly clock: Clock; readonly timeoutMs: number },
  { sign, presign }: RequestSigning,
): Authorizer {
  const kept = keepCredentials(given, options);
  return {
    async authorize(request, claim, signal) {
      return sign(request, await kept.get(claim.nowSec, claim.refused, signal), claim);
    },
    async presign(request, claim, signal) {
      return presign(request, await kept.get(claim.nowSec, claim.refused, signal), claim);
    },
  };
}

/** Of signatures that can be used for a while. */
export const LIFETIME_SEC = 3600;
