// @ts-check
// Everything in one run on one machine: peers, raw limits and ours take turns, so that all of them meet the same weather.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compareWith, formatCompared } from './against/main.js';
import { createContext } from './lib/context.js';
import { describeMachine } from './lib/machine.js';
import { readOptions } from './lib/options.js';
import { drawBars, drawCurves } from './lib/plots.js';
import { formatRatios, formatRows } from './lib/table.js';
import { TARGETS } from './lib/targets.js';
import { browserClient } from './sections/browser.js';
import { download } from './sections/download.js';
import { farNetworks } from './sections/far.js';
import { growth } from './sections/growth.js';
import { nodeClient } from './sections/node-client.js';
import { endToEnd, serverAlone } from './sections/on-disk.js';

import { s3 } from './sections/s3.js';
import { smallFiles } from './sections/small.js';
import { wires } from './sections/wires.js';

/** @import { Context, Findings } from './lib/context.js' */

/** @type {readonly { key: string, title: string, run(context: Context): Promise<Findings> }[]} */
const SECTIONS = [
  { key: 'node', title: 'Node client to a sink', run: nodeClient },
  { key: 'end-to-end', title: 'End to end, on disk', run: endToEnd },
  { key: 'server', title: 'Server alone', run: serverAlone },
  { key: 'download', title: 'Download, to disk', run: download },
  { key: 'far', title: '200 Mbit/s, 100 ms', run: farNetworks },
  { key: 's3', title: 'Server on an object store', run: s3 },
  { key: 'wires', title: 'XML wires: COS and S3', run: wires },
  { key: 'small', title: 'Many small files', run: smallFiles },
  { key: 'browser', title: 'Browser', run: browserClient },
  { key: 'growth', title: 'Growth: planning alone', run: growth },
];

const options = readOptions(process.argv.slice(2));
const context = await createContext(options);
if (options.against !== undefined) {
  await runAgainst(options.against);
  process.exit();
}
const machine = describeMachine();
const startedAtMs = performance.now();
/** @type {Findings} */
const all = { rows: [], ratios: {}, notes: [] };
try {
  for (const { key, title, run } of SECTIONS) {
    if (options.only && !options.only.includes(key)) continue;
    const { rows, ratios, notes, curves } = await run(context);
    all.rows.push(...rows);
    all.notes.push(...notes);
    Object.assign(all.ratios, ratios);
    if (rows.length > 0) console.log(`\n${formatRows(title, rows)}`);
    await plot(`${key}.svg`, curves ? drawCurves('How cost grows', curves) : drawBars(title, rows));
  }
} finally {
  await context.close();
}
console.log(`\n${formatRatios(all.ratios, TARGETS)}`);
for (const note of all.notes) console.log(`\n${note}`);
const minutes = (performance.now() - startedAtMs) / 60_000;
console.log(`\n${machine.cpus} x ${machine.cpu}, Node ${machine.node}, ${machine.date}, ${minutes.toFixed(1)} minutes`);
if (options.json !== undefined) {
  const { runs, sizeBytes, diskSizeBytes, downloadSizeBytes, farSizeBytes } = options;
  const settings = { runs, sizeBytes, diskSizeBytes, downloadSizeBytes, farSizeBytes, minutes, notes: all.notes };
  const text = JSON.stringify({ machine: { ...machine, ...settings }, rows: all.rows, ratios: all.ratios }, null, 2);
  await writeFile(options.json, `${text}\n`);
}

/** @param {string} ref */
async function runAgainst(ref) {
  try {
    const { compared, notes } = await compareWith(ref, context);
    console.log(formatCompared(ref, compared));
    for (const note of notes) console.log(`\n${note}`);
    const worse = compared.filter(({ says }) => says === 'loss').map(({ measure, cost }) => `${measure}, ${cost}`);
    console.log(`\n${worse.length > 0 ? `Worse than ${ref}: ${worse.join('; ')}` : `Nothing is worse than ${ref}`}`);
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify({ ref, compared }, null, 2)}\n`);
    process.exitCode = worse.length > 0 ? 1 : 0;
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 2;
  } finally {
    await context.close();
  }
}

/** @param {string} name @param {string} image */
async function plot(name, image) {
  if (options.plots === undefined) return;
  await mkdir(options.plots, { recursive: true });
  await writeFile(join(options.plots, name), image);
}
