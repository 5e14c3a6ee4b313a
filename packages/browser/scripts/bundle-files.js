// One ESM file with everything in it, for pages without a bundler; and the hash worker as a file, for pages whose
// Content-Security-Policy forbids workers from Blob URLs.
import { writeFile } from 'node:fs/promises';
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
