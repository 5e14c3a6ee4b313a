import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSigner, type SignClaim } from '@cos-slice/core';
import { createSliceServer, fileStore } from '@cos-slice/server';
import { launchChromium } from '@cos-slice/testkit/chromium';
import { type Site, startSite } from '@cos-slice/testkit/site';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { ACCOUNT } from './setting.ts';

/** A page of an application, its signing endpoint and the real server. */
export interface PageSetting extends Site {
  readonly endpoint: string;
  /** What has reached the server. */
  readonly requests: readonly unknown[];
  file(path: string): string;
}

async function createPageSetting(): Promise<PageSetting> {
  const root = await mkdtemp(join(tmpdir(), 'cos-slice-uppy-page-'));
  const requests: unknown[] = [];
  const store = createSliceServer({
    store: fileStore(root),
    accounts: [ACCOUNT],
    onRequest: (info) => void requests.push(info),
  });
  const signer = createSigner({ ...ACCOUNT, bucket: 'demobucket' });
  const site = await startSite({
    slices: (req, res) => store.handle(req, res),
    sign: async (claim) => signer.sign(claim as SignClaim, new AbortController().signal),
  });
  const closeSite = site.close;
  return Object.assign(site, {
    endpoint: `${site.slicesUrl}/files/v2`,
    requests,
    file: (path: string) => join(root, ACCOUNT.appId, 'demobucket', path),
    async close() {
      await closeSite();
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  });
}

export interface Pages {
  readonly setting: PageSetting;
  /** A page with `#uploads` in it that runs what an application would write, styles included. */
  open(code: string): Promise<Page>;
}

/** Chromium and what it talks to, for all tests of a file: there once they run, and gone after them. */
export function setUpPages(): Pages {
  let browser: Browser | undefined;
  let setting: PageSetting | undefined;
  beforeAll(async () => {
    [browser, setting] = await Promise.all([launchChromium(), createPageSetting()]);
  });
  afterAll(async () => {
    await browser?.close();
    await setting?.close();
  });
  return {
    get setting() {
      return setting as PageSetting;
    },
    open: (code) => openPage(browser as Browser, setting as PageSetting, code),
  };
}

async function openPage(browser: Browser, setting: PageSetting, code: string): Promise<Page> {
  const { outputFiles } = await build({
    stdin: { contents: code, loader: 'jsx', resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    jsx: 'automatic',
    format: 'esm',
    target: 'es2022',
    conditions: ['@cos-slice/source'],
    outdir: 'out',
    write: false,
    logLevel: 'error',
  });
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${setting.pageUrl}/blank`);
  await page.evaluate(() => document.body.append(Object.assign(document.createElement('div'), { id: 'uploads' })));
  for (const { path, text: content } of outputFiles) {
    if (path.endsWith('.css')) await page.addStyleTag({ content });
    else await page.addScriptTag({ content, type: 'module' });
  }
  return page;
}
