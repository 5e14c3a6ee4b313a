// What the plugin costs on top of packages/browser, minified and gzipped, without Uppy itself.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const BUDGET_KIB = 7.7;

async function kibOf(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('..', import.meta.url)) },
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    outdir: 'out',
    external: ['@uppy/core', '@uppy/core/*'],
    write: false,
    logLevel: 'error',
  });
  const entry = outputFiles.find(({ path }) => path.endsWith('stdin.js'));
  // Chunks that are loaded when needed do not count; those that both share do, in both.
  const loaded = outputFiles.filter(
    ({ path, text }) =>
      entry === undefined ||
      path === entry.path ||
      (!text.includes('WebAssembly') && entry.text.includes(path.split('/').pop() ?? '')),
  );
  return loaded.reduce((sum, { text }) => sum + gzipSync(text, { level: 9 }).length / 1024, 0);
}

const plugin = await kibOf("import CosSlice from './dist/index.js'; globalThis.plugin = CosSlice;");
const browser = await kibOf("import { uploadBlob } from '@cos-slice/browser'; globalThis.plugin = uploadBlob;");
const costs = plugin - browser;
const over = costs > BUDGET_KIB;
console.log(
  `${over ? 'over budget' : 'ok'}: plugin ${costs.toFixed(2)} KiB of ${BUDGET_KIB} KiB on top of ${browser.toFixed(2)} KiB (min+gzip)`,
);
if (over || costs <= 0) process.exitCode = 1;
