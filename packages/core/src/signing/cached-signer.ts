import { CosSliceError, isCosSliceError } from '../errors.ts';
import { oneLine } from '../one-line.ts';
import type { Clock, SignClaim, Signer } from '../ports.ts';
import { signatureLifeMs } from './signature.ts';

/** A signer that keeps what may be used again. */
export interface CachedSigner extends Signer {
  /** How often the signer behind it was asked. */
  readonly asked: number;
}

export interface CachedSignerOptions {
  readonly clock: Clock;
  /** How long the signer may take for one signature. */
  readonly timeoutMs: number;
}

/** A signature is renewed when less than this is left of its life, or a tenth of it if that is less. */
const MARGIN_MS = 60_000;
/** A bound, not a policy. */
const MAX_KEPT = 1000;

interface Kept {
  readonly signature: string;
  /** Monotonic. */
  readonly renewAtMs: number;
}

/** One request to the signer, and how many wait for it: it is given up when nobody does. */
interface Flight {
  readonly signature: Promise<string>;
  readonly controller: AbortController;
  waiting: number;
}

/**
 * Keeps the signatures of `multi` claims until shortly before they expire, and asks once however many ask at the same time. A
 * signature's life counts from its arrival: its own times are those of the signer's clock, which need not be ours.
 *
 * `sign` throws CosSliceError `signing-failed`, or whatever CosSliceError the signer throws; `signal.reason` when aborted.
 */
export function cachedSigner(signer: Signer, { clock, timeoutMs }: CachedSignerOptions): CachedSigner {
  const kept = new Map<string, Kept>();
  const flights = new Map<string, Flight>();
  let asked = 0;

  const ask = async (claim: SignClaim, attempt: AbortController): Promise<string> => {
    const { signal } = attempt;
    asked += 1;
    // Whoever is late is told so: a signer that hangs must not be waited for by everybody who asks after it.
    const late = async (): Promise<never> => {
      await clock.sleep(timeoutMs, signal);
      throw new CosSliceError('signing-failed', 'the signer did not answer in time', { remedy: 'backoff' });
    };
    const sign = async (): Promise<string> => signer.sign(claim, signal);
    try {
      const signature = await Promise.race([sign(), late()]);
      // What goes into a header must not be able to end it.
      if (typeof signature === 'string' && /^[\w+/=-]{4,8192}$/.test(signature)) return signature;
    } catch (cause) {
      if (signal.aborted || isCosSliceError(cause)) throw cause;
      throw new CosSliceError('signing-failed', `the signer failed: ${oneLine(cause)}`, { cause, remedy: 'backoff' });
    } finally {
      attempt.abort();
    }
    throw new CosSliceError('signing-failed', 'the signer must return the signature as base64 text');
  };
  const keep = (key: string, signature: string): void => {
    const lifeMs = signatureLifeMs(signature);
    for (const oldest of kept.keys()) if (kept.size >= MAX_KEPT) kept.delete(oldest);
    kept.set(key, { signature, renewAtMs: clock.monotonicMs() + lifeMs - Math.min(MARGIN_MS, lifeMs / 10) });
  };
  const takeOff = (key: string, claim: SignClaim): Flight => {
    const controller = new AbortController();
    const flight: Flight = { controller, waiting: 0, signature: ask(claim, controller) };
    if (claim.effect === 'once') return flight;
    flights.set(key, flight);
    // Before those who wait for it go on.
    const land = (signature?: string): void => {
      if (signature) keep(key, signature);
      if (flights.get(key) === flight) flights.delete(key);
    };
    flight.signature.then(land, () => land());
    return flight;
  };

  return {
    get asked() {
      return asked;
    },
    async sign(claim, signal) {
      signal.throwIfAborted();
      const { appId, bucket, path, effect, refused } = claim;
      const key = `${effect}/${appId}/${bucket}/${path}`;
      const shared = effect !== 'once';
      const known = shared && kept.get(key);
      if (known && known.signature !== refused && clock.monotonicMs() < known.renewAtMs) return known.signature;
      const flight = (shared && flights.get(key)) || takeOff(key, claim);
      flight.waiting += 1;
      try {
        return await untilAborted(flight.signature, signal);
      } finally {
        flight.waiting -= 1;
        if (flight.waiting === 0 && signal.aborted) {
          if (shared) flights.delete(key);
          flight.controller.abort(signal.reason);
        }
      }
    },
  };
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop);
    // Listened to even by those who do not wait for it: its failure must not count as one that nobody handles.
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
    if (signal.aborted) stop();
  });
}
