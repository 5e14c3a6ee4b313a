import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { appendFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHROMIUMS, launchChromium } from '@cos-slice/testkit/chromium';
import { type Reflector, startReflector } from '@cos-slice/testkit/reflector';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { contentBlocks } from './testing/content.ts';
import type { PageApi, UploadOrder, UploadOutcome } from './testing/page.ts';
import { createSetting, type Setting } from './testing/setting.ts';

const MIB = 1024 * 1024;
/** Slices that the window keeps in flight at most. */
const IN_FLIGHT = 8;

describe.each(CHROMIUMS)('in $name', (chromium) => {
  let browser: Browser;
  let setting: Setting;
  let page: Page;
  let reflector: Reflector;

  beforeAll(async () => {
    [browser, setting, reflector] = await Promise.all([launchChromium(chromium), createSetting(), startReflector()]);
  });
  afterAll(async () => {
    await browser?.close();
    await setting?.close();
    await reflector?.close();
  });
  // Each test has a page of its own: one that has made many blobs is refused more of them.
  beforeEach(async () => {
    page = await open();
  });
  afterEach(async () => {
    setting.intercept = undefined;
    setting.pageHeaders = {};
    await page.context().close();
  });

  async function open(): Promise<Page> {
    const context = await browser.newContext();
    const opened = await context.newPage();
    await opened.goto(setting.pageUrl);
    return opened;
  }

  /** What `uploadBlob` asks for by default, in bytes. */
  const SLICE = 2 * MIB;
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
    test.each(['xhr', 'fetch', 'source', 'hasher', 'store'])('%s', async (suite) => {
      const urls = { reflectorUrl: reflector.url, refusedUrl: 'http://127.0.0.1:9' };
      const outcomes = await page.evaluate(([name, both]) => cosSlice.contract(name, both), [suite, urls] as const);
      expect(outcomes?.length).toBeGreaterThan(5);
      expect(outcomes?.filter((outcome) => outcome.error)).toEqual([]);
    });
  });

  describe('a blob arrives byte for byte', () => {
    const sizes = [0, 1, SLICE - 1, SLICE, SLICE + 1, 64 * MIB];
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
      const one = order(`by-${transport}.bin`, 5 * SLICE + 3, { options: { transport } });
      await expectStored(one, await run(one));
    });

    test.each(['目录/文件 名.bin', '\u{1f600}\u{1f680}.bin', 'a b/+ % # & =.bin'])('to the name %s', async (name) => {
      const one = order(name, 2 * SLICE + 1, { options: { integrity: 'sha1' } });
      await expectStored(one, await run(one));
    });

    test('from a worker of the page', async () => {
      const one = order('from-worker.bin', 9 * SLICE, { options: { integrity: 'md5' } });
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

    test('from a service worker', async () => {
      const one = order('from-service-worker.bin', 9 * SLICE);
      const on = await open();
      const outcome = await on.evaluate(async (it) => {
        await navigator.serviceWorker.register('/page.js');
        const { active } = await navigator.serviceWorker.ready;
        return new Promise<UploadOutcome>((resolve) => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = ({ data }) => resolve(data);
          active?.postMessage(it, [port2]);
        });
      }, one);
      await expectStored(one, outcome);
      await on.context().close();
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
      const counted = await count(order('preflights/fetch.bin', 20 * SLICE, { options: { transport: 'fetch' } }));
      expect(counted).toEqual({ preflights: 0, slices: 20 });
    });

    test('at most one per file with progress', async () => {
      const counted = await count(order('preflights/xhr.bin', 20 * SLICE, { options: { transport: 'xhr' } }));
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
      const slices = 49;
      const sizeBytes = 48 * SLICE + 5;
      const from = setting.requests.length;
      const file = join(setting.root, `${integrity}-picked.bin`);
      await writeFile(file, Buffer.concat(contentBlocks(sizeBytes)));
      const one = order(path, sizeBytes, { options: { integrity, concurrency: { min: 1, max: IN_FLIGHT } } });
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
      expect(resumedBytes).toBeGreaterThanOrEqual(before * SLICE);
      expect(resumedBytes + sentBytes).toBe(sizeBytes);
      // At the server: what both pages sent together.
      const arrived = setting.requests.slice(from).filter(({ op }) => op === 'upload_slice_data');
      expect(arrived.length).toBeLessThanOrEqual(slices + IN_FLIGHT);
      await again.context().close();
    };

    test('while it hashes continues from the last checkpoint', async () => {
      const sizeBytes = 320 * MIB;
      const file = join(setting.root, 'hashing.bin');
      await writeFile(file, 'all but empty');
      await truncate(file, sizeBytes);
      const one = order('hashing.bin', sizeBytes, { options: { integrity: 'sha1' } });
      const on = await open();
      await on.setInputFiles('#file', file);
      await on.evaluate((it) => cosSlice.startPicked(it), one);
      await on.waitForFunction((path) => cosSlice.hashedBytes(path) >= 96 * 1024 * 1024, one.path, { polling: 5 });
      await on.reload();
      await on.setInputFiles('#file', file);
      await on.evaluate((it) => cosSlice.startPicked(it), one);
      const outcome = await on.evaluate((path) => cosSlice.outcome(path), one.path);
      expect(outcome.error).toBeUndefined();
      expect(outcome.hashed.filter((bytes) => bytes > 0)[0]).toBeGreaterThanOrEqual(64 * MIB);
      expect(await sha256(setting.file(one.path))).toBe(await sha256(file));
      await on.context().close();
    });

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
    test('a slice that does not get on is read into memory and sent again (unraid/webgui#2645)', async () => {
      const on = await open();
      await on.evaluate(() => cosSlice.stallOnFileSlices());
      const timeouts = { connectMs: 300, noProgressMs: 300, responseMs: 5000 };
      const one = order('stalled.bin', 3 * SLICE + 1, { options: { timeouts, retry: { baseDelayMs: 10 } } });
      await expectStored(one, await run(one, on));
      expect(await on.evaluate(() => Reflect.get(globalThis, 'stalled').count)).toBe(4);
      await on.context().close();
    });

    test('a file that changes ends the upload at once, and is no network error (uppy#2860)', async () => {
      const sizeBytes = 64 * MIB;
      const file = join(setting.root, 'changing.bin');
      await writeFile(file, Buffer.concat(contentBlocks(sizeBytes)));
      const on = await open();
      await on.setInputFiles('#file', file);
      const one = order('changing.bin', sizeBytes, { options: { concurrency: 2 } });
      await on.evaluate((it) => cosSlice.startPicked(it), one);
      await untilStored(on, one.path, 3);
      await writeFile(file, Buffer.alloc(sizeBytes));
      const changedAtMs = performance.now();
      const outcome = await on.evaluate((name) => cosSlice.outcome(name), one.path);
      expect(outcome.error?.code).toBe('source-changed');
      expect(performance.now() - changedAtMs).toBeLessThan(5000);
      await on.context().close();
    });

    const fates: [string, string, (file: string) => Promise<void>][] = [
      ['rewritten', 'source-changed', (file) => writeFile(file, 'something else')],
      ['appended to', 'source-changed', (file) => appendFile(file, 'more')],
      ['truncated', 'source-changed', (file) => truncate(file, MIB)],
      ['deleted', 'source-unreadable', (file) => rm(file)],
    ];
    test.each(fates)('a file that is %s while it is hashed ends the upload with %s', async (fate, code, change) => {
      const on = await open();
      for (const integrity of ['md5', 'sha1'] as const) {
        const file = join(setting.root, `${integrity}-${fate}.bin`);
        await writeFile(file, 'all but empty');
        await truncate(file, 320 * MIB);
        // Browsers look at whole seconds: not the second in which it is changed.
        await utimes(file, 1e9, 1e9);
        await on.setInputFiles('#file', file);
        const one = order(`${integrity}-${fate}.bin`, 320 * MIB, { options: { integrity } });
        await on.evaluate((it) => cosSlice.startPicked(it), one);
        const begun = ({ path, options }: UploadOrder) =>
          options?.integrity === 'sha1' ? cosSlice.hashedBytes(path) > 0 : cosSlice.storedSlices(path) > 1;
        await on.waitForFunction(begun, one, { polling: 5 });
        await change(file);
        const outcome = await on.evaluate((name) => cosSlice.outcome(name), one.path);
        expect(outcome.error).toMatchObject({ code, message: expect.stringContaining('pick it again') });
        // With sha1 everything is hashed first.
        expect(outcome.progress.requests > 0).toBe(integrity === 'md5');
      }
      await on.context().close();
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

    test('a page that forbids workers from blob: URLs is told, and can bring one of its own', async () => {
      setting.pageHeaders = { 'Content-Security-Policy': "worker-src 'self'" };
      const on = await open();
      const one = order('csp-worker.bin', 3 * MIB, { options: { integrity: 'sha1' } });
      const outcome = await run(one, on);
      expect(outcome.error).toMatchObject({ code: 'hashing-failed', message: expect.stringContaining('worker-src') });
      await expectStored(one, await run({ ...one, hashWorkers: ['/hash-worker.js'] }, on));
      await on.context().close();
    });

    test.each(['throws', 'hangs'] as const)(
      'a database that %s makes an upload forgetful, nothing else',
      async (how) => {
        const on = await open();
        await on.evaluate((it) => cosSlice.breakDatabase(it), how);
        const one = order(`database-${how}.bin`, 3 * MIB);
        await expectStored(one, await run(one, on));
        await on.context().close();
      },
    );

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

  describe('hashing', () => {
    test('continues from a checkpoint, and starts over from one of another version', async () => {
      const sizeBytes = 100 * MIB;
      const resumed = await page.evaluate((bytes) => cosSlice.hashInTwoRuns(bytes), sizeBytes);
      expect(resumed).toEqual({ checkpointBytes: 64 * MIB, firstBytes: 64 * MIB, same: true });
      const restarted = await page.evaluate((bytes) => cosSlice.hashInTwoRuns(bytes, 0), sizeBytes);
      expect(restarted).toEqual({ checkpointBytes: 64 * MIB, firstBytes: 0, same: true });
    });

    test('pauses, goes on, and is cancelled', async () => {
      const one = order('pausing.bin', 512 * MIB, { repeated: true, options: { integrity: 'sha1' } });
      const hashedBytes = () => page.evaluate((path) => cosSlice.hashedBytes(path), one.path);
      const until = (bytes: number) =>
        page.waitForFunction(([path, least]) => cosSlice.hashedBytes(path) > least, [one.path, bytes] as const, {
          polling: 5,
        });
      await page.evaluate((it) => cosSlice.start(it), one);
      await until(0);
      await page.evaluate((path) => cosSlice.pause(path), one.path);
      const pausedBytes = await hashedBytes();
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await hashedBytes()).toBe(pausedBytes);
      await page.evaluate((path) => cosSlice.resume(path), one.path);
      await until(pausedBytes);
      await page.evaluate((path) => cosSlice.cancel(path), one.path);
      const outcome = await page.evaluate((path) => cosSlice.outcome(path), one.path);
      expect(outcome.error?.code).toBe('AbortError');
      expect(outcome.progress.requests).toBe(0);
    });
  });

  describe('the store', () => {
    const left = (...asked: Parameters<PageApi['recordsLeft']>) =>
      page.evaluate(([options, records]) => cosSlice.recordsLeft(options, records), asked);

    test('keeps the newest records, young ones, and a bounded amount of them', async () => {
      expect(await left({ maxRecords: 2 }, [[30], [10], [20]])).toEqual([false, true, true]);
      expect(await left({ maxAgeMs: 60_000 }, [[59_000], [61_000]])).toEqual([true, false]);
      const large = 20 * MIB;
      expect(await left({}, [[30, large], [20], [10, large]])).toEqual([false, true, true]);
      expect(await left({}, [[10, 2 * large]])).toEqual([false]);
    });

    test('lets an application delete its database while it is in use, and remembers again', async () => {
      const on = await open();
      expect((await run(order('before-logout.bin', 3 * MIB), on)).error).toBeUndefined();
      expect(await on.evaluate(() => cosSlice.deleteDatabase('cos-slice'))).toBe('deleted');
      expect(await on.evaluate(() => cosSlice.recordsAroundDeletion())).toEqual([true, false, true]);
      await on.context().close();
    });
  });

  describe('the page stays free', () => {
    test('no task above 50 ms while a gigabyte is hashed and sent', async () => {
      const on = await open();
      const one = order('gigabyte.bin', 1024 * MIB, { repeated: true, options: { integrity: 'sha1' } });
      await browser.startTracing(on, { categories: ['-*', 'disabled-by-default-devtools.timeline'] });
      const { longTasksMs, error } = await on.evaluate(async (it) => {
        const longTasksMs: number[] = [];
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) longTasksMs.push(entry.duration);
        }).observe({ entryTypes: ['longtask'] });
        const { error } = await cosSlice.upload(it);
        await new Promise((resolve) => setTimeout(resolve, 200));
        return { longTasksMs, error };
      }, one);
      // A machine that is busy with something else stretches tasks: what counts then is the time they had the processor.
      const cpuMs = mainThreadTasksMs(JSON.parse((await browser.stopTracing()).toString()));
      const longest = Math.max(...cpuMs);
      console.log(
        `long tasks while 1 GiB was hashed and sent: ${longTasksMs.length}; longest of ${cpuMs.length} tasks ${longest} ms of CPU`,
      );
      expect(error).toBeUndefined();
      expect(cpuMs.length).toBeGreaterThan(1000);
      expect(longest).toBeLessThan(50);
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
});

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of CPU time. */
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

function mainThreadTasksMs({ traceEvents }: { traceEvents: TraceEvent[] }): number[] {
  const named = traceEvents.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain');
  const mainThreads = new Set(named.map(({ pid, tid }) => `${pid}:${tid}`));
  const tasks = traceEvents.filter(({ name, pid, tid }) => name === 'RunTask' && mainThreads.has(`${pid}:${tid}`));
  return tasks.map(({ tdur = 0 }) => tdur / 1000);
}
