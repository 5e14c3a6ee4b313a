// @ts-check
// The XML wires beside their peers: to a sink, to a real store, over a far network, and in a browser.
import { join } from 'node:path';
import { CEPH_KEYS, startCeph } from '../lib/ceph.js';
import { runJob, startService } from '../lib/child.js';
import { inRounds } from '../lib/context.js';
import { MIB } from '../lib/options.js';
import { median, Samples } from '../lib/samples.js';
import { makeTestFile } from '../lib/test-file.js';
import { addBrowserRuns } from './wires-browser.js';

/** @import { Context, Findings } from '../lib/context.js' */

const PART_BYTES = 8 * MIB;
const CONCURRENCY = 4;
const ROUND_TRIP_MS = 100;
const BYTES_PER_S = 200e6 / 8;
/** A part takes a third of a second of the whole line: the far file has to have many. */
const FAR_PARTS = 32;

/**
 * @typedef {object} Candidate
 * @property {string} name
 * @property {string} client
 * @property {string} [variant]
 * @property {number} [part] Of the file: the slowest peers get less, so that all of this ends in time.
 */

/** @type {readonly Candidate[]} */
const TO_SINK = [
  { name: 'node:http from file, PUT', client: 'raw-put' },
  { name: 'cos-slice s3, none', client: 'cos-slice-wire', variant: 's3 none' },
  { name: 'cos-slice cos, none', client: 'cos-slice-wire', variant: 'cos none' },
  { name: 'cos-slice s3, md5', client: 'cos-slice-wire', variant: 's3 md5' },
  { name: 'lib-storage, no crc32', client: 'lib-storage', variant: 'plain', part: 0.25 },
  { name: 'lib-storage (crc32)', client: 'lib-storage', part: 0.25 },
  { name: 'cos-nodejs-sdk-v5', client: 'cos-nodejs-sdk-v5', part: 0.25 },
];
/** @type {readonly Candidate[]} */
const TO_CEPH = [
  { name: 'cos-slice s3, none, to Ceph', client: 'cos-slice-wire', variant: 's3 none' },
  { name: 'cos-slice s3, md5, to Ceph', client: 'cos-slice-wire', variant: 's3 md5' },
  { name: 'lib-storage, no crc32, to Ceph', client: 'lib-storage', variant: 'plain' },
  { name: 'lib-storage (crc32), to Ceph', client: 'lib-storage' },
];
const RAW_CEPH = 'UploadPart calls to Ceph, from memory';
const FAR = 'cos-slice s3, 200 Mbit/s, 100 ms';

/** @param {Context} context @returns {Promise<Findings>} */
export async function wires(context) {
  const samples = new Samples();
  /** @type {string[]} */
  const notes = [];
  const ceph = await startCeph().catch((error) => {
    notes.push(`XML wires: no Ceph here (${String(error.stderr ?? error).trim()})`);
    return undefined;
  });
  const sinks = await startService('sinks/main.js');
  try {
    const round = async (/** @type {number} */ run) => {
      await toSink(context, samples, sinks.ready.ports.xml, run);
      if (ceph) await toCeph(context, samples, ceph, run);
      await overFar(context, samples, sinks.ready.ports.xml);
      await addBrowserRuns(context, samples, sinks.ready.ports.xml);
    };
    notes.push(...(await inRounds(context, { name: 'XML wires', share: 0.12 }, round)));
  } finally {
    await sinks.stop();
    await ceph?.stop();
  }
  const libStorage = 'lib-storage, no crc32';
  const farIdealMs = ((FAR_PARTS * PART_BYTES) / BYTES_PER_S) * 1000 + 3 * ROUND_TRIP_MS;
  const uppy = '@uppy/aws-s3 in Chromium';
  const cosJs = 'cos-js-sdk-v5 in Chromium';
  const cos = 'cos-slice cos, none';
  const s3 = 'cos-slice s3, none';
  return {
    rows: samples.rows(),
    ratios: {
      wiresS3VsRaw: samples.speedRatio(s3, 'node:http from file, PUT'),
      wiresCosVsRaw: samples.speedRatio(cos, 'node:http from file, PUT'),
      wiresS3VsLibStorage: samples.speedRatio(s3, libStorage),
      wiresS3CpuVsLibStorage: samples.cpuRatio(s3, libStorage),
      wiresCosVsCosNodejsV5: samples.speedRatio(cos, 'cos-nodejs-sdk-v5'),
      wiresCosCpuVsCosNodejsV5: samples.cpuRatio(cos, 'cos-nodejs-sdk-v5'),
      wiresCephVsLibStorage: samples.speedRatio(`${s3}, to Ceph`, `${libStorage}, to Ceph`),
      wiresCephCpuVsLibStorage: samples.cpuRatio(`${s3}, to Ceph`, `${libStorage}, to Ceph`),
      wiresCephVsRawParts: samples.speedRatio(`${s3}, to Ceph`, RAW_CEPH),
      wiresFarVsIdeal: median(samples.runs(FAR).map(({ wallMs }) => wallMs / farIdealMs)),
      wiresBrowserVsUppyAwsS3: samples.speedRatio('cos-slice s3 in Chromium', uppy),
      wiresBrowserCpuVsUppyAwsS3: samples.cpuRatio('cos-slice s3 in Chromium', uppy),
      wiresBrowserVsCosJsV5: samples.speedRatio('cos-slice cos in Chromium', cosJs),
      wiresBrowserCpuVsCosJsV5: samples.cpuRatio('cos-slice cos in Chromium', cosJs),
    },
    notes: [
      'XML wires: parts of 8 MiB, four at once; peers with a quarter of the file where they go to a sink',
      ...notes,
    ],
  };
}

