// One ESM file with everything in it, for pages without a bundler; and the hash worker as a file, for pages whose
// Content-Security-Policy forbids workers from Blob URLs.
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleWorker } from './worker-bundle.js';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

await build({
  entryPoints: [path('dist/index.js')],
  outfile: path('dist/cos-slice.min.js'),
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  // Modules of types only.
  logOverride: { 'ignored-bare-import': 'silent' },
});

await writeFile(path('dist/hash-worker.js'), await bundleWorker());

// Both files carry code of others, whose licences go along.
const licences = await Promise.all(
  ['hash-wasm', 'idb-keyval'].map(async (name) => {
    let folder = dirname(fileURLToPath(import.meta.resolve(name)));
    while (!folder.endsWith(name)) folder = dirname(folder);
    const text = await readFile(join(folder, 'LICENSE'), 'utf8').catch(() => readFile(join(folder, 'LICENCE'), 'utf8'));
    return `${name}\n\n${text.trim()}\n`;
  }),
);
await writeFile(path('dist/THIRD-PARTY-LICENSES.txt'), licences.join('\n---\n\n'));
