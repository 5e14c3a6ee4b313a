// @ts-check
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** @import { BenchOptions } from './options.js' */
/** @import { Row } from './samples.js' */
/** @import { Curve } from '../sections/growth.js' */

/**
 * What a section gives.
 *
 * @typedef {object} Findings
 * @property {Row[]} rows
 * @property {Record<string, number | null>} ratios
 * @property {string[]} notes
 * @property {Curve[]} [curves]
 */

/**
 * @typedef {object} Context
 * @property {BenchOptions} options
 * @property {string} dir For files, removed at the end.
 * @property {(text: string) => void} log
 * @property {(share: number) => number} allot When a section with this share must be over, by `performance.now()`. What one leaves
 *   unused is the next ones'.
 */

/**
 * @param {BenchOptions} options
 * @returns {Promise<Context & { close(): Promise<void> }>}
 */
export async function createContext(options) {
  const startedAtMs = performance.now();
  let allotted = 0;
  const dir = await mkdtemp(join(process.env.BENCH_DIR ?? tmpdir(), 'cos-slice-bench-'));
  return {
    options,
    dir,
    log: (text) => process.stderr.write(`${text}\n`),
    allot(share) {
      allotted += share;
      return startedAtMs + options.minutes * 60_000 * allotted;
    },
    close: () => rm(dir, { recursive: true, force: true }),
  };
}

/**
 * Does `round` for every run, as long as the section's time allows it; at least once.
 *
 * @param {Context} context
 * @param {{ name: string, share: number }} section `share` of the whole time, 0 to 1
 * @param {(run: number) => Promise<void>} round
 * @returns {Promise<string[]>} what has to be said about it
 */
export async function inRounds({ options, log, allot }, { name, share }, round) {
  const endsAtMs = allot(share);
  let longestMs = 0;
  for (let run = 0; run < options.runs; run += 1) {
    const startedAtMs = performance.now();
    if (run > 0 && startedAtMs + longestMs > endsAtMs) {
      return [`${name}: ${run} instead of ${options.runs} runs, since its time was used up`];
    }
    log(`${name}: run ${run + 1} of ${options.runs}`);
    await round(run);
    longestMs = Math.max(longestMs, performance.now() - startedAtMs);
  }
  return [];
}
