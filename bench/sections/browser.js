// @ts-check
// The same file, the same Chromium, the same server: ours and the vendor's browser client in turn.
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSigner } from '@cos-slice/node';
import { createSliceServer, fileStore } from '@cos-slice/server';
import { build } from 'esbuild';
import { ACCOUNT, BUCKET } from '../lib/account.js';
import { launch, measurePage } from '../lib/chromium.js';
import { inRounds } from '../lib/context.js';
import { MIB } from '../lib/options.js';
import { Samples } from '../lib/samples.js';

/** @import { Context, Findings } from '../lib/context.js' */

const SIZE_BYTES = 256 * MIB;
const CANDIDATES = /** @type {const} */ ([
  { name: 'cos-slice in Chromium, none', client: 'cos-slice', integrity: 'none' },
  { name: 'cos-slice in Chromium, md5', client: 'cos-slice', integrity: 'md5' },
  { name: 'cos-slice in Chromium, sha1', client: 'cos-slice', integrity: 'sha1' },
  { name: 'cos-js-sdk-v4 in Chromium', client: 'cos-js-sdk-v4' },
]);

/**
 * CPU is all of Chromium's processes, memory the growth of the page's JavaScript heap.
 *
 * @param {Context} context
 * @returns {Promise<Findings>}
 */
export async function browserClient(context) {
  const sizeBytes = Math.min(SIZE_BYTES, context.options.sizeBytes);
  const samples = new Samples();
  const root = join(context.dir, 'browser');
  const site = await startSite(root);
  let run = 0;
  try {
    const notes = await inRounds(context, { name: 'Browser', share: 0.22 }, async () => {
      for (const { name, ...order } of CANDIDATES) {
        run += 1;
        // A fresh browser each time: none inherits the other's caches, workers or garbage.
        const browser = await launch();
        try {
          const page = await browser.newPage();
          await page.goto(site.url);
          const measured = await measurePage(browser, page, {
            ...order,
            origin: site.storeUrl,
            name: `run-${run}.bin`,
            sizeBytes,
          });
          samples.add(name, measured, sizeBytes);
        } finally {
          await browser.close();
          await rm(join(root, ACCOUNT.appId), { recursive: true, force: true });
        }
      }
    });
    return {
      rows: samples.rows(),
      // The same guarantee on both sides: theirs always hashes.
      ratios: { browserVsCosJsV4: samples.speedRatio('cos-slice in Chromium, sha1', 'cos-js-sdk-v4 in Chromium') },
      notes: [`Browser: ${sizeBytes / MIB} MiB; memory is the JavaScript heap of the page`, ...notes],
    };
  } finally {
    await site.close();
  }
}

/** The page with its signing endpoint, and the slice server. @param {string} root */
async function startSite(root) {
  const store = createSliceServer({ store: fileStore(root), accounts: [ACCOUNT] });
  const { url: storeUrl } = await store.listen();
  const signer = createSigner({ ...ACCOUNT, bucket: BUCKET });
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../browser/page.js', import.meta.url))],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    write: false,
    logLevel: 'error',
  });
  const ours = outputFiles[0]?.text ?? '';
  const theirs = await readFile(fileURLToPath(import.meta.resolve('cos-js-sdk-v4/dist/cos-js-sdk-v4.js')), 'utf8');
  const server = createServer(async (req, res) => {
    if (req.url === '/sign') {
      let text = '';
      for await (const chunk of req) text += chunk;
      const signature = await signer.sign(JSON.parse(text), new AbortController().signal);
      return void res.end(JSON.stringify({ signature }));
    }
    res.setHeader('Content-Type', req.url?.endsWith('.js') ? 'text/javascript' : 'text/html; charset=utf-8');
    if (req.url === '/ours.js') return void res.end(ours);
    if (req.url === '/theirs.js') return void res.end(theirs);
    res.end('<!doctype html><title>bench</title><script src="/theirs.js"></script><script src="/ours.js"></script>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${address.port}`,
    storeUrl,
    async close() {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      await store.close();
    },
  };
}
