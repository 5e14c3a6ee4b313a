// Requests that a browser, a proxy or a runtime will never let through, and hosts that are only away for a while.

import { CHROMIUMS, launchChromium } from '@cos-slice/testkit/chromium';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { remoteSigner, uploadBlob } from './index.ts';
import type { UploadOrder, UploadOutcome } from './testing/page.ts';
import { createSetting, type Setting } from './testing/setting.ts';

const MIB = 1024 * 1024;

let setting: Setting;
beforeAll(async () => {
  setting = await createSetting();
});
afterAll(() => setting?.close());
afterEach(() => {
  setting.intercept = undefined;
  setting.pageHeaders = {};
});

const order = (path: string, sizeBytes: number, more: Partial<UploadOrder> = {}): UploadOrder => ({
  endpoint: setting.endpoint,
  signUrl: setting.signUrl,
  path,
  sizeBytes,
  ...more,
});

describe.each(CHROMIUMS)('in $name', (chromium) => {
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    browser = await launchChromium(chromium);
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    page = await (await browser.newContext()).newPage();
  });
  afterEach(() => page.context().close());

  const run = async (one: UploadOrder): Promise<UploadOutcome & { readonly tookMs: number }> => {
    await page.goto(setting.pageUrl);
    const startedAtMs = performance.now();
    const outcome = await page.evaluate((it) => cosSlice.upload(it), one);
    return { ...outcome, tookMs: performance.now() - startedAtMs };
  };
  const expectToldSoon = (
    { error, progress, tookMs }: Awaited<ReturnType<typeof run>>,
    ...words: readonly string[]
  ): void => {
    expect(error?.code).toBe('network');
    for (const word of words) expect(error?.message).toContain(word);
    expect(progress.requests).toBeLessThan(30);
    expect(tookMs).toBeLessThan(40_000);
  };

  test.each([1000, 9 * MIB])('a host without CORS headers is told as that, %i bytes', async (sizeBytes) => {
    setting.intercept = (req, res) => {
      req.resume().on('end', () => res.writeHead(403).end('no'));
      return true;
    };
    const outcome = await run(order('cors.bin', sizeBytes));
    expectToldSoon(outcome, 'CORS');
    expect(outcome.error?.message).not.toContain('network is down');
  });

  test.each(['xhr', 'fetch'] as const)(
    "what the page's own policy forbids is told as that, by %s",
    async (transport) => {
      setting.pageHeaders = { 'Content-Security-Policy': "connect-src 'self'" };
      expectToldSoon(await run(order('policy.bin', 1000, { options: { transport } })), 'connect-src');
    },
  );

  test.each(['xhr', 'fetch'] as const)('what an extension blocks is told as that, by %s', async (transport) => {
    await page.route(/banner-300x250/, (route) => route.abort('blockedbyclient'));
    expectToldSoon(await run(order('banner-300x250.png', 1000, { options: { transport } })), 'extension', 'blocks');
  });

  test.each([2 * MIB, 30 * MIB])(
    'a proxy that refuses large bodies without CORS headers is told as that, %i bytes',
    async (sizeBytes) => {
      let refused = 0;
      setting.intercept = (req, res) => {
        if (Number(req.headers['content-length'] ?? 0) <= MIB) return false;
        refused += 1;
        req.resume().on('end', () => res.writeHead(413, { Connection: 'close' }).end('too large'));
        return true;
      };
      expectToldSoon(await run(order('proxy.bin', sizeBytes)), 'sliceSize', 'a proxy refuses bodies of this size');
      expect(refused).toBeLessThan(30);
    },
  );

  test('a redirect is not followed, and told as that', async () => {
    let followed = 0;
    setting.intercept = (req, res) => {
      if (req.url?.startsWith('/elsewhere')) followed += 1;
      const to = { Location: `/elsewhere${req.url}`, 'Access-Control-Allow-Origin': '*' };
      req.resume().on('end', () => res.writeHead(307, to).end());
      return true;
    };
    const { error, progress } = await run(order('redirect.bin', 1000, { options: { transport: 'fetch' } }));
    expect(error).toMatchObject({ code: 'bad-reply', message: expect.stringContaining('redirects') });
    expect([followed, progress.requests]).toEqual([0, 1]);
  });

  test.each([302, 307])(
    'a redirect (%i) to another host, which XMLHttpRequest follows, is told and not believed',
    async (status) => {
      const { port } = new URL(setting.endpoint);
      const cors = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': '*' };
      setting.intercept = (req, res) => {
        if (req.method === 'OPTIONS') return false;
        const isThere = req.url?.startsWith('/elsewhere');
        const headers = isThere ? cors : { ...cors, Location: `http://localhost:${port}/elsewhere${req.url}` };
        req.resume().on('end', () => res.writeHead(isThere ? 200 : status, headers).end('{"code":0,"data":{}}'));
        return true;
      };
      const { error, progress } = await run(order('moved.bin', 1000, { options: { transport: 'xhr' } }));
      const what = `redirects to http://localhost:${port}, which is not followed: make that the endpoint`;
      expect(error).toMatchObject({ code: 'bad-reply', message: expect.stringContaining(what) });
      expect(progress.requests).toBe(1);
    },
  );

  test('a host that has answered before is waited for, also by uploads that it has not seen yet', async () => {
    const options = { overwrite: true, retry: { attempts: 50, baseDelayMs: 100, maxDelayMs: 400 } };
    expect((await run(order('away/first.bin', 1000, { options }))).error).toBeUndefined();
    const orders = Array.from({ length: 4 }, (_, index) => order(`away/${index}.bin`, 1000, { options }));
    // Away until every upload has failed eight times. Then each fails once more, and sees that it is back.
    const failures = new Map(orders.map(({ path }) => [path, 0]));
    const failedOnReturn = new Set<string>();
    setting.intercept = (req) => {
      const path = orders.find((one) => req.url?.includes(`/${one.path}?`))?.path;
      const isBack = Math.min(...failures.values()) >= 8;
      if (isBack && (!path || failedOnReturn.has(path))) return false;
      if (path && isBack) failedOnReturn.add(path);
      else if (path) failures.set(path, Number(failures.get(path)) + 1);
      req.socket.destroy();
      return true;
    };
    const outcomes = await page.evaluate((all) => Promise.all(all.map((it) => cosSlice.upload(it))), orders);
    expect(outcomes.flatMap(({ error }) => error ?? [])).toEqual([]);
    expect(failedOnReturn.size).toBe(orders.length);
  });
});

