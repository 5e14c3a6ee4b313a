import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Reflector, startReflector } from '../../../tests/support/reflector.ts';
import { contentBlocks } from './testing/content.ts';
import type { UploadOrder, UploadOutcome } from './testing/page.ts';
import { createSetting, launchChromium, type Setting } from './testing/setting.ts';

const MIB = 1024 * 1024;
/** What the window keeps in flight at most. */
const IN_FLIGHT_BYTES = 8 * MIB;

let browser: Browser;
let setting: Setting;
let page: Page;
let reflector: Reflector;

beforeAll(async () => {
  [browser, setting, reflector] = await Promise.all([launchChromium(), createSetting(), startReflector()]);
  page = await open();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await setting?.close();
  await reflector?.close();
});
afterEach(() => {
  setting.intercept = undefined;
  setting.pageHeaders = {};
});

async function open(): Promise<Page> {
  const context = await browser.newContext();
  const opened = await context.newPage();
  await opened.goto(setting.pageUrl);
  return opened;
}

const order = (path: string, sizeBytes: number, more: Partial<UploadOrder> = {}): UploadOrder => ({
  endpoint: setting.endpoint,
  signUrl: setting.signUrl,
  path,
  sizeBytes,
  ...more,
});
const run = (one: UploadOrder, on: Page = page): Promise<UploadOutcome> =>
  on.evaluate((it) => cosSlice.upload(it), one);

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
}

function expectedSha256(sizeBytes: number): string {
  const hash = createHash('sha256');
  for (const block of contentBlocks(sizeBytes)) hash.update(block);
  return hash.digest('hex');
}

async function expectStored(one: UploadOrder, outcome: UploadOutcome): Promise<void> {
  expect(outcome.error).toBeUndefined();
  expect(await sha256(setting.file(one.path))).toBe(expectedSha256(one.sizeBytes));
}

async function untilStored(on: Page, path: string, slices: number): Promise<void> {
  await on.waitForFunction(([name, count]) => cosSlice.storedSlices(name) >= count, [path, slices] as const, {
    polling: 10,
  });
}

describe('the ports pass their contracts', () => {
  test.each(['xhr', 'fetch', 'source', 'hasher', 'store'])(
    '%s',
    async (suite) => {
      const urls = { reflectorUrl: reflector.url, refusedUrl: 'http://127.0.0.1:9' };
      const outcomes = await page.evaluate(([name, both]) => cosSlice.contract(name, both), [suite, urls] as const);
      expect(outcomes?.length).toBeGreaterThan(5);
      expect(outcomes?.filter((outcome) => outcome.error)).toEqual([]);
    },
    120_000,
  );
});

describe('a blob arrives byte for byte', () => {
  const sizes = [0, 1, MIB - 1, MIB, MIB + 1, 64 * MIB];
  test.each(['none', 'md5', 'sha1'] as const)(
    'of every size, with integrity %s',
    async (integrity) => {
      for (const sizeBytes of sizes) {
        const one = order(`${integrity}/${sizeBytes}.bin`, sizeBytes, { options: { integrity } });
        await expectStored(one, await run(one));
      }
    },
    180_000,
  );

  test.each(['xhr', 'fetch'] as const)('by %s', async (transport) => {
    const one = order(`by-${transport}.bin`, 5 * MIB + 3, { options: { transport } });
    await expectStored(one, await run(one));
  });

  test.each(['目录/文件 名.bin', '\u{1f600}\u{1f680}.bin', 'a b/+ % # & =.bin'])('to the name %s', async (name) => {
    const one = order(name, 2 * MIB + 1, { options: { integrity: 'sha1' } });
    await expectStored(one, await run(one));
  });

  test('from a worker of the page', async () => {
    const one = order('from-worker.bin', 9 * MIB, { options: { integrity: 'md5' } });
    const outcome = await page.evaluate(
      (it) =>
        new Promise<UploadOutcome>((resolve) => {
          const worker = new Worker('/page.js');
          worker.onmessage = ({ data }) => resolve(data);
          worker.postMessage(it);
        }),
      one,
    );
    await expectStored(one, outcome);
  });

  test('at once, when the bucket holds it', async () => {
    await run(order('known/first.bin', 3 * MIB, { options: { integrity: 'sha1' } }));
    const outcome = await run(order('known/second.bin', 3 * MIB, { options: { integrity: 'sha1' } }));
    expect(outcome.result).toMatchObject({ instant: true, sentBytes: 0 });
  });
});

