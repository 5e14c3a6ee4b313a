import { systemClock } from '../clock.ts';
import { CosSliceError } from '../errors.ts';
import type { AttemptReport, Limiter } from '../ports.ts';
import { type AdjustableSeats, createSeats } from './seats.ts';
import { type Bounds, createWindow, reportToWindow, resizeWindow } from './window.ts';

/** A limiter whose bounds can be changed while uploads run. */
export interface AdaptiveLimiter extends Limiter {
  readonly seats: AdjustableSeats;
  resize(bounds: number | Bounds): void;
}

interface Waiting {
  readonly owner: object | undefined;
  enter(): void;
}

/**
 * Makes the places that all uploads of a client share: requests in flight, fairly among uploads, and as many uploads open at
 * once as there may be requests.
 *
 * @param bounds a fixed number, or the bounds of the adaptive window
 * @param nowMs a monotonic clock
 * @throws CosSliceError `invalid-options`
 */
export function createLimiter(bounds: number | Bounds, nowMs: () => number = systemClock.monotonicMs): AdaptiveLimiter {
  let window = createWindow(toBounds(bounds), nowMs());
  let inFlight = 0;
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
  const admit = (): void => {
    while (inFlight < window.limit) {
      const one = nextOf(waiting, held);
      if (!one) return;
      waiting.delete(one);
      one.enter();
    }
  };
  const enter = (owner: object | undefined): ((report: AttemptReport) => void) => {
    inFlight += 1;
    if (owner) held.set(owner, (held.get(owner) ?? 0) + 1);
    let left = false;
    return (report) => {
      if (left) return;
      left = true;
      setWindow(reportToWindow(window, report, inFlight, nowMs()));
      inFlight -= 1;
      if (owner) {
        const places = (held.get(owner) ?? 0) - 1;
        if (places > 0) held.set(owner, places);
        else held.delete(owner);
      }
      admit();
    };
  };

  return {
    seats,
    get limit() {
      return window.limit;
    },
    async acquire(signal, owner) {
      signal.throwIfAborted();
      if (waiting.size === 0 && inFlight < window.limit) return enter(owner);
      return new Promise((resolve, reject) => {
        const one: Waiting = {
          owner,
          enter() {
            signal.removeEventListener('abort', giveUp);
            resolve(enter(owner));
          },
        };
        const giveUp = (): void => {
          waiting.delete(one);
          reject(signal.reason);
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
}

/** Whoever holds the fewest places, and among those whoever came first: a small file need not wait for a large one's slices. */
function nextOf(waiting: ReadonlySet<Waiting>, held: ReadonlyMap<object | undefined, number>): Waiting | undefined {
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
