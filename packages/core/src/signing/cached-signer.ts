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

  const ask = async (claim: SignClaim, signal: AbortSignal): Promise<string> => {
    asked += 1;
    const signature = await inTime(clock, timeoutMs, signal, async (attempt) => signer.sign(claim, attempt));
    // What goes into a header must not be able to end it.
    if (typeof signature !== 'string' || !/^[\w+/=-]{4,8192}$/.test(signature)) {
      throw new CosSliceError('signing-failed', 'the signer must return the signature as base64 text');
    }
    return signature;
  };

  const takeOff = (key: string, claim: SignClaim): Flight => {
    const controller = new AbortController();
    const flight: Flight = {
      controller,
      waiting: 0,
      signature: ask(claim, controller.signal)
        .then((signature) => {
          const lifeMs = signatureLifeMs(signature);
          for (const oldest of kept.keys()) if (kept.size >= MAX_KEPT) kept.delete(oldest);
          kept.set(key, { signature, renewAtMs: clock.monotonicMs() + lifeMs - Math.min(MARGIN_MS, lifeMs / 10) });
          return signature;
        })
        .finally(() => {
          if (flights.get(key) === flight) flights.delete(key);
        }),
    };
    flights.set(key, flight);
    return flight;
  };

  return {
    get asked() {
      return asked;
    },
    async sign(claim, signal) {
      signal.throwIfAborted();
      if (claim.effect === 'once') return ask(claim, signal);
      const key = `${claim.effect}/${claim.appId}/${claim.bucket}/${claim.path}`;
      const known = kept.get(key);
      if (known && known.signature !== claim.refused && clock.monotonicMs() < known.renewAtMs) return known.signature;
      const flight = flights.get(key) ?? takeOff(key, claim);
      flight.waiting += 1;
      try {
        return await untilAborted(flight.signature, signal);
      } finally {
        flight.waiting -= 1;
        if (flight.waiting === 0 && signal.aborted) {
          flights.delete(key);
          flight.controller.abort(signal.reason);
        }
      }
    },
  };
}

/** Whoever is late is told so: a signer that hangs must not be waited for by everybody who asks after it. */
async function inTime(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
  sign: (signal: AbortSignal) => Promise<string>,
): Promise<string> {
  signal.throwIfAborted();
  const attempt = new AbortController();
  const stop = (): void => attempt.abort(signal.reason);
  signal.addEventListener('abort', stop);
  const late = clock.sleep(timeoutMs, attempt.signal).then((): never => {
    throw new CosSliceError('signing-failed', 'the signer did not answer in time', { remedy: 'backoff' });
  });
  try {
    return await Promise.race([sign(attempt.signal), late]);
  } catch (cause) {
    signal.throwIfAborted();
    if (isCosSliceError(cause)) throw cause;
    throw new CosSliceError('signing-failed', `the signer failed: ${oneLine(cause)}`, { cause, remedy: 'backoff' });
  } finally {
    signal.removeEventListener('abort', stop);
    attempt.abort();
  }
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
