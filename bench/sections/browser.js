// @ts-check
// The same file, the same Chromium, the same server: ours and the vendor's browser client in turn.
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSigner } from '@cos-slice/node';
import { createSliceServer, fileStore } from '@cos-slice/server';
import bundledChromium from '@sparticuz/chromium';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { ACCOUNT, BUCKET } from '../lib/account.js';
import { inRounds } from '../lib/context.js';
import { MIB } from '../lib/options.js';
import { Samples } from '../lib/samples.js';

/** @import { Context, Findings } from '../lib/context.js' */
/** @import { Browser, CDPSession, Page } from 'playwright-core' */

const SIZE_BYTES = 256 * MIB;
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-sync',
];

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

/** @param {Browser} browser @param {Page} page @param {object} order */
async function measurePage(browser, page, order) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const system = await browser.newBrowserCDPSession();
  const heapBefore = await heapBytes(session);
  const cpuBefore = await cpuSeconds(system);
  let heapMost = heapBefore;
  let over = false;
  const watching = (async () => {
    while (!over) {
      heapMost = Math.max(heapMost, await heapBytes(session));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  const wallMs = await page.evaluate((it) => /** @type {any} */ (globalThis).upload(it), order);
  over = true;
  await watching;
  const cpuMs = ((await cpuSeconds(system)) - cpuBefore) * 1000;
  return { wallMs: Number(wallMs), cpuMs, rssGrowthMiB: (heapMost - heapBefore) / MIB };
}

/** @param {CDPSession} session */
async function heapBytes(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0;
}

/** @param {CDPSession} system */
async function cpuSeconds(system) {
  const { processInfo } = await system.send('SystemInfo.getProcessInfo');
  return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}

async function launch() {
  const executablePath = process.platform === 'linux' ? await bundledChromium.executablePath() : installedChromium();
  return chromium.launch({ ...(executablePath ? { executablePath } : { channel: 'chrome' }), args: FLAGS });
}

function installedChromium() {
  return ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path));
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
