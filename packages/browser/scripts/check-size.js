// What `uploadBlob` costs a page, minified and gzipped: what is loaded at once, and what is loaded when it is needed.
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const BUDGETS_KIB = { 'uploadBlob, at once': 19, 'hash worker': 8.9 };

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const kibOf = ({ text }) => gzipSync(text, { level: 9 }).length / 1024;
const bundle = (contents, plugins) =>
  build({
    stdin: { contents, resolveDir: dist },
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    outdir: 'out',
    write: false,
    metafile: true,
    logLevel: 'error',
    plugins,
  });

const ENTRY = "import { uploadBlob } from './index.js'; globalThis.uploadBlob = uploadBlob;";

// Bundlers leave with the entry what a late part shares with it; only esbuild makes files of it, which say so much again.
const { outputFiles: atOnce } = await bundle(ENTRY, [
  {
    name: 'leave out what is loaded late',
    setup(one) {
      one.onResolve({ filter: /./ }, ({ kind }) =>
        kind === 'dynamic-import' ? { path: 'late', external: true } : undefined,
      );
    },
  },
]);
const sizes = { 'uploadBlob, at once': kibOf(atOnce[0]), 'hash worker': 0 };

const { outputFiles, metafile } = await bundle(ENTRY, []);
const [, entry] = Object.entries(metafile.outputs).find(([name]) => name.endsWith('stdin.js')) ?? [];
const statics = new Set(
  entry.imports.filter(({ kind }) => kind === 'import-statement').map((one) => basename(one.path)),
);
let split = 0;
for (const file of outputFiles) {
  const name = basename(file.path);
  if (name === 'stdin.js' || statics.has(name)) split += kibOf(file);
  else if (name.includes('worker-source')) sizes['hash worker'] += kibOf(file);
  else console.log(`   loaded when needed: ${name} ${kibOf(file).toFixed(2)} KiB`);
}
console.log(`   at once, as esbuild splits it: ${split.toFixed(2)} KiB`);

for (const [name, kib] of Object.entries(sizes)) {
  const over = kib > BUDGETS_KIB[name];
  console.log(`${over ? 'over budget' : 'ok'}: ${name} ${kib.toFixed(2)} KiB of ${BUDGETS_KIB[name]} KiB (min+gzip)`);
  if (over || kib === 0) process.exitCode = 1;
}
