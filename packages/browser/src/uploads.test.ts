import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHROMIUMS } from '@cos-slice/testkit/chromium';
import { type Reflector, startReflector } from '@cos-slice/testkit/reflector';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contentBlocks } from './testing/content.ts';
import type { UploadOrder, UploadOutcome } from './testing/page.ts';
import {
  expectStored,
  open,
  order,
  outcomeOf,
  page,
  run,
  SLICE,
  setting,
  sha256,
  untilStored,
  usePage,
} from './testing/use-page.ts';

const MIB = 1024 * 1024;
/** Slices that the window keeps in flight at most. */
const IN_FLIGHT = 8;

describe.each(CHROMIUMS)('in $name', (chromium) => {
  usePage(chromium);

  let reflector: Reflector;
  beforeAll(async () => {
    reflector = await startReflector();
  });
  afterAll(() => reflector?.close());

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
      const outcome = await outcomeOf(path, again);
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
      const outcome = await outcomeOf(one.path, on);
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
});
