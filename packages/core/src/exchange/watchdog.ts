import type { Clock } from '../ports.ts';

/** Something under watch; `onLate` is called once its deadline has passed, unless it is forgotten before. */
export interface Watched {
  /** On the monotonic clock; may move while it is watched, to no earlier than the watchdog's nap from now. */
  readonly deadlineMs: number;
  readonly onLate: () => void;
}

export interface Watchdog {
  watch(watched: Watched): void;
  forget(watched: Watched): void;
}

/**
 * One sleeper for all that is watched: it looks at the deadlines whenever it wakes, so that nothing needs a timer of its own.
 *
 * @param napMs how long it may sleep: no more than the shortest time that anything is ever given
 */
export function createWatchdog(clock: Clock, napMs: number, life: AbortSignal): Watchdog {
  const all = new Set<Watched>();
  let awake = false;
  const patrol = async (): Promise<void> => {
    awake = true;
    while (all.size > 0) {
      const nowMs = clock.monotonicMs();
      let leftMs = napMs;
      for (const watched of all) {
        leftMs = Math.min(leftMs, watched.deadlineMs - nowMs);
        if (watched.deadlineMs > nowMs) continue;
        all.delete(watched);
        watched.onLate();
      }
      await clock.sleep(Math.max(0, leftMs), life);
    }
    awake = false;
  };
  return {
    watch(watched) {
      all.add(watched);
      // Rejects when its life is over.
      if (!awake) patrol().catch(() => {});
    },
    forget: (watched) => all.delete(watched),
  };
}
