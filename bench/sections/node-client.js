// @ts-check
// Clients in Node, each to a sink of its own protocol that throws the bytes away: what the client alone can do.
import { join } from 'node:path';
import { runJob, startService } from '../lib/child.js';
import { inRounds } from '../lib/context.js';
import { MIB } from '../lib/options.js';
import { median, Samples } from '../lib/samples.js';
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
 */

/** @type {readonly Candidate[]} */
const CANDIDATES = [
  { name: 'node:http from memory', client: 'raw', variant: 'memory', sink: 'json' },
  { name: 'node:http from file', client: 'raw', variant: 'file', sink: 'json' },
  { name: 'cos-slice none', client: 'cos-slice', variant: 'none', sink: 'json' },
  { name: 'cos-slice md5', client: 'cos-slice', variant: 'md5', sink: 'json' },
  { name: 'cos-slice sha1', client: 'cos-slice', variant: 'sha1', sink: 'json' },
  { name: 'qcloud_cos_v4 (sha1)', client: 'qcloud-cos-v4', sink: 'json' },
  { name: 'cos-nodejs-sdk-v5', client: 'cos-nodejs-sdk-v5', sink: 'xml' },
  { name: 'lib-storage (crc32)', client: 'lib-storage', sink: 'xml' },
  { name: 'lib-storage, no crc32', client: 'lib-storage', variant: 'plain', sink: 'xml' },
  { name: 'tus-js-client', client: 'tus-js-client', sink: 'tus' },
  { name: 'node:http from file, 3 MiB slices', client: 'raw', variant: 'file', sink: 'json', sliceMiB: 3 },
  { name: 'cos-slice none, 3 MiB slices', client: 'cos-slice', variant: 'none', sink: 'json', sliceMiB: 3 },
  { name: 'qcloud_cos_v4 (sha1), 3 MiB slices', client: 'qcloud-cos-v4', sink: 'json', sliceMiB: 3 },
  { name: 'node:http from file, 8 MiB slices', client: 'raw', variant: 'file', sink: 'json', sliceMiB: 8 },
  { name: 'cos-slice none, 8 MiB slices', client: 'cos-slice', variant: 'none', sink: 'json', sliceMiB: 8 },
];
export const OTHER_PEERS = ['cos-nodejs-sdk-v5', 'lib-storage (crc32)', 'lib-storage, no crc32', 'tus-js-client'];

/**
 * @param {Context} context
 * @returns {Promise<Findings>}
 */
export async function nodeClient(context) {
  const { sizeBytes } = context.options;
  const file = await makeTestFile(join(context.dir, 'node-client.bin'), sizeBytes);
  const sinks = await startService('sinks/main.js');
  const samples = new Samples();
  const run = async (/** @type {Candidate} */ { client, variant, sink, sliceMiB = 1 }) =>
    runJob('clients/main.js', {
      client,
      variant,
      port: sinks.ready.ports[sink],
      file,
      sizeBytes,
      sliceSizeBytes: sliceMiB * MIB,
      concurrency: CONCURRENCY,
      stateDir: join(context.dir, 'state'),
    });
  const notes = await inRounds(context, { name: 'Node client', share: 0.47 }, async (round) => {
    // Each round starts elsewhere, so that no candidate always follows the same one.
    const from = (round * 4) % CANDIDATES.length;
    for (const candidate of [...CANDIDATES.slice(from), ...CANDIDATES.slice(0, from)]) {
      samples.add(candidate.name, await run(candidate), sizeBytes);
    }
  });
  await sinks.stop();
  const raw = 'node:http from file';
  const byName = new Map(samples.rows().map((row) => [row.name, row]));
  const rows = CANDIDATES.flatMap(({ name }) => byName.get(name) ?? []);
  const bestPeer = samples.runs('cos-slice none').map((_, index) => {
    const ratios = OTHER_PEERS.map((peer) => {
      const [ours, theirs] = [samples.runs('cos-slice none')[index], samples.runs(peer)[index]];
      return ours && theirs ? theirs.wallMs / ours.wallMs : Number.POSITIVE_INFINITY;
    });
    return Math.min(...ratios);
  });
  return {
    rows,
    ratios: {
      noneVsRaw: samples.speedRatio('cos-slice none', raw),
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
      noneVsBestPeer: median(bestPeer),
    },
    notes,
  };
}
