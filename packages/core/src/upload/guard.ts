import { CosSliceError, type ErrorCode, isCosSliceError } from '../errors.ts';
import { createWatchdog } from '../exchange/watchdog.ts';
import { oneLine } from '../one-line.ts';
import type { Clock } from '../ports.ts';

/** What a piece of work that is no request is called when nothing comes of it, and with which code that fails. */
export type WorkName = readonly [code: ErrorCode, what: string];

export const READING: WorkName = ['source-unreadable', 'reading the source'];

export interface GuardedWork<T> {
  /** @param moved to be called when there was progress: the time counts from then */
  run(moved: () => void): Promise<T>;
  /** What becomes of a result that nobody waits for any more. */
  late?(result: T): unknown;
  /** Time that is given beyond the usual, in ms. */
  readonly extraMs?: number;
}

/**
 * Sees to it that work which may hang (files, hashing, storage, locks) comes to an end: when it makes no progress in time,
 * `controller` is aborted with an error that names it.
 *
 * @throws CosSliceError what the work throws, or its failure by name; the controller's reason when it was aborted
 */
export type Guard = <T>(name: WorkName, controller: AbortController, work: GuardedWork<T>) => Promise<T>;

/** @param limitMs how long work may go without progress */
export function createGuard(clock: Clock, limitMs: number, life: AbortSignal): Guard {
  const watchdog = createWatchdog(clock, limitMs, life);
  return ([code, what], controller, { run, late, extraMs = 0 }) =>
    new Promise((resolve, reject) => {
      const { signal } = controller;
      const watched = {
        deadlineMs: clock.monotonicMs() + limitMs + extraMs,
        onLate(): void {
          const stuck = `${what} came to no end within ${Math.ceil((limitMs + extraMs) / 1000)} s: something hangs`;
          controller.abort(new CosSliceError(code, stuck, { remedy: 'backoff', phase: 'no-progress' }));
          reject(signal.reason);
        },
      };
      const moved = (): void => {
        watched.deadlineMs = clock.monotonicMs() + limitMs;
      };
      watchdog.watch(watched);
      run(moved).then(
        (result) => {
          watchdog.forget(watched);
          if (!signal.aborted) return resolve(result);
          late?.(result);
          reject(signal.reason);
        },
        (cause) => {
          watchdog.forget(watched);
          reject(
            isCosSliceError(cause) ? cause : new CosSliceError(code, `${what} failed: ${oneLine(cause)}`, { cause }),
          );
        },
      );
    });
}
