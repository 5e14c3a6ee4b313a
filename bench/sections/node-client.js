// @ts-check
// Clients in Node, each to a sink of its own protocol that throws the bytes away: what the client alone can do.
import { join } from 'node:path';
import { runJob, startService } from '../lib/child.js';
import { inRounds } from '../lib/context.js';
import { MIB } from '../lib/options.js';
import { Samples } from '../lib/samples.js';
import { makeTestFile } from '../lib/test-file.js';

/** @import { Context, Findings } from '../lib/context.js' */

const CONCURRENCY = 4;

/**
 * @typedef {object} Candidate
 * @property {string} name
 * @property {string} client
 * @property {'json' | 'xml' | 'tus'} sink
 * @property {string} [variant]
 * @property {number} [sliceMiB]
 * @property {number} [part] Of the file: the slowest peers get less, so that all of this ends in time.
 */

/** @type {readonly Candidate[]} */
const CANDIDATES = [
  { name: 'node:http from memory', client: 'raw', variant: 'memory', sink: 'json' },
  { name: 'node:http from file', client: 'raw', variant: 'file', sink: 'json' },
  { name: 'node:crypto md5 of the file', client: 'hash', variant: 'md5', sink: 'json' },
  { name: 'node:crypto sha1 of the file', client: 'hash', variant: 'sha1', sink: 'json' },
  { name: 'hash-wasm sha1 of the file', client: 'hash', variant: 'sha1-states', sink: 'json' },
  { name: 'cos-slice none', client: 'cos-slice', variant: 'none', sink: 'json' },
  { name: 'cos-slice md5', client: 'cos-slice', variant: 'md5', sink: 'json' },
  { name: 'cos-slice sha1', client: 'cos-slice', variant: 'sha1', sink: 'json' },
  { name: 'qcloud_cos_v4 (sha1)', client: 'qcloud-cos-v4', sink: 'json' },
  { name: 'cos-nodejs-sdk-v5', client: 'cos-nodejs-sdk-v5', sink: 'xml', part: 0.25 },
  { name: 'lib-storage (crc32)', client: 'lib-storage', sink: 'xml', part: 0.25 },
  { name: 'lib-storage, no crc32', client: 'lib-storage', variant: 'plain', sink: 'xml', part: 0.25 },
  { name: 'tus-js-client', client: 'tus-js-client', sink: 'tus' },
  { name: 'node:http from file, 3 MiB slices', client: 'raw', variant: 'file', sink: 'json', sliceMiB: 3 },
  { name: 'cos-slice none, 3 MiB slices', client: 'cos-slice', variant: 'none', sink: 'json', sliceMiB: 3 },
  { name: 'qcloud_cos_v4 (sha1), 3 MiB slices', client: 'qcloud-cos-v4', sink: 'json', sliceMiB: 3 },
  { name: 'node:http from file, 8 MiB slices', client: 'raw', variant: 'file', sink: 'json', sliceMiB: 8 },
  { name: 'cos-slice none, 8 MiB slices', client: 'cos-slice', variant: 'none', sink: 'json', sliceMiB: 8 },
];
const OTHER_PEERS = ['cos-nodejs-sdk-v5', 'lib-storage (crc32)', 'lib-storage, no crc32', 'tus-js-client'];

/**
 * @param {Context} context
 * @returns {Promise<Findings>}
 */
export async function nodeClient(context) {
  const { sizeBytes } = context.options;
  const bytesOf = ({ part = 1 }) => Math.round(sizeBytes * part);
  const sizes = new Set(CANDIDATES.map(bytesOf));
  const fileOf = (/** @type {number} */ bytes) => join(context.dir, `node-client-${bytes}.bin`);
  for (const bytes of sizes) await makeTestFile(fileOf(bytes), bytes);
  const sinks = await startService('sinks/main.js');
  const samples = new Samples();
  const run = async (/** @type {Candidate} */ candidate) => {
    const { client, variant, sink, sliceMiB = 1 } = candidate;
    const bytes = bytesOf(candidate);
    const measured = await runJob('clients/main.js', {
      client,
      variant,
      port: sinks.ready.ports[sink],
      file: fileOf(bytes),
      sizeBytes: bytes,
      sliceSizeBytes: sliceMiB * MIB,
      concurrency: CONCURRENCY,
      stateDir: join(context.dir, 'state'),
    });
    samples.add(candidate.name, measured, bytes);
  };
  const notes = await inRounds(context, { name: 'Node client', share: 0.32 }, async (round) => {
    // Each round starts elsewhere, so that no candidate always follows the same one.
    const from = (round * 4) % CANDIDATES.length;
    for (const candidate of [...CANDIDATES.slice(from), ...CANDIDATES.slice(0, from)]) {
      await run(candidate);
    }
  });
  await sinks.stop();
  const raw = 'node:http from file';
  const byName = new Map(samples.rows().map((row) => [row.name, row]));
  const against = (/** @type {string} */ ours) =>
    OTHER_PEERS.map((peer) => samples.speedRatio(ours, peer) ?? Number.POSITIVE_INFINITY);
  const peers = against('cos-slice none');
  const peers3MiB = against('cos-slice none, 3 MiB slices');
  const rows = CANDIDATES.flatMap(({ name }) => byName.get(name) ?? []);
  return {
    rows,
    ratios: {
      noneVsRaw: samples.speedRatio('cos-slice none', raw),
      md5VsHashAlone: samples.speedRatio('cos-slice md5', 'node:crypto md5 of the file'),
      sha1VsHashAlone: samples.speedRatio('cos-slice sha1', 'hash-wasm sha1 of the file'),
      md5VsRaw: samples.speedRatio('cos-slice md5', raw),
      sha1VsRaw: samples.speedRatio('cos-slice sha1', raw),
      noneCpuVsRaw: samples.cpuRatio('cos-slice none', raw),
      none3MiBVsRaw: samples.speedRatio('cos-slice none, 3 MiB slices', `${raw}, 3 MiB slices`),
      none3MiBCpuVsRaw: samples.cpuRatio('cos-slice none, 3 MiB slices', `${raw}, 3 MiB slices`),
      none8MiBVsRaw: samples.speedRatio('cos-slice none, 8 MiB slices', `${raw}, 8 MiB slices`),
      none8MiBCpuVsRaw: samples.cpuRatio('cos-slice none, 8 MiB slices', `${raw}, 8 MiB slices`),
      noneVsQcloudV4: samples.speedRatio('cos-slice none', 'qcloud_cos_v4 (sha1)'),
      sha1VsQcloudV4: samples.speedRatio('cos-slice sha1', 'qcloud_cos_v4 (sha1)'),
      noneCpuVsQcloudV4: samples.cpuRatio('cos-slice none', 'qcloud_cos_v4 (sha1)'),
      noneVsBestPeer: Math.min(...peers),
      none3MiBVsBestPeer: Math.min(...peers3MiB),
      none3MiBVsQcloudV4: samples.speedRatio('cos-slice none, 3 MiB slices', 'qcloud_cos_v4 (sha1), 3 MiB slices'),
    },
    notes: ['Node client: cos-nodejs-sdk-v5 and lib-storage with a quarter of the file', ...notes],
  };
}