describe('in runtimes that are no browsers', () => {
  const real = globalThis.fetch;
  const refusing = (test: (init: RequestInit) => string | undefined) => {
    const refusals: string[] = [];
    vi.stubGlobal('fetch', async (url: string, init: RequestInit = {}) => {
      const refusal = url.startsWith(setting.endpoint) ? test(init) : undefined;
      if (!refusal) return real(url, init);
      refusals.push(refusal);
      throw new TypeError(refusal);
    });
    return refusals;
  };
  afterEach(() => vi.unstubAllGlobals());
  const upload = (path: string) =>
    uploadBlob(new Blob([new Uint8Array(5 * MIB)]), {
      endpoint: setting.endpoint,
      appId: '10055004',
      bucket: 'demobucket',
      path,
      resume: false,
      signer: remoteSigner(setting.signUrl),
    }).done;

  test('one that knows neither caches, cookies nor refusing redirects uploads', async () => {
    const refusals = refusing((init) => {
      if (init.redirect === 'error') return 'Invalid redirect value, must be one of "follow" or "manual"';
      const unknown = (['cache', 'credentials', 'mode'] as const).find((name) => init[name] !== undefined);
      return unknown && `The '${unknown}' field on 'RequestInitializerDict' is not implemented.`;
    });
    expect((await upload('edge.bin')).sentBytes).toBe(5 * MIB);
    expect(refusals).toEqual([]);
  });

  test.each([
    'Invalid redirect value: manual',
    "The 'signal' field is not implemented.",
    'RequestInit: duplex option is required when sending a body.',
  ])('what one refuses is told once, in its own words: %s', async (words) => {
    const refusals = refusing(() => words);
    await expect(upload('refused.bin')).rejects.toMatchObject({
      code: 'network',
      message: expect.stringContaining(words),
    });
    expect(refusals.length).toBe(1);
  });
});
