// What `uploadBlob` costs a page, minified and gzipped: the part that is loaded at once, and the hash worker.
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const BUDGETS_KIB = { 'uploadBlob without hashing': 21.2, 'hash worker': 8 };

const { outputFiles, metafile } = await build({
  stdin: {
    contents: "import { uploadBlob } from './index.js'; globalThis.uploadBlob = uploadBlob;",
    resolveDir: fileURLToPath(new URL('../dist', import.meta.url)),
  },
  bundle: true,
  minify: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  outdir: 'out',
  write: false,
  metafile: true,
  logLevel: 'error',
});
const [, entry] = Object.entries(metafile.outputs).find(([name]) => name.endsWith('stdin.js')) ?? [];
const statics = new Set(
  entry.imports.filter(({ kind }) => kind === 'import-statement').map((one) => basename(one.path)),
);
const sizes = { 'uploadBlob without hashing': 0, 'hash worker': 0 };
for (const { path, text } of outputFiles) {
  const kib = gzipSync(text, { level: 9 }).length / 1024;
  // What is imported at once is reached from the entry; the rest is loaded when it is first needed.
  if (path.endsWith('stdin.js') || statics.has(basename(path))) sizes['uploadBlob without hashing'] += kib;
  else if (path.includes('worker-source')) sizes['hash worker'] += kib;
  else console.log(`   loaded when needed: ${basename(path)} ${kib.toFixed(2)} KiB`);
}
for (const [name, kib] of Object.entries(sizes)) {
  const over = kib > BUDGETS_KIB[name];
  console.log(`${over ? 'over budget' : 'ok'}: ${name} ${kib.toFixed(2)} KiB of ${BUDGETS_KIB[name]} KiB (min+gzip)`);
  if (over || kib === 0) process.exitCode = 1;
}
