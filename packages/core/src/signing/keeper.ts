import { CosSliceError, isCosSliceError } from '../errors.ts';
import { onAbort } from '../on-abort.ts';
import { oneLine } from '../one-line.ts';
import type { Clock } from '../ports.ts';

export interface KeeperOptions<T> {
  readonly clock: Clock;
  /** How long whoever is asked may take for one answer. */
  readonly timeoutMs: number;
  /** Who is asked, for messages, and what it must do. */
  readonly name: string;
  readonly must: string;
  isUsable(value: unknown): value is T;
}

export interface Wish<T> {
  ask(signal: AbortSignal): T | Promise<T>;
  /** From its arrival on. */
  lifeMs(value: T): number;
  /** A server has just refused it. */
  isRefused(value: T): boolean;
}

/**
 * Keeps what may be used again until shortly before it expires, and asks for it once however many want it at the same time.
 */
export interface Keeper<T> {
  /** How often somebody was asked. */
  readonly asked: number;
  /**
   * @param key undefined: for one use, not kept
   * @throws CosSliceError `signing-failed`, or whatever CosSliceError the one that is asked throws; `signal.reason` when aborted
   */
  get(key: string | undefined, wish: Wish<T>, signal: AbortSignal): Promise<T>;
}

/** Why what waits ends. Made once: an error of its own for each would cost more than the rest. */
const OVER = new Error('over');

/** It is renewed when less than this is left of its life, or a tenth of it if that is less. */
const MARGIN_MS = 60_000;
/** A bound, not a policy. */
const MAX_KEPT = 1000;

interface Kept<T> {
  readonly value: T;
  /** Monotonic. */
  readonly renewAtMs: number;
}

/** One question, and how many wait for its answer: it is given up when nobody does. */
interface Flight<T> {
  readonly value: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

export function createKeeper<T>({ clock, timeoutMs, name, must, isUsable }: KeeperOptions<T>): Keeper<T> {
  const kept = new Map<string, Kept<T>>();
  const flights = new Map<string, Flight<T>>();
  let asked = 0;

  const ask = async (wish: Wish<T>, attempt: AbortController): Promise<T> => {
    const { signal } = attempt;
    asked += 1;
    // Whoever is late is told so: somebody who hangs must not be waited for by everybody who asks after it.
    const late = async (): Promise<never> => {
      await clock.sleep(timeoutMs, signal);
      throw new CosSliceError('signing-failed', `${name} did not answer in time`, { remedy: 'backoff' });
    };
    const answer = async (): Promise<T> => wish.ask(signal);
    try {
      const value = await Promise.race([answer(), late()]);
      if (isUsable(value)) return value;
    } catch (cause) {
      if (signal.aborted || isCosSliceError(cause)) throw cause;
      throw new CosSliceError('signing-failed', `${name} failed: ${oneLine(cause)}`, { cause, remedy: 'backoff' });
    } finally {
      attempt.abort(OVER);
    }
    throw new CosSliceError('signing-failed', `${name} must ${must}`);
  };

  const keep = (key: string, value: T, lifeMs: number): void => {
    for (const oldest of kept.keys()) if (kept.size >= MAX_KEPT) kept.delete(oldest);
    kept.set(key, { value, renewAtMs: clock.monotonicMs() + lifeMs - Math.min(MARGIN_MS, lifeMs / 10) });
  };

  const takeOff = (key: string | undefined, wish: Wish<T>): Flight<T> => {
    const controller = new AbortController();
    const flight: Flight<T> = { controller, waiting: 0, value: ask(wish, controller) };
    if (key === undefined) return flight;
    flights.set(key, flight);
    // Before those who wait for it go on.
    const land = (value?: T): void => {
      if (value !== undefined) keep(key, value, wish.lifeMs(value));
      if (flights.get(key) === flight) flights.delete(key);
    };
    flight.value.then(land, () => land());
    return flight;
  };

  return {
    get asked() {
      return asked;
    },
    async get(key, wish, signal) {
      signal.throwIfAborted();
      const known = key === undefined ? undefined : kept.get(key);
      if (known && !wish.isRefused(known.value) && clock.monotonicMs() < known.renewAtMs) return known.value;
      const flight = (key !== undefined && flights.get(key)) || takeOff(key, wish);
      flight.waiting += 1;
      try {
        return await untilAborted(flight.value, signal);
      } finally {
        flight.waiting -= 1;
        if (flight.waiting === 0 && signal.aborted) {
          if (key !== undefined) flights.delete(key);
          flight.controller.abort(signal.reason);
        }
      }
    },
  };
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    const leave = onAbort(signal, stop);
    // Listened to even by those who do not wait for it: its failure must not count as one that nobody handles.
    promise.then(resolve, reject).finally(leave);
    if (signal.aborted) stop();
  });
}
