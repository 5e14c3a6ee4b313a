// @ts-check
// Two versions in one run, taking turns, so that both of them meet the same weather.

import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../lib/samples.js';
import { formatTable } from '../lib/table.js';
import { createMeasures } from './measures.js';
import { judge, LEAST_ROUNDS } from './verdict.js';
import { buildVersion, thisVersion } from './version.js';

/** @import { Context } from '../lib/context.js' */

/** @typedef {{ measure: string, cost: string, before: number, after: number } & import('./verdict.js').Verdict} Compared */

/**
 * Compares these files with another version, and prints what became of each cost.
 *
 * @param {string} ref
 * @param {Context} context
 * @returns {Promise<{ compared: Compared[], notes: string[] }>}
 */
export async function compareWith(ref, context) {
  const dir = await mkdtemp(join(process.env.BENCH_DIR ?? tmpdir(), 'cos-slice-against-'));
  const clean = () => {
    for (const left of [dir, context.dir]) rmSync(left, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once('exit', clean);
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => process.exit(130));
  try {
    return await compare(await buildVersion(ref, join(dir, 'version'), context.log), context);
  } finally {
    process.off('exit', clean);
    await rm(dir, { recursive: true, force: true });
  }
}

/** @param {import('./version.js').Version} before @param {Context} context */
async function compare(before, context) {
  const { options, log } = context;
  const after = thisVersion();
  const { measures, close } = await createMeasures(context);
  const wanted = measures.filter(({ section }) => options.only?.includes(section) ?? true);
  const able = wanted.filter(({ file }) => before.has(file));
  const notes = wanted.filter((one) => !able.includes(one)).map(({ name }) => `${before.name} cannot measure: ${name}`);
  const rounds = Math.max(options.runs, LEAST_ROUNDS);
  /** @type {Map<string, { measure: string, cost: string, pairs: { before: number, after: number }[] }>} */
  const found = new Map();
  try {
    for (let round = 0; round < rounds; round += 1) {
      log(`Round ${round + 1} of ${rounds}`);
      for (const [index, { name, run }] of able.entries()) {
        // Whoever comes second finds files in memory and a warm processor: they take turns.
        const isFirst = (round + index) % 2 === 0;
        const one = await run(isFirst ? before : after);
        const other = await run(isFirst ? after : before);
        const [old, now] = isFirst ? [one, other] : [other, one];
        for (const [cost, value] of Object.entries(now)) {
          const key = `${name} ${cost}`;
          const entry = found.get(key) ?? { measure: name, cost, pairs: [] };
          entry.pairs.push({ before: old[cost] ?? Number.NaN, after: value });
          found.set(key, entry);
        }
      }
    }
  } finally {
    await close();
  }
  const isWhole = (/** @type {{ before: number, after: number }} */ pair) => pair.before > 0 && pair.after > 0;
  for (const { measure, cost, pairs } of found.values()) {
    // A cost that is not told any more would otherwise be one that never grows.
    if (!pairs.every(isWhole)) throw new Error(`${measure}, ${cost}: one of the versions does not tell it`);
  }
  const compared = [...found.values()].map(({ measure, cost, pairs }) => ({
    measure,
    cost,
    before: median(pairs.map((pair) => pair.before)),
    after: median(pairs.map((pair) => pair.after)),
    ...judge(pairs),
  }));
  return { compared, notes };
}

/** @param {string} ref @param {readonly Compared[]} compared */
export function formatCompared(ref, compared) {
  const number = (/** @type {number} */ value) => value.toPrecision(3).replace(/e\+?(-?\d+)/, 'e$1');
  const lines = compared.map(({ measure, cost, before, after, ratio, low, high, says }) => [
    `${measure}, ${cost}`,
    number(before),
    number(after),
    ratio.toFixed(2),
    `${low.toFixed(2)} to ${high.toFixed(2)}`,
    says === 'same' ? '' : says,
  ]);
  return formatTable([['Cost', ref, 'now', 'ratio', '95% of cases', ''], ...lines]);
}
