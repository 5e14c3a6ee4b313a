import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launchChromium } from '@cos-slice/testkit/chromium';
import * as esbuild from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { build as viteBuild } from 'vite';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import webpack from 'webpack';
import { createSetting, type Setting } from './testing/setting.ts';

// What applications write. Bundled from the built package, as they would.
const IN_PAGE = `
  import { remoteSigner, uploadBlob } from '@cos-slice/browser';
  globalThis.bundled = { remoteSigner, uploadBlob };
`;
const IN_SERVICE_WORKER = `
  import { remoteSigner, uploadBlob } from '@cos-slice/browser';
  addEventListener('message', async ({ data, ports }) => {
    const { signUrl, sizeBytes, ...options } = data;
    const upload = uploadBlob(new Blob([new Uint8Array(sizeBytes).fill(7)]), { ...options, signer: remoteSigner(signUrl) });
    ports[0].postMessage(await upload.done.then(() => 'done', (error) => error.code + ': ' + error.message));
  });
`;
const SIZE_BYTES = 3 * 1024 * 1024 + 1;

let browser: Browser;
let setting: Setting;
let app: string;

beforeAll(async () => {
  [browser, setting, app] = await Promise.all([
    launchChromium(),
    createSetting(),
    mkdtemp(join(tmpdir(), 'cos-slice-app-')),
  ]);
  await symlink(fileURLToPath(new URL('../../../node_modules', import.meta.url)), join(app, 'node_modules'));
  await writeFile(join(app, 'package.json'), '{ "type": "module" }');
  await writeFile(join(app, 'page.js'), IN_PAGE);
  await writeFile(join(app, 'service-worker.js'), IN_SERVICE_WORKER);
});
afterAll(async () => {
  await browser?.close();
  await setting?.close();
  await rm(app, { recursive: true, force: true });
});

/** Bundles `page.js` of the application to `<outDir>/page.js`, to be loaded from `/<name>/`. */
const bundlers: Record<string, (outDir: string, base: string) => Promise<unknown>> = {
  esbuild: (outdir) =>
    esbuild.build({
      entryPoints: [join(app, 'page.js'), join(app, 'service-worker.js')],
      bundle: true,
      splitting: true,
      format: 'esm',
      outdir,
      logLevel: 'error',
    }),
  vite: (outDir, base) =>
    viteBuild({
      root: app,
      base,
      configFile: false,
      logLevel: 'error',
      build: { outDir, rolldownOptions: { input: join(app, 'page.js'), output: { entryFileNames: '[name].js' } } },
    }),
  webpack: (path, publicPath) =>
    new Promise((resolve, reject) => {
      const output = { path, publicPath, filename: 'page.js' };
      webpack({ mode: 'production', context: app, entry: './page.js', output }, (error, stats) => {
        if (error || stats?.hasErrors()) reject(error ?? new Error(stats?.toString()));
        else resolve(stats);
      });
    }),
};

async function bundle(name: string): Promise<void> {
  const outDir = join(app, 'out', name);
  await bundlers[name]?.(outDir, `/${name}/`);
  for (const file of await readdir(outDir, { recursive: true })) {
    if (!file.endsWith('.js')) continue;
    setting.scripts.set(`/${name}/${file}`, await readFile(join(outDir, file), 'utf8'));
  }
}

