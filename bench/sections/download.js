// @ts-check
// A large object from our server to the disk, against the shortest program that fetches it in parts.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runJob } from '../lib/child.js';
import { inRounds } from '../lib/context.js';
import { MIB } from '../lib/options.js';
import { Samples } from '../lib/samples.js';
import { withServer } from '../lib/server.js';
import { makeTestFile } from '../lib/test-file.js';

/** @import { Context, Findings } from '../lib/context.js' */

const LOOP = 'parallel http.get loop';
const CHECKED = 'cos-slice download, SHA-1 checked';
const UNCHECKED = 'cos-slice download, no SHA-1 known';
/** The server tells the SHA-1 of what was uploaded with it. */
const CANDIDATES = [
  { name: LOOP, variant: 'loop', object: 'checked.bin' },
  { name: CHECKED, variant: 'cos-slice', object: 'checked.bin' },
  { name: UNCHECKED, variant: 'cos-slice', object: 'unchecked.bin' },
];

/**
 * CPU and memory are the client's.
 *
 * @param {Context} context
 * @returns {Promise<Findings>}
 */
export async function download(context) {
  const sizeBytes = context.options.downloadSizeBytes;
  const samples = new Samples();
  const notes = await withServer(context, 'cos-slice', async ({ ready: { port } }) => {
    const source = await makeTestFile(join(context.dir, 'download.bin'), sizeBytes);
    const common = { port, sizeBytes, sliceSizeBytes: 8 * MIB, concurrency: 4, stateDir: join(context.dir, 'state') };
    for (const [object, variant] of [
      ['checked.bin', 'sha1'],
      ['unchecked.bin', 'none'],
    ]) {
      await runJob('clients/main.js', { ...common, client: 'cos-slice', variant, object, file: source });
    }
    return inRounds(context, { name: 'Download', share: 0.08 }, async (round) => {
      const from = round % CANDIDATES.length;
      for (const { name, ...candidate } of [...CANDIDATES.slice(from), ...CANDIDATES.slice(0, from)]) {
        const file = join(context.dir, `downloaded-${candidate.variant}.bin`);
        const measured = await runJob('clients/main.js', { ...common, ...candidate, client: 'download', file });
        samples.add(name, measured, sizeBytes);
        await rm(file);
      }
    });
  });
  return {
    rows: samples.rows(),
    ratios: {
      downloadVsLoop: samples.speedRatio(CHECKED, LOOP),
      downloadUncheckedVsLoop: samples.speedRatio(UNCHECKED, LOOP),
      downloadCpuVsLoop: samples.cpuRatio(CHECKED, LOOP),
    },
    notes,
  };
}
