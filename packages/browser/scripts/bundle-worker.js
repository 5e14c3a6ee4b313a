// Puts the hash worker into the source as text, for a worker from a Blob URL: that works with every bundler and from a CDN.
import { writeFile } from 'node:fs/promises';
import { bundleWorker } from './worker-bundle.js';

const text = JSON.stringify(await bundleWorker());
await writeFile(
  new URL('../src/hash/worker-source.gen.ts', import.meta.url),
  `export const workerSource: string =\n  ${text};\n`,
);
