import type { Clock } from '../ports.ts';

/** A clock that stands still until told otherwise. */
export interface ManualClock extends Clock {
  /** Sets the wall clock forward, or back; spans of time do not notice. */
  jump(byMs: number): void;
  /** Lets time pass: wakes every sleeper that is due, in order, and lets what it wakes run. */
  advance(delayMs: number): Promise<void>;
  /** Jumps from one sleeper to the next until `promise` settles. @throws when nobody sleeps and it still has not. */
  runUntil<T>(promise: Promise<T>): Promise<T>;
  /** Lets everything run that does not wait for time. */
  settle(): Promise<void>;
  /** How many wait for time to pass. */
  readonly sleepers: number;
}

interface Sleeper {
  readonly dueMs: number;
  wake(): void;
}

/** Rounds of promise callbacks that count as "everything has run". */
const SETTLE_ROUNDS = 200;
const IDLE_ROUNDS = 100;

export function createManualClock(startMs = 1_600_000_000_000): ManualClock {
  // Not the wall's time, so that a test in which one is taken for the other fails.
  let nowMs = 5_000_000;
  let wallMs = startMs - nowMs;
  const sleepers = new Set<Sleeper>();

  const settle = async (): Promise<void> => {
    for (let round = 0; round < SETTLE_ROUNDS; round += 1) await Promise.resolve();
  };
  const next = (): Sleeper | undefined => {
    let first: Sleeper | undefined;
    for (const sleeper of sleepers) if (!first || sleeper.dueMs < first.dueMs) first = sleeper;
    return first;
  };
  const wake = async (sleeper: Sleeper): Promise<void> => {
    nowMs = Math.max(nowMs, sleeper.dueMs);
    sleepers.delete(sleeper);
    sleeper.wake();
    await settle();
  };

  return {
    nowMs: () => wallMs + nowMs,
    monotonicMs: () => nowMs,
    jump(byMs) {
      wallMs += byMs;
    },
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const stop = (): void => {
          sleepers.delete(sleeper);
          reject(signal.reason);
        };
        const sleeper: Sleeper = {
          dueMs: nowMs + delayMs,
          wake() {
            signal.removeEventListener('abort', stop);
            resolve();
          },
        };
        signal.addEventListener('abort', stop, { once: true });
        sleepers.add(sleeper);
      }),
    settle,
    get sleepers() {
      return sleepers.size;
    },
    async advance(delayMs) {
      const untilMs = nowMs + delayMs;
      await settle();
      for (let due = next(); due && due.dueMs <= untilMs; due = next()) await wake(due);
      nowMs = untilMs;
      await settle();
    },
    async runUntil(promise) {
      let settled = false;
      let idle = 0;
      const mark = (): void => {
        settled = true;
      };
      promise.then(mark, mark);
      await settle();
      while (!settled) {
        const due = next();
        if (due) await wake(due);
        else await settle();
        idle = due ? 0 : idle + 1;
        if (idle > IDLE_ROUNDS) throw new Error('nobody sleeps, and the promise has not settled');
      }
      return promise;
    },
  };
}