describe('preflights', () => {
  const count = async (one: UploadOrder): Promise<{ preflights: number; slices: number }> => {
    const from = setting.requests.length;
    const outcome = await run(one);
    expect(outcome.error).toBeUndefined();
    const made = setting.requests.slice(from);
    return {
      preflights: made.filter(({ method }) => method === 'OPTIONS').length,
      slices: made.filter(({ op }) => op === 'upload_slice_data').length,
    };
  };

  test('none with fetch', async () => {
    const counted = await count(order('preflights/fetch.bin', 20 * MIB, { options: { transport: 'fetch' } }));
    expect(counted).toEqual({ preflights: 0, slices: 20 });
  });

  test('at most one per file with progress', async () => {
    const counted = await count(order('preflights/xhr.bin', 20 * MIB, { options: { transport: 'xhr' } }));
    console.log(`preflights for 20 slices: fetch 0, xhr ${counted.preflights}`);
    expect(counted.slices).toBe(20);
    expect(counted.preflights).toBeLessThanOrEqual(1);
  });
});

describe('a page that goes away', () => {
  const interrupted = async (
    path: string,
    leave: (on: Page) => Promise<Page>,
    integrity: 'none' | 'sha1',
  ): Promise<void> => {
    const sizeBytes = 48 * MIB + 5;
    const file = join(setting.root, `${integrity}-picked.bin`);
    await writeFile(file, Buffer.concat(contentBlocks(sizeBytes)));
    const one = order(path, sizeBytes, { options: { integrity, concurrency: { min: 1, max: 8 } } });
    const first = await open();
    await first.setInputFiles('#file', file);
    await first.evaluate((it) => cosSlice.startPicked(it), one);
    await untilStored(first, path, 10);
    const before = await first.evaluate((name) => cosSlice.storedSlices(name), path);
    const again = await leave(first);
    await again.setInputFiles('#file', file);
    await again.evaluate((it) => cosSlice.startPicked(it), one);
    const outcome = await again.evaluate((name) => cosSlice.outcome(name), path);
    await expectStored(one, outcome);
    const { resumedBytes, sentBytes } = outcome.result as { resumedBytes: number; sentBytes: number };
    expect(resumedBytes).toBeGreaterThanOrEqual(before * MIB);
    expect(resumedBytes + sentBytes).toBe(sizeBytes);
    expect(before * MIB + sentBytes).toBeLessThanOrEqual(sizeBytes + IN_FLIGHT_BYTES + 8 * MIB);
    await again.context().close();
  };

  test.each(['none', 'sha1'] as const)('by a reload continues, with integrity %s', async (integrity) => {
    await interrupted(
      `reload-${integrity}.bin`,
      async (on) => {
        await on.reload();
        return on;
      },
      integrity,
    );
  });

  test('because its tab is killed continues in another one', async () => {
    await interrupted(
      'killed.bin',
      async (on) => {
        const session = await on.context().newCDPSession(on);
        const crashed = new Promise((resolve) => on.once('crash', resolve));
        void session.send('Page.crash').catch(() => {});
        await crashed;
        const context = on.context();
        const next = await context.newPage();
        await next.goto(setting.pageUrl);
        return next;
      },
      'none',
    );
  });
});

