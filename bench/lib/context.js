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
 */

/**
 * @param {BenchOptions} options
 * @returns {Promise<Context & { close(): Promise<void> }>}
 */
export async function createContext(options) {
  const dir = await mkdtemp(join(process.env.BENCH_DIR ?? tmpdir(), 'cos-slice-bench-'));
  return {
    options,
    dir,
    log: (text) => process.stderr.write(`${text}\n`),
    close: () => rm(dir, { recursive: true, force: true }),
  };
}

/**
 * Does `round` for every run, until the section's share of the time is used up; at least once.
 *
 * @param {Context} context
 * @param {{ name: string, share: number }} section `share` of the whole time, 0 to 1
 * @param {(run: number) => Promise<void>} round
 * @returns {Promise<string[]>} what has to be said about it
 */
export async function inRounds({ options, log }, { name, share }, round) {
  const startedAtMs = performance.now();
  const allowedMs = options.minutes * 60_000 * share;
  for (let run = 0; run < options.runs; run += 1) {
    const elapsedMs = performance.now() - startedAtMs;
    if (run > 0 && (elapsedMs / run) * (run + 1) > allowedMs) {
      return [`${name}: ${run} instead of ${options.runs} runs, since its share of the time was used up`];
    }
    log(`${name}: run ${run + 1} of ${options.runs}`);
    await round(run);
  }
  return [];
}
