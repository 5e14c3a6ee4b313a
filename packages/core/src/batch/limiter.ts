import { systemClock } from '../clock.ts';
import { CosSliceError } from '../errors.ts';
import { MAX_MEMORY } from '../options/table.ts';
import type { AttemptReport, Limiter } from '../ports.ts';
import { type AdjustableSeats, createSeats } from './seats.ts';
import { type Bounds, createWindow, reportToWindow, resizeWindow } from './window.ts';

/** A limiter whose bounds can be changed while uploads run. */
export interface AdaptiveLimiter extends Limiter {
  readonly seats: AdjustableSeats;
  /** Bytes, may be set at any time: what is under way stays. @throws CosSliceError `invalid-options` */
  maxMemory: number;
  resize(bounds: number | Bounds): void;
}

export interface LimiterOptions {
  /** Bytes of content that all who share the limiter hold in memory at once. What is larger goes alone. Default 128 MiB. */
  readonly maxMemory?: number | undefined;
  /** A monotonic clock. */
  readonly nowMs?: () => number;
}

interface Waiting {
  readonly owner: object | undefined;
  readonly bytes: number;
  enter(): void;
}

/**
 * Makes the places that all uploads of a client share: requests in flight, fairly among uploads, the memory for what they send,
 * and as many uploads open at once as there may be requests.
 *
 * @param bounds a fixed number, or the bounds of the adaptive window
 * @throws CosSliceError `invalid-options`
 */
export function createLimiter(
  bounds: number | Bounds,
  { maxMemory = MAX_MEMORY.default, nowMs = systemClock.monotonicMs }: LimiterOptions = {},
): AdaptiveLimiter {
  let window = createWindow(toBounds(bounds), nowMs());
  let maxBytes = 0;
  let inFlight = 0;
  let heldBytes = 0;
  const seats = createSeats(window.bounds.max);
  const held = new Map<object | undefined, number>();
  const waiting = new Set<Waiting>();
  const listeners = new Set<() => void>();

  const setWindow = (next: typeof window): void => {
    const moved = next.limit !== window.limit;
    window = next;
    if (!moved) return;
    admit();
    for (const listener of listeners) listener();
  };
  const fits = (bytes: number): boolean => bytes === 0 || heldBytes === 0 || heldBytes + bytes <= maxBytes;
  const admit = (): void => {
    while (inFlight < window.limit) {
      const one = nextOf(waiting, held, fits);
      if (!one) return;
      waiting.delete(one);
      one.enter();
    }
  };
  // A place and the memory are taken in one step: whoever had one and waited for the other would hold up others for nothing.
  const enter = (owner: object | undefined, bytes: number): ((report: AttemptReport) => void) => {
    inFlight += 1;
    heldBytes += bytes;
    if (owner) held.set(owner, (held.get(owner) ?? 0) + 1);
    let left = false;
    return (report) => {
      if (left) return;
      left = true;
      setWindow(reportToWindow(window, report, inFlight, nowMs()));
      inFlight -= 1;
      heldBytes -= bytes;
      if (owner) {
        const places = (held.get(owner) ?? 0) - 1;
        if (places > 0) held.set(owner, places);
        else held.delete(owner);
      }
      admit();
    };
  };

  const limiter: AdaptiveLimiter = {
    seats,
    get maxMemory() {
      return maxBytes;
    },
    set maxMemory(bytes) {
      if (!(bytes > 0)) throw new CosSliceError('invalid-options', 'maxMemory must be more than 0 bytes');
      maxBytes = bytes;
      admit();
    },
    get limit() {
      return window.limit;
    },
    async acquire(signal, owner, bytes = 0) {
      signal.throwIfAborted();
      if (waiting.size === 0 && inFlight < window.limit && fits(bytes)) return enter(owner, bytes);
      return new Promise((resolve, reject) => {
        const one: Waiting = {
          owner,
          bytes,
          enter() {
            signal.removeEventListener('abort', giveUp);
            resolve(enter(owner, bytes));
          },
        };
        const giveUp = (): void => {
          waiting.delete(one);
          reject(signal.reason);
          // It may have been the one that others waited behind.
          admit();
        };
        signal.addEventListener('abort', giveUp, { once: true });
        waiting.add(one);
        admit();
      });
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    resize(next) {
      setWindow(resizeWindow(window, toBounds(next)));
      seats.resize(window.bounds.max);
    },
  };
  limiter.maxMemory = maxMemory;
  return limiter;
}

/**
 * Who is next. While there is no memory for that one, it is not overtaken by what is smaller, or a large slice would wait for ever
 * among small ones; what needs no memory is not held up by it.
 */
function nextOf(
  waiting: ReadonlySet<Waiting>,
  held: ReadonlyMap<object | undefined, number>,
  fits: (bytes: number) => boolean,
): Waiting | undefined {
  const next = fairest(waiting, held);
  return next && !fits(next.bytes)
    ? fairest(
        [...waiting].filter(({ bytes }) => bytes === 0),
        held,
      )
    : next;
}

/** Whoever holds the fewest places, and among those whoever came first: a small file need not wait for a large one's slices. */
function fairest(waiting: Iterable<Waiting>, held: ReadonlyMap<object | undefined, number>): Waiting | undefined {
  let next: Waiting | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const one of waiting) {
    const places = held.get(one.owner) ?? 0;
    if (places === 0) return one;
    if (places >= fewest) continue;
    fewest = places;
    next = one;
  }
  return next;
}

function toBounds(given: number | Bounds): Bounds {
  const bounds = typeof given === 'number' ? { min: given, max: given } : given;
  // A limiter without places would let nobody in, for ever.
  if (bounds?.min >= 1 && bounds.max >= bounds.min) return bounds;
  throw new CosSliceError('invalid-options', 'a limiter needs bounds with 1 <= min <= max');
}