/** @param {Context} context @param {Samples} samples @param {number} port @param {number} round */
async function toSink(context, samples, port, round) {
  const { sizeBytes } = context.options;
  // Each round starts elsewhere, so that no candidate always follows the same one.
  const from = (round * 3) % TO_SINK.length;
  for (const { name, client, variant, part = 1 } of [...TO_SINK.slice(from), ...TO_SINK.slice(0, from)]) {
    const bytes = Math.round(sizeBytes * part);
    const file = await makeOnce(context, bytes);
    samples.add(name, await runJob('clients/main.js', jobOf(context, { client, variant, port, file, bytes })), bytes);
  }
}

/**
 * @param {Context} context
 * @param {Samples} samples
 * @param {Awaited<ReturnType<typeof startCeph>>} ceph
 * @param {number} round
 */
async function toCeph(context, samples, { endpoint, port }, round) {
  const bytes = context.options.diskSizeBytes;
  const raw = { endpoint, bucket: 'bench-bucket', sizeBytes: bytes, partBytes: PART_BYTES, connections: CONCURRENCY };
  const file = await makeOnce(context, bytes);
  const runs = [
    async () => samples.add(RAW_CEPH, await runJob('clients/raw-parts.js', raw), bytes),
    ...TO_CEPH.map(({ name, client, variant }) => async () => {
      const job = { ...jobOf(context, { client, variant, port, file, bytes }), keys: CEPH_KEYS };
      samples.add(name, await runJob('clients/main.js', job), bytes);
    }),
  ];
  const from = (round * 2) % runs.length;
  // The first request after its start is slow.
  if (round === 0) await runJob('clients/raw-parts.js', { ...raw, sizeBytes: PART_BYTES });
  for (const run of [...runs.slice(from), ...runs.slice(0, from)]) await run();
}

/** @param {Context} context @param {Samples} samples @param {number} port */
async function overFar(context, samples, port) {
  const bytes = FAR_PARTS * PART_BYTES;
  const file = await makeOnce(context, bytes);
  const links = await startService('far/main.js');
  const profile = { bytesPerS: BYTES_PER_S, roundTripMs: ROUND_TRIP_MS };
  const link = await links.ask({ open: { id: 1, port, profile } });
  const job = jobOf(context, { client: 'cos-slice-wire', variant: 's3 none', port: link.port, file, bytes });
  samples.add(FAR, await runJob('clients/main.js', { ...job, concurrency: { min: 1, max: 16 } }), bytes);
  await links.stop();
}

/**
 * @param {Context} context
 * @param {{ client: string, variant?: string | undefined, port: number, file: string, bytes: number }} one
 */
function jobOf(context, { client, variant, port, file, bytes }) {
  const common = { sliceSizeBytes: PART_BYTES, concurrency: CONCURRENCY, stateDir: join(context.dir, 'state') };
  return { client, variant, port, file, sizeBytes: bytes, ...common };
}

/** @type {Set<string>} */
const made = new Set();

/** @param {Context} context @param {number} bytes */
async function makeOnce(context, bytes) {
  const file = join(context.dir, `wires-${bytes}.bin`);
  if (!made.has(file)) await makeTestFile(file, bytes);
  made.add(file);
  return file;
}
