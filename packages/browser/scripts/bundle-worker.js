// Bundles the hash worker as text, for a worker from a Blob URL: that works with every bundler and from a CDN.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

const { outputFiles } = await build({
  entryPoints: [path('src/hash/worker.js')],
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  legalComments: 'none',
  write: false,
});
const [{ text }] = outputFiles;
await writeFile(
  path('src/hash/worker-source.gen.ts'),
  `export const workerSource: string =\n  ${JSON.stringify(text.trim())};\n`,
);
