// @ts-check
import { Worker } from 'node:worker_threads';

/**
 * What came of a seed, as a thread tells it.
 *
 * @typedef {object} Played
 * @property {number} seed
 * @property {readonly string[]} problems what has gone wrong: nothing, usually
 * @property {readonly string[]} [story] what has happened, line by line, when it was asked for
 * @property {number} happenings
 * @property {ReadonlyMap<string, number>} outcomes how often uploads ended in which way
 */

/**
 * @typedef {object} Task
 * @property {string} file the bundle
 * @property {number} seed the first one
 * @property {number} runs how many
 * @property {number} threads
 * @property {boolean} [isTold] whether stories are told
 * @property {boolean} [endsEarly] all threads end once something has been found
 * @property {number} [maxMs] in real time; then all is broken off
 * @property {(played: Played) => void} onPlayed
 */

/**
 * Plays seeds on several threads.
 *
 * @param {Task} task
 * @returns {Promise<boolean>} whether there was time for all of them
 */
export async function playSeeds({ file, seed, runs, threads, isTold = false, endsEarly = false, maxMs, onPlayed }) {
  let isCut = false;
  /** @type {Set<Worker>} */
  const running = new Set();
  const end = () => {
    for (const worker of running) void worker.terminate();
  };
  const count = Math.min(threads, runs);
  await Promise.all(
    Array.from({ length: count }, (_, index) => {
      const own = Math.floor((runs - index - 1) / count) + 1;
      const workerData = { first: seed + index, step: count, count: own, isTold };
      const worker = new Worker(file, { workerData });
      running.add(worker);
      return new Promise((resolve, reject) => {
        const limit = setTimeout(
          () => {
            isCut = true;
            end();
          },
          maxMs ?? 2 ** 31 - 1,
        );
        worker.on('message', (/** @type {Played} */ played) => {
          onPlayed(played);
          if (endsEarly && played.problems.length > 0) end();
        });
        worker.on('error', reject);
        worker.on('exit', () => {
          clearTimeout(limit);
          resolve(undefined);
        });
      });
    }),
  );
  return !isCut;
}
