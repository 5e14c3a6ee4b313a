// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';

/** Long enough for some slices, short enough for some hundred turns in a run. */
const TURN_MS = 20;

/**
 * Gives each process its turn: it runs for `share` of the time and is stopped for the rest, as if it had so much of a processor,
 * and no two of them run at the same time. What is left of a period belongs to nobody.
 *
 * @param {readonly number[]} pids
 * @param {number} share up to 1 / pids.length
 * @returns {() => Promise<void>} lets all of them run again
 */
export function limitShare(pids, share) {
  if (share * pids.length > 1) throw new RangeError(`${pids.length} processes cannot have ${share} of the time each`);
  let isOver = false;
  /** @param {number} pid @param {NodeJS.Signals} signal */
  const tell = (pid, signal) => {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended.
    }
  };
  const turns = (async () => {
    for (const pid of pids) tell(pid, 'SIGSTOP');
    while (!isOver) {
      const startedAtMs = performance.now();
      for (const [index, pid] of pids.entries()) {
        tell(pid, 'SIGCONT');
        await sleep(startedAtMs + (index + 1) * TURN_MS - performance.now());
        tell(pid, 'SIGSTOP');
      }
      await sleep(startedAtMs + TURN_MS / share - performance.now());
    }
    for (const pid of pids) tell(pid, 'SIGCONT');
  })();
  return async () => {
    isOver = true;
    await turns;
  };
}
