// What `uploadBlob` costs a page, minified and gzipped: the part that is loaded at once, and the hash worker.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const BUDGETS_KIB = { 'uploadBlob without hashing': 12, 'hash worker': 8 };

const { outputFiles } = await build({
  stdin: {
    contents: "import { uploadBlob, remoteSigner } from './index.js'; globalThis.upload = [uploadBlob, remoteSigner];",
    resolveDir: fileURLToPath(new URL('../dist', import.meta.url)),
  },
  bundle: true,
  minify: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  outdir: 'out',
  write: false,
});
const sizes = { 'uploadBlob without hashing': 0, 'hash worker': 0 };
for (const { text } of outputFiles) {
  const kind = text.includes('WebAssembly') ? 'hash worker' : 'uploadBlob without hashing';
  sizes[kind] += gzipSync(text, { level: 9 }).length / 1024;
}
for (const [name, kib] of Object.entries(sizes)) {
  const over = kib > BUDGETS_KIB[name];
  console.log(`${over ? 'over budget' : 'ok'}: ${name} ${kib.toFixed(2)} KiB of ${BUDGETS_KIB[name]} KiB (min+gzip)`);
  if (over || kib === 0) process.exitCode = 1;
}