async function openBlank(): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${setting.pageUrl}/blank`);
  return page;
}

const order = (path: string) => ({
  endpoint: setting.endpoint,
  appId: '10055004',
  bucket: 'demobucket',
  path,
  signUrl: setting.signUrl,
  sizeBytes: SIZE_BYTES,
});

async function expectUpload(page: Page, path: string): Promise<void> {
  await page.waitForFunction(() => 'bundled' in globalThis);
  await page.evaluate(async ({ signUrl, sizeBytes, ...options }) => {
    const { remoteSigner, uploadBlob } = Reflect.get(globalThis, 'bundled');
    const blob = new Blob([new Uint8Array(sizeBytes).fill(7)]);
    await uploadBlob(blob, { ...options, signer: remoteSigner(signUrl), integrity: 'sha1' }).done;
  }, order(path));
  await expectStored(path);
  await page.context().close();
}

async function expectStored(path: string): Promise<void> {
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  expect(digest(await readFile(setting.file(path)))).toBe(digest(new Uint8Array(SIZE_BYTES).fill(7)));
}

test.each(Object.keys(bundlers))('works when bundled with %s', async (name) => {
  await bundle(name);
  const page = await openBlank();
  await page.addScriptTag({ url: `/${name}/page.js`, type: 'module' });
  await expectUpload(page, `${name}.bin`);
});

/** Loads of these scripts fail as long as told. */
interface Fragile {
  readonly page: Page;
  /** Lets the code through once it has been asked for in vain. */
  mend(): Promise<void>;
  failures(): number;
}

async function openFragile(base: string, script: RegExp): Promise<Fragile> {
  const page = await openBlank();
  let broken = true;
  let failures = 0;
  await page.route(script, (route) => {
    if (!broken) return route.continue();
    failures += 1;
    return route.abort('connectionfailed');
  });
  await page.addScriptTag({ url: `/${base}/page.js`, type: 'module' });
  await page.waitForFunction(() => 'bundled' in globalThis);
  return {
    page,
    async mend() {
      while (failures === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      broken = false;
    },
    failures: () => failures,
  };
}

test.each([
  ['vite', /\/hasher[^/]*\.js/],
  ['vite', /\/worker-source[^/]*\.js/],
  ['vite', /\/resuming[^/]*\.js/],
  ['esbuild', /\/hasher[^/]*\.js/],
  ['webpack', /\/\d+\.page\.js/],
] as const)(
  'code that could not be loaded once is loaded when it can be, bundled with %s: %s',
  async (name, script) => {
    await bundle(name);
    const { page, mend, failures } = await openFragile(name, script);
    void mend();
    const path = `${name}-${script.source.replace(/\W/g, '')}.bin`;
    await expectUpload(page, path);
    expect(failures()).toBeGreaterThan(0);
  },
);

/** The second upload to a path, which the server refuses: what becomes of it. */
async function uploadTwice(page: Page, path: string): Promise<string> {
  return page.evaluate(async ({ signUrl, sizeBytes, ...options }) => {
    const { remoteSigner, uploadBlob } = Reflect.get(globalThis, 'bundled');
    const blob = new Blob([new Uint8Array(sizeBytes).fill(7)]);
    const retry = { attempts: 5, baseDelayMs: 500 };
    const upload = (): Promise<unknown> =>
      uploadBlob(blob, { ...options, signer: remoteSigner(signUrl), resume: false, retry }).done;
    await upload();
    return upload().then(String, (error) => `${error.code} ${error.wireCode} ${error.message}`);
  }, order(path));
}

describe('what a refusal means is told by code that is loaded then', () => {
  test.each(['vite', 'esbuild', 'webpack'])('bundled with %s', async (name) => {
    await bundle(name);
    const page = await openBlank();
    await page.addScriptTag({ url: `/${name}/page.js`, type: 'module' });
    await page.waitForFunction(() => 'bundled' in globalThis);
    expect(await uploadTwice(page, `refused-${name}.bin`)).toMatch(/^exists -177 an object is at this path: choose/);
    await page.context().close();
  });

  test('also when it could not be loaded at first', async () => {
    await bundle('vite');
    const { page, mend } = await openFragile('vite', /\/detours[^/]*\.js/);
    const mending = mend();
    expect(await uploadTwice(page, 'refused-late.bin')).toMatch(/^exists -177 an object is at this path/);
    await mending;
    await page.context().close();
  });

  test("and where it never can be, it is told in the server's words", async () => {
    await bundle('vite');
    const { page } = await openFragile('vite', /\/detours[^/]*\.js/);
    expect(await uploadTwice(page, 'refused-for-ever.bin')).toMatch(
      /^bad-request -177 the server refused.*HTTP 4\d\d: -177/,
    );
    await page.context().close();
  });
});

test('an upload that begins offline waits for its code, and remembers', async () => {
  await bundle('vite');
  const page = await openBlank();
  await page.addScriptTag({ url: '/vite/page.js', type: 'module' });
  await page.waitForFunction(() => 'bundled' in globalThis);
  await page.evaluate(() =>
    Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false, configurable: true }),
  );
  await page.context().setOffline(true);
  setTimeout(() => page.context().setOffline(false), 3000);
  await expectUpload(page, 'begun-offline.bin');
});

describe('with Trusted Types', () => {
  afterEach(() => {
    setting.pageHeaders = {};
  });

  test.each(['', '; trusted-types cos-slice'])(
    "a page that requires them hashes, with its policy '%s'",
    async (policies) => {
      setting.pageHeaders = { 'Content-Security-Policy': `require-trusted-types-for 'script'${policies}` };
      await bundle('esbuild');
      const page = await openBlank();
      await page.evaluate('import("/esbuild/page.js")');
      await expectUpload(page, `trusted-types-${policies.length}.bin`);
    },
  );

  test.each([
    ['that does not allow the policy is told its name', "'none'", 'Trusted Types, the policy cos-slice'],
    ['that has a second copy of this library is told how to allow both', 'cos-slice', "'allow-duplicates'"],
  ])('one %s', async (_what, policies, told) => {
    setting.pageHeaders = {
      'Content-Security-Policy': `require-trusted-types-for 'script'; trusted-types ${policies}`,
    };
    await bundle('esbuild');
    const page = await openBlank();
    // The other copy.
    if (policies === 'cos-slice') await page.evaluate('void trustedTypes.createPolicy("cos-slice", {})');
    await page.evaluate('import("/esbuild/page.js")');
    const said = await page.evaluate(async ({ signUrl, sizeBytes, ...options }) => {
      const { remoteSigner, uploadBlob } = Reflect.get(globalThis, 'bundled');
      const blob = new Blob([new Uint8Array(sizeBytes)]);
      const upload = uploadBlob(blob, { ...options, signer: remoteSigner(signUrl), integrity: 'md5' });
      return upload.done.then(String, (error: Error) => error.message);
    }, order('no-policy.bin'));
    expect(said).toContain(told);
    await page.context().close();
  });
});

test('works as one file from a CDN', async () => {
  const file = await readFile(new URL('../dist/cos-slice.min.js', import.meta.url), 'utf8');
  setting.scripts.set('/cdn.js', file);
  const page = await openBlank();
  const { port } = new URL(setting.pageUrl);
  await page.addScriptTag({
    content: `import * as bundled from 'http://localhost:${port}/cdn.js'; Object.assign(globalThis, { bundled });`,
    type: 'module',
  });
  await expectUpload(page, 'cdn.bin');
});

test('works, forgetfully, in a service worker that must not load code late', async () => {
  await bundle('esbuild');
  const page = await openBlank();
  const reply = await page.evaluate(async (it) => {
    const { installing } = await navigator.serviceWorker.register('/esbuild/service-worker.js', { type: 'module' });
    return new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => resolve(data);
      installing?.postMessage(it, [port2]);
    });
  }, order('service-worker.bin'));
  expect(reply).toBe('done');
  await expectStored('service-worker.bin');
});
