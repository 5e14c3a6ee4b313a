// @ts-check
import { median } from '../lib/samples.js';

/** How much may be lost before anybody is told: what a change of layout of the code in memory can do by itself. */
const MARGIN = 0.03;
/** How often a verdict may be wrong where nothing has changed. */
const ERROR = 0.05;

/**
 * @typedef {object} Verdict
 * @property {number} ratio Median of what the new version takes over what the old one does, in rounds of their own.
 * @property {number} low Lower end of where that median may lie.
 * @property {number} high
 * @property {'loss' | 'gain' | 'same'} says
 */

/**
 * Compares costs that were measured in pairs, one of each version in every round. It supposes nothing of how they scatter: the
 * bounds are the values between which the true median lies, by the sign test, in 95 of 100 cases.
 *
 * @param {readonly { before: number, after: number }[]} pairs
 * @returns {Verdict}
 */
export function judge(pairs) {
  const ratios = pairs.map(({ before, after }) => after / before).sort((one, other) => one - other);
  const cut = outermost(ratios.length);
  const low = cut === undefined ? 0 : (ratios[cut] ?? 0);
  const high = cut === undefined ? Number.POSITIVE_INFINITY : (ratios.at(-1 - cut) ?? Number.POSITIVE_INFINITY);
  const says = low > 1 + MARGIN ? 'loss' : high < 1 - MARGIN ? 'gain' : 'same';
  return { ratio: median(ratios), low, high, says };
}

/** Fewer rounds than this say nothing. */
export const LEAST_ROUNDS = 6;

/** How many of the smallest, and of the largest, values lie outside of the bounds. @param {number} count @returns {number | undefined} */
function outermost(count) {
  let outside = 0;
  let ways = 1;
  let cut;
  for (let index = 0; index < count / 2; index += 1) {
    // Chance that the true median lies below the value at this index.
    outside += ways / 2 ** count;
    if (2 * outside > ERROR) break;
    cut = index;
    ways = (ways * (count - index)) / (index + 1);
  }
  return cut;
}
