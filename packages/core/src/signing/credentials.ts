import type { Clock, Credentials, CredentialsProvider } from '../ports.ts';
import { createKeeper } from './keeper.ts';

/** Credentials that are there when they are needed: asked for once, and again shortly before they expire. */
export interface KeptCredentials {
  /**
   * @param nowSec by the server's clock
   * @param refused what a server has just refused: if it was made with these credentials, they are asked for anew, once
   * @throws CosSliceError `signing-failed`; `signal.reason` when aborted
   */
  get(nowSec: number, refused: string | undefined, signal: AbortSignal): Promise<Credentials>;
}

export function keepCredentials(
  given: Credentials | CredentialsProvider,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): KeptCredentials {
  if (!('credentials' in given)) return { get: async () => given };
  const keeper = createKeeper<Credentials>({
    clock,
    timeoutMs,
    name: 'the credentials provider',
    must: 'return { secretId, secretKey } and, for temporary ones, token and expiresAtSec',
    isUsable: isCredentials,
  });
  let seen: string | undefined;
  return {
    get(nowSec, refused, signal) {
      const isNews = refused !== undefined && refused !== seen;
      seen = refused;
      return keeper.get(
        'credentials',
        {
          ask: (asking) => given.credentials(asking),
          lifeMs: ({ expiresAtSec, startsAtSec = nowSec }) =>
            expiresAtSec === undefined ? Number.POSITIVE_INFINITY : Math.max(0, expiresAtSec - startsAtSec) * 1000,
          isRefused: ({ secretId }) => isNews && refused.includes(secretId),
        },
        signal,
      );
    },
  };
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isTime = (value: unknown): boolean => value === undefined || Number.isFinite(value);

/** What goes into headers must not be able to end them. */
export function isCredentials(value: unknown): value is Credentials {
  const { secretId, secretKey, token, expiresAtSec, startsAtSec } = Object(value) as Credentials;
  return (
    isText(secretId) &&
    /^[\w.:@/+=-]+$/.test(secretId) &&
    isText(secretKey) &&
    (token === undefined || (isText(token) && /^[!-~]+$/.test(token))) &&
    isTime(expiresAtSec) &&
    isTime(startsAtSec)
  );
}