describe('trouble', () => {
  test('a stalled slice is read into memory and sent again (unraid/webgui#2645)', async () => {
    let stalled = 0;
    setting.intercept = (req) => {
      if (req.method !== 'POST' || stalled > 0 || Number(req.headers['content-length']) < MIB) return false;
      stalled += 1;
      // Never read, never answered.
      return true;
    };
    const timeouts = { connectMs: 500, noProgressMs: 500, responseMs: 500 };
    const one = order('stalled.bin', 6 * MIB, { options: { timeouts, retry: { baseDelayMs: 10 } } });
    await expectStored(one, await run(one));
    expect(stalled).toBe(1);
  });

  test('being offline waits and goes on', async () => {
    const on = await open();
    const one = order('offline.bin', 40 * MIB);
    await on.evaluate((it) => cosSlice.start(it), one);
    await untilStored(on, one.path, 3);
    await on.context().setOffline(true);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await on.context().setOffline(false);
    await expectStored(one, await on.evaluate((name) => cosSlice.outcome(name), one.path));
    await on.context().close();
  });

  test('missing CORS headers are named in the error (cos-js-sdk-v4#15)', async () => {
    setting.intercept = (_req, res) => {
      res.writeHead(200).end('{}');
      return true;
    };
    const outcome = await run(order('cors.bin', 3 * MIB, { options: { retry: { attempts: 1 } } }));
    expect(outcome.error).toMatchObject({ code: 'network', message: expect.stringContaining('CORS') });
  });

  test('a page that forbids WebAssembly is told before anything is sent', async () => {
    setting.pageHeaders = { 'Content-Security-Policy': "script-src 'self' blob:; worker-src blob:" };
    const on = await open();
    const from = setting.requests.length;
    const outcome = await run(order('csp.bin', 3 * MIB, { options: { integrity: 'md5' } }), on);
    expect(outcome.error).toMatchObject({
      code: 'hashing-failed',
      message: expect.stringContaining('wasm-unsafe-eval'),
    });
    expect(setting.requests.length).toBe(from);
    await expectStored(order('csp-none.bin', 3 * MIB), await run(order('csp-none.bin', 3 * MIB), on));
    await on.context().close();
  });

  test('a second upload of the same file to the same path is refused', async () => {
    const one = order('twice.bin', 30 * MIB);
    const outcomes = await page.evaluate(async (it) => {
      cosSlice.start(it);
      const first = cosSlice.outcome(it.path);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const second = await cosSlice.upload(it);
      return [await first, second];
    }, one);
    await expectStored(one, outcomes[0] as UploadOutcome);
    expect(outcomes[1]?.error?.code).toBe('locked');
  });
});

describe('the page stays free', () => {
  test('no task above 50 ms while a gigabyte is hashed and sent', async () => {
    const on = await open();
    const one = order('gigabyte.bin', 1024 * MIB, { repeated: true, options: { integrity: 'sha1' } });
    const tasks = await on.evaluate(async (it) => {
      const longest: number[] = [];
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) longest.push(entry.duration);
      }).observe({ entryTypes: ['longtask'] });
      const outcome = await cosSlice.upload(it);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return { longest, error: outcome.error };
    }, one);
    console.log(`long tasks while 1 GiB was hashed and sent: ${tasks.longest.length}`);
    expect(tasks.error).toBeUndefined();
    expect(tasks.longest).toEqual([]);
    await on.context().close();
  }, 180_000);

  test('the heap stays small while 2 GiB are sent', async () => {
    const on = await open();
    const session = await on.context().newCDPSession(on);
    await session.send('Performance.enable');
    const heap = async (): Promise<number> => {
      await session.send('HeapProfiler.collectGarbage');
      const { metrics } = await session.send('Performance.getMetrics');
      return metrics.find((metric) => metric.name === 'JSHeapUsedSize')?.value ?? 0;
    };
    const before = await heap();
    const one = order('two-gigabytes.bin', 2048 * MIB, { repeated: true });
    await on.evaluate((it) => cosSlice.start(it), one);
    let most = 0;
    const ended = on.evaluate((name) => cosSlice.outcome(name), one.path);
    let over = false;
    void ended.then(() => {
      over = true;
    });
    while (!over) {
      const { metrics } = await session.send('Performance.getMetrics');
      most = Math.max(most, metrics.find((metric) => metric.name === 'JSHeapUsedSize')?.value ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const outcome = await ended;
    expect(outcome.error).toBeUndefined();
    console.log(`heap growth while 2 GiB were sent: ${((most - before) / MIB).toFixed(1)} MiB`);
    expect(most - before).toBeLessThan(32 * MIB);
    await on.context().close();
  }, 240_000);
});
