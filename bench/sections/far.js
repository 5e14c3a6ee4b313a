// @ts-check
// Far networks: a link of 200 Mbit/s and 100 ms there and back, and the same with connections that stand still now and then.
import { join } from 'node:path';
import { runJob, startService } from '../lib/child.js';
import { inRounds } from '../lib/context.js';
import { MIB } from '../lib/options.js';
import { median, Samples } from '../lib/samples.js';
import { makeTestFile } from '../lib/test-file.js';

/** @import { Context, Findings } from '../lib/context.js' */
/** @import { LinkProfile } from '../far/link.js' */

const ROUND_TRIP_MS = 100;
const BYTES_PER_S = 200e6 / 8;
/** Uploads that run side by side, each over a link of its own: they wait more than they work. */
const SIDE_BY_SIDE = 4;

/** @type {Readonly<Record<string, LinkProfile>>} */
const NETWORKS = {
  far: { bytesPerS: BYTES_PER_S, roundTripMs: ROUND_TRIP_MS },
  'far, stalls': { bytesPerS: BYTES_PER_S, roundTripMs: ROUND_TRIP_MS, stallMs: 400, stallEveryBytes: 4 * MIB },
};
const ADAPTIVE = 'cos-slice, adaptive';
const FIXED = [1, 2, 4, 8, 16];
const nameOfFixed = (/** @type {number} */ concurrency) => `cos-slice, ${concurrency} at once`;

/** Too slow to be worth their time twice: one request at once. */
const ONCE = [nameOfFixed(1), 'qcloud_cos_v4'];

/** @type {readonly { name: string, client: string, sink: string, concurrency: number | { min: number, max: number } }[]} */
const CANDIDATES = [
  // Longest first, so that none is left alone at the end.
  { name: nameOfFixed(1), client: 'cos-slice', sink: 'json', concurrency: 1 },
  { name: 'qcloud_cos_v4', client: 'qcloud-cos-v4', sink: 'json', concurrency: 1 },
  { name: nameOfFixed(2), client: 'cos-slice', sink: 'json', concurrency: 2 },
  { name: 'cos-nodejs-sdk-v5', client: 'cos-nodejs-sdk-v5', sink: 'xml', concurrency: 4 },
  { name: ADAPTIVE, client: 'cos-slice', sink: 'json', concurrency: { min: 1, max: 16 } },
  ...FIXED.slice(2).map((concurrency) => ({
    name: nameOfFixed(concurrency),
    client: 'cos-slice',
    sink: 'json',
    concurrency,
  })),
  { name: 'lib-storage', client: 'lib-storage', sink: 'xml', concurrency: 4 },
  { name: 'tus-js-client', client: 'tus-js-client', sink: 'tus', concurrency: 1 },
];

/**
 * @param {Context} context
 * @returns {Promise<Findings>}
 */
export async function farNetworks(context) {
  const sizeBytes = context.options.farSizeBytes;
  const idealMs = (sizeBytes / BYTES_PER_S) * 1000 + 3 * ROUND_TRIP_MS;
  const file = await makeTestFile(join(context.dir, 'far.bin'), sizeBytes);
  const sinks = await startService('sinks/main.js');
  const samples = new Samples();
  const rowName = (/** @type {string} */ network, /** @type {string} */ name) => `${network}: ${name}`;

  const notes = await inRounds(context, { name: 'Far networks', share: 0.21 }, async () => {
    const jobs = Object.entries(NETWORKS).flatMap(([network, profile]) =>
      CANDIDATES.filter(({ name }) => profile.stallMs === undefined || !ONCE.includes(name)).map((candidate) => ({
        network,
        profile,
        ...candidate,
      })),
    );
    const next = jobs.values();
    const work = async (/** @type {number} */ id) => {
      const links = await startService('far/main.js');
      for (const { network, profile, name, client, sink, concurrency } of next) {
        const { port } = await links.ask({ open: { id, port: sinks.ready.ports[sink], profile } });
        const common = { client, port, file, sizeBytes, sliceSizeBytes: MIB, concurrency, variant: 'none' };
        const measured = await runJob('clients/main.js', { ...common, stateDir: join(context.dir, 'state') });
        await links.ask({ close: id });
        samples.add(rowName(network, name), measured, sizeBytes);
      }
      await links.stop();
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, (_, id) => work(id)));
  });
  await sinks.stop();

  /** @param {string} network time of the adaptive window over the best fixed number's, in the same round */
  const versusBestFixed = (network) => {
    const runs = samples.runs(rowName(network, ADAPTIVE));
    const ratios = runs.map(({ wallMs }, index) => {
      const fixed = FIXED.map((n) => samples.runs(rowName(network, nameOfFixed(n)))[index]?.wallMs ?? Number.NaN);
      return wallMs / Math.min(...fixed.filter(Number.isFinite));
    });
    return median(ratios);
  };
  const timeVsIdeal = (/** @type {string} */ network, /** @type {string} */ name) =>
    median(samples.runs(rowName(network, name)).map(({ wallMs }) => wallMs / idealMs));
  const bestPeer = (/** @type {string} */ network) =>
    Math.min(...peers.map(({ name }) => timeVsIdeal(network, name)).filter(Number.isFinite));
  const byName = new Map(samples.rows().map((row) => [row.name, row]));
  const names = Object.keys(NETWORKS).flatMap((network) => CANDIDATES.map(({ name }) => rowName(network, name)));
  const peers = CANDIDATES.filter(({ client }) => client !== 'cos-slice');
  return {
    rows: names.flatMap((name) => byName.get(name) ?? []),
    ratios: {
      farVsIdeal: timeVsIdeal('far', ADAPTIVE),
      farVsBestFixed: versusBestFixed('far'),
      farBestPeerVsIdeal: bestPeer('far'),
      stallsVsIdeal: timeVsIdeal('far, stalls', ADAPTIVE),
      stallsVsBestFixed: versusBestFixed('far, stalls'),
      stallsBestPeerVsIdeal: bestPeer('far, stalls'),
    },
    notes: [
      `Far networks: ${sizeBytes / MIB} MiB, ideal ${(idealMs / 1000).toFixed(2)} s, ${SIDE_BY_SIDE} uploads side by side`,
      ...notes,
    ],
  };
}
