// @ts-check
import { join } from 'node:path';
import { bundle } from './bundle.js';
import { MUTANTS } from './mutants/index.js';
import { playSeeds } from './pool.js';

/** A mistake may make a thread run in circles; nothing else takes so long. */
const MAX_MS = 900_000;

/**
 * Makes one mistake after another in a copy of what is simulated, and plays until it is found.
 *
 * @param {{ dir: string, seed: number, runs: number, threads: number, only: string }} task
 * @returns {Promise<number>} how many were not found
 */
export async function findMutants({ dir, seed, runs, threads, only }) {
  let found = 0;
  let missed = 0;
  for (const [room, mutants] of Object.entries(MUTANTS)) {
    console.log(`\n${room}`);
    for (const [index, mutant] of mutants.entries()) {
      if (!`${room} ${mutant.name}`.includes(only)) continue;
      const file = join(dir, `${room.replaceAll(' ', '-')}-${index}.mjs`);
      try {
        await bundle(file, mutant);
      } catch (error) {
        missed += 1;
        console.log(`  CANNOT BE MADE: ${mutant.name}: ${/** @type {Error} */ (error).message}`);
        continue;
      }
      let played = 0;
      /** @type {import('./pool.js').Played | undefined} */
      let first;
      const isInTime = await playSeeds({
        file,
        seed,
        runs,
        threads,
        endsEarly: true,
        maxMs: MAX_MS,
        onPlayed(one) {
          played += 1;
          if (one.problems.length > 0 && (!first || one.seed < first.seed)) first = one;
        },
      });
      if (first) {
        found += 1;
        console.log(`  found by seed ${first.seed}: ${mutant.name}\n      ${first.problems[0]}`);
      } else {
        missed += 1;
        console.log(`  NOT FOUND in ${played} runs: ${mutant.name}${isInTime ? '' : ' (no time was left)'}`);
      }
    }
  }
  console.log(`\n${found} of ${found + missed} mistakes were found`);
  return missed;
}
