// @ts-check
// Many small files by one client in a process of its own.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runAsJob } from '../lib/job.js';
import { measure } from '../lib/usage.js';

/**
 * @typedef {object} SmallJob
 * @property {string} client File in this directory.
 * @property {number} port Where it uploads to, on 127.0.0.1.
 * @property {string} dir What it uploads: the files that are in there.
 * @property {string} to A folder of its own on the other side.
 * @property {number} atOnce
 * @property {string} stateDir Where it may keep what it remembers.
 */

await runAsJob(async (/** @type {SmallJob} */ job) => {
  /** @type {{ prepare(job: SmallJob): Promise<{ one?(file: string, name: string): Promise<unknown>, all?(): Promise<unknown> }> }} */
  const client = await import(`./${job.client}.js`);
  const { one, all } = await client.prepare(job);
  const names = await readdir(job.dir);
  const worker = async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) await one?.(join(job.dir, name), name);
  };
  return measure(all ?? (() => Promise.all(Array.from({ length: job.atOnce }, worker))));
});
