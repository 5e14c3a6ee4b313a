import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSigner } from '@cos-slice/core';
import { createSliceServer, fileStore, type SliceServer } from '@cos-slice/server';
import bundledChromium from '@sparticuz/chromium';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';

const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['demobucket'] };
// Not the flags that come with the packaged Chromium: those switch off CORS.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--js-flags=--expose-gc',
  '--enable-precise-memory-info',
];

/** The Chromium that comes with the packages, and one that is installed: they are of different ages, and so are their faults. */
export const CHROMIUMS: readonly { readonly name: string; readonly executablePath?: string }[] = await findChromiums();

async function findChromiums(): Promise<typeof CHROMIUMS> {
  const installed = ['/usr/bin/chromium', '/usr/bin/google-chrome'].filter((path) => existsSync(path)).slice(0, 1);
  const others = installed.map((path) => ({ name: `Chromium of ${path}`, executablePath: path }));
  if (process.platform === 'linux') {
    return [{ name: 'packaged Chromium', executablePath: await bundledChromium.executablePath() }, ...others];
  }
  return others.length > 0 ? others : [{ name: 'Chrome' }];
}

export function launchChromium(
  which: { readonly executablePath?: string; readonly args?: readonly string[] } = CHROMIUMS[0] ?? {},
): Promise<Browser> {
  const { executablePath, args = [] } = which;
  return chromium.launch({
    ...(executablePath ? { executablePath } : { channel: 'chrome' }),
    args: [...FLAGS, ...args],
    headless: true,
  });
}

export interface Setting {
  readonly root: string;
  /** Where the page is. */
  readonly pageUrl: string;
  readonly signUrl: string;
  readonly endpoint: string;
  /** Every request to the slice server, preflights included. */
  readonly requests: readonly { readonly method: string; readonly op?: string | undefined }[];
  /** What the page's server has, by path; more may be added. */
  readonly scripts: Map<string, string>;
  /** Looks at each request before the slice server does; true: it has dealt with it. */
  intercept: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined;
  file(path: string): string;
  /** Headers of the page, such as its Content-Security-Policy. */
  pageHeaders: Record<string, string>;
  close(): Promise<void>;
}

/** A page, a signing endpoint and a slice server, each with an origin of its own as in real life. */
export async function createSetting(): Promise<Setting> {
  const root = await mkdtemp(join(tmpdir(), 'cos-slice-browser-'));
  const scripts = new Map([
    ['/page.js', await bundle('./page.ts')],
    ['/hash-worker.js', await readFile(new URL('../../dist/hash-worker.js', import.meta.url), 'utf8')],
  ]);
  const requests: { method: string; op?: string | undefined }[] = [];
  const store: SliceServer = createSliceServer({
    store: fileStore(root),
    accounts: [ACCOUNT],
    instantFrom: 'bucket',
    onRequest: ({ method, op }) => void requests.push({ method, op }),
  });
  const slices = await listen((req, res) => {
    if (!setting.intercept?.(req, res)) void store.handle(req, res);
  });
  const signer = createSigner({ ...ACCOUNT, bucket: 'demobucket' });
  const page = await listen(async (req, res) => {
    const path = req.url?.split('?')[0];
    if (path === '/sign') {
      let text = '';
      for await (const chunk of req) text += chunk;
      const signature = await signer.sign(JSON.parse(text), new AbortController().signal);
      return void res.setHeader('Content-Type', 'application/json').end(JSON.stringify({ signature }));
    }
    for (const [name, value] of Object.entries(setting.pageHeaders)) res.setHeader(name, value);
    const script = scripts.get(path ?? '');
    if (script !== undefined) {
      res.setHeader('Access-Control-Allow-Origin', '*');
      return void res.setHeader('Content-Type', 'text/javascript').end(script);
    }
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    const tag = path === '/' ? '<script src="/page.js"></script>' : '';
    res.end(`<!doctype html><title>test</title><input type="file" id="file">${tag}`);
  });
  const setting: Setting = {
    root,
    pageUrl: page.url,
    signUrl: `${page.url}/sign`,
    endpoint: `${slices.url}/files/v2`,
    requests,
    scripts,
    intercept: undefined,
    pageHeaders: {},
    file: (path) => join(root, ACCOUNT.appId, 'demobucket', path),
    async close() {
      await page.close();
      await slices.close();
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
  return setting;
}

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    conditions: ['@cos-slice/source'],
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}

async function listen(handler: RequestListener): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
