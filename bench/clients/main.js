// @ts-check
// One upload by one client in a process of its own: what it costs is what this process costs.
import { runAsJob } from '../lib/job.js';
import { measure } from '../lib/usage.js';

/**
 * @typedef {object} ClientJob
 * @property {string} client File in this directory.
 * @property {number} port Where it uploads to, on 127.0.0.1.
 * @property {string} file What it uploads.
 * @property {number} sizeBytes
 * @property {number} sliceSizeBytes
 * @property {number | { min: number, max: number }} concurrency
 * @property {string} [variant]
 * @property {string} [object] Where in the bucket.
 * @property {{ secretId: string, secretKey: string }} [keys] Of a store that checks them.
 * @property {string} stateDir Where it may keep what it remembers.
 */

await runAsJob(async (/** @type {ClientJob} */ job) => {
  /** @type {{ prepare(job: ClientJob): Promise<() => Promise<unknown>> }} */
  const client = await import(`./${job.client}.js`);
  const upload = await client.prepare(job);
  return measure(upload);
});
