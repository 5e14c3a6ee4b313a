// @ts-check
// Many small files, each client to a server of its protocol that keeps them, on loopback and through a link of 20 ms there and
// back. There is none for lib-storage: it goes to a sink, and so does ours once more each time, to be held against it.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runJob, startService } from '../lib/child.js';
import { inRounds } from '../lib/context.js';
import { Samples } from '../lib/samples.js';
import { makeSmallFiles, SMALL_BYTES } from '../lib/test-file.js';

/** @import { Context, Findings } from '../lib/context.js' */

const AT_ONCE = 16;
const LINK = { bytesPerS: 1e9 / 8, roundTripMs: 20 };

/** @type {readonly { name: string, client: string, server: 'cos-slice' | 'tus' | 'json sink' | 'xml sink', atOnce: number, isFar?: boolean, part?: number }[]} */
const CANDIDATES = [
  { name: 'cos-slice, one after another', client: 'cos-slice', server: 'cos-slice', atOnce: 1 },
  { name: 'cos-slice, 16 at once', client: 'cos-slice', server: 'cos-slice', atOnce: AT_ONCE },
  { name: 'cos-slice, directory', client: 'cos-slice-directory', server: 'cos-slice', atOnce: AT_ONCE },
  { name: 'qcloud_cos_v4, 16 at once', client: 'qcloud-cos-v4', server: 'cos-slice', atOnce: AT_ONCE },
  { name: 'tus-js-client, 16 at once', client: 'tus-js-client', server: 'tus', atOnce: AT_ONCE },
  {
    name: 'cos-slice, directory, to a sink',
    client: 'cos-slice-directory',
    server: 'json sink',
    atOnce: AT_ONCE,
  },
  { name: 'lib-storage, 16 at once, to a sink', client: 'lib-storage', server: 'xml sink', atOnce: AT_ONCE },
  // A tenth of the files: at one round trip after another they would take as long as all the rest.
  {
    name: '20 ms: cos-slice, one after another',
    client: 'cos-slice',
    server: 'cos-slice',
    atOnce: 1,
    isFar: true,
    part: 0.1,
  },
  {
    name: '20 ms: cos-slice, directory',
    client: 'cos-slice-directory',
    server: 'cos-slice',
    atOnce: AT_ONCE,
    isFar: true,
  },
  { name: '20 ms: tus-js-client, 16 at once', client: 'tus-js-client', server: 'tus', atOnce: AT_ONCE, isFar: true },
  {
    name: '20 ms: cos-slice, directory, to a sink',
    client: 'cos-slice-directory',
    server: 'json sink',
    atOnce: AT_ONCE,
    isFar: true,
  },
  {
    name: '20 ms: lib-storage, 16 at once, to a sink',
    client: 'lib-storage',
    server: 'xml sink',
    atOnce: AT_ONCE,
    isFar: true,
  },
];
/** Ours, and the peers that have as much behind them. */
const COMPARED = [
  ['cos-slice, directory', 'qcloud_cos_v4, 16 at once'],
  ['cos-slice, directory', 'tus-js-client, 16 at once'],
  ['cos-slice, directory, to a sink', 'lib-storage, 16 at once, to a sink'],
];
const COMPARED_FAR = [
  ['20 ms: cos-slice, directory', '20 ms: tus-js-client, 16 at once'],
  ['20 ms: cos-slice, directory, to a sink', '20 ms: lib-storage, 16 at once, to a sink'],
];

/**
 * @param {Context} context
 * @returns {Promise<Findings>}
 */
export async function smallFiles(context) {
  const { smallFiles: count } = context.options;
  const samples = new Samples();
  const links = await startService('far/main.js');
  let opened = 0;

  /** @type {Map<number, string>} */
  const directories = new Map();
  for (const { part = 1 } of CANDIDATES) {
    const files = Math.max(1, Math.round(count * part));
    if (!directories.has(files)) {
      directories.set(files, await makeSmallFiles(join(context.dir, `small-${files}`), files));
    }
  }

  const notes = await inRounds(context, { name: 'Small files', share: 0.1 }, async (round) => {
    for (const [index, { name, client, server, atOnce, isFar, part = 1 }] of CANDIDATES.entries()) {
      const files = Math.max(1, Math.round(count * part));
      const store = join(context.dir, `small-store-${round}-${index}`);
      await mkdir(store);
      const sink = /^(json|xml) sink$/.exec(server)?.[1];
      const service = sink
        ? await startService('sinks/main.js')
        : await startService('servers/main.js', { kind: server, dir: store });
      let port = sink ? service.ready.ports[sink] : service.ready.port;
      if (isFar) {
        opened += 1;
        ({ port } = await links.ask({ open: { id: opened, port, profile: LINK } }));
      }
      const job = {
        client,
        port,
        dir: directories.get(files),
        to: 'small',
        atOnce,
        stateDir: join(context.dir, 'state'),
      };
      samples.add(name, await runJob('small/main.js', job), files * SMALL_BYTES);
      if (isFar) await links.ask({ close: opened });
      await service.stop();
    }
  });
  await links.stop();
  const ratio = (/** @type {string} */ one, /** @type {string} */ other) =>
    samples.speedRatio(one, other) ?? Number.NaN;
  const least = (/** @type {string[][]} */ pairs) =>
    Math.min(...pairs.map(([ours = '', peer = '']) => ratio(ours, peer)));
  return {
    rows: samples.rows(),
    ratios: {
      smallVsBestPeer: least(COMPARED),
      smallFarVsBestPeer: least(COMPARED_FAR),
      smallFarVsOneByOne: ratio('20 ms: cos-slice, directory', '20 ms: cos-slice, one after another'),
    },
    notes: [`Small files: ${count} of 16 KiB each; 1 MiB/s is 64 files a second`, ...notes],
  };
}
