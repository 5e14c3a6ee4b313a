// @ts-check
// The same file, the same Chromium, the same sink: ours on its XML wires, Uppy's S3 plugin and the vendor's browser client.
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { launch, measurePage } from '../lib/chromium.js';
import { MIB } from '../lib/options.js';

/** @import { Context } from '../lib/context.js' */
/** @import { Samples } from '../lib/samples.js' */

const SIZE_BYTES = 256 * MIB;
const CANDIDATES = /** @type {const} */ ([
  { name: 'cos-slice s3 in Chromium', client: 's3' },
  { name: '@uppy/aws-s3 in Chromium', client: 'uppy' },
  { name: 'cos-slice cos in Chromium', client: 'cos' },
  { name: 'cos-js-sdk-v5 in Chromium', client: 'cos-js-sdk-v5' },
]);

/** One run of each. @param {Context} context @param {Samples} samples @param {number} port of the sink */
export async function addBrowserRuns(context, samples, port) {
  const sizeBytes = Math.min(SIZE_BYTES, context.options.sizeBytes);
  const site = await startSite();
  try {
    for (const { name, client } of CANDIDATES) {
      // A fresh browser each time: none inherits the other's caches, workers or garbage.
      const browser = await launch();
      try {
        const page = await browser.newPage();
        await page.goto(site.url);
        const order = { client, endpoint: `http://127.0.0.1:${port}`, sizeBytes };
        samples.add(name, await measurePage(browser, page, order), sizeBytes);
      } finally {
        await browser.close();
      }
    }
  } finally {
    await site.close();
  }
}

/** @type {Promise<string> | undefined} */
let bundled;

async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../browser/wires-page.js', import.meta.url))],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}

async function startSite() {
  bundled ??= bundle();
  const script = await bundled;
  const server = createServer((req, res) => {
    res.setHeader('Content-Type', req.url === '/page.js' ? 'text/javascript' : 'text/html; charset=utf-8');
    res.end(req.url === '/page.js' ? script : '<!doctype html><title>bench</title><script src="/page.js"></script>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}
