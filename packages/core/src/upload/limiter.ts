import { CosSliceError } from '../errors.ts';
import type { AttemptReport, Limiter } from '../ports.ts';
import { type Bounds, createWindow, reportToWindow, resizeWindow } from './window.ts';

/** A limiter whose bounds can be changed while uploads run. */
export interface AdaptiveLimiter extends Limiter {
  resize(bounds: number | Bounds): void;
}

/**
 * Makes the places that all uploads of a client share: requests in flight, not files. First come, first served.
 *
 * @param bounds a fixed number, or the bounds of the adaptive window
 * @throws CosSliceError `invalid-options`
 */
export function createLimiter(bounds: number | Bounds, nowMs: () => number = Date.now): AdaptiveLimiter {
  let window = createWindow(toBounds(bounds), nowMs());
  let inFlight = 0;
  const waiting = new Set<() => void>();
  const listeners = new Set<() => void>();

  const setWindow = (next: typeof window): void => {
    const moved = next.limit !== window.limit;
    window = next;
    if (!moved) return;
    admit();
    for (const listener of listeners) listener();
  };
  const admit = (): void => {
    for (const enter of waiting) {
      if (inFlight >= window.limit) return;
      waiting.delete(enter);
      inFlight += 1;
      enter();
    }
  };
  const leave = (): ((report: AttemptReport) => void) => {
    let left = false;
    return (report) => {
      if (left) return;
      left = true;
      setWindow(reportToWindow(window, report, inFlight, nowMs()));
      inFlight -= 1;
      admit();
    };
  };

  return {
    get limit() {
      return window.limit;
    },
    async acquire(signal) {
      signal.throwIfAborted();
      if (waiting.size === 0 && inFlight < window.limit) {
        inFlight += 1;
        return leave();
      }
      return new Promise((resolve, reject) => {
        const enter = (): void => {
          signal.removeEventListener('abort', giveUp);
          resolve(leave());
        };
        const giveUp = (): void => {
          waiting.delete(enter);
          reject(signal.reason);
        };
        signal.addEventListener('abort', giveUp, { once: true });
        waiting.add(enter);
        admit();
      });
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    resize(next) {
      setWindow(resizeWindow(window, toBounds(next)));
    },
  };
}

function toBounds(given: number | Bounds): Bounds {
  const bounds = typeof given === 'number' ? { min: given, max: given } : given;
  // A limiter without places would let nobody in, for ever.
  if (bounds?.min >= 1 && bounds.max >= bounds.min) return bounds;
  throw new CosSliceError('invalid-options', 'a limiter needs bounds with 1 <= min <= max');
}
