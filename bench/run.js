// @ts-check
// Everything in one run on one machine: peers, raw limits and ours take turns, so that all of them meet the same weather.
import { writeFile } from 'node:fs/promises';
import { createContext } from './lib/context.js';
import { describeMachine } from './lib/machine.js';
import { readOptions } from './lib/options.js';
import { formatRatios, formatRows } from './lib/table.js';
import { TARGETS } from './lib/targets.js';
import { nodeClient } from './sections/node-client.js';

/** @import { Context, Findings } from './lib/context.js' */

/** @type {readonly { key: string, title: string, run(context: Context): Promise<Findings> }[]} */
const SECTIONS = [{ key: 'node', title: 'Node client to a sink', run: nodeClient }];

const options = readOptions(process.argv.slice(2));
const context = await createContext(options);
const machine = describeMachine();
const startedAtMs = performance.now();
/** @type {Findings} */
const all = { rows: [], ratios: {}, notes: [] };
try {
  for (const { key, title, run } of SECTIONS) {
    if (options.only && !options.only.includes(key)) continue;
    const { rows, ratios, notes } = await run(context);
    all.rows.push(...rows);
    all.notes.push(...notes);
    Object.assign(all.ratios, ratios);
    console.log(`\n${formatRows(title, rows)}`);
  }
} finally {
  await context.close();
}
console.log(`\n${formatRatios(all.ratios, TARGETS)}`);
for (const note of all.notes) console.log(`\n${note}`);
const minutes = (performance.now() - startedAtMs) / 60_000;
console.log(`\n${machine.cpus} x ${machine.cpu}, Node ${machine.node}, ${machine.date}, ${minutes.toFixed(1)} minutes`);
if (options.json !== undefined) {
  const { runs, sizeBytes, diskSizeBytes, farSizeBytes } = options;
  const settings = { runs, sizeBytes, diskSizeBytes, farSizeBytes, minutes, notes: all.notes };
  const text = JSON.stringify({ machine: { ...machine, ...settings }, rows: all.rows, ratios: all.ratios }, null, 2);
  await writeFile(options.json, `${text}\n`);
}
