import { appendFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHROMIUMS } from '@cos-slice/testkit/chromium';
import { describe, expect, test } from 'vitest';
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
  untilStored,
  usePage,
} from './testing/use-page.ts';

const MIB = 1024 * 1024;

describe.each(CHROMIUMS)('in $name', (chromium) => {
  usePage(chromium);

  describe('trouble', () => {
    test('a slice that does not get on is read into memory and sent again (unraid/webgui#2645)', async () => {
      const on = await open();
      await on.evaluate(() => cosSlice.stallOnFileSlices());
      const timeouts = { connectMs: 3000, noProgressMs: 3000, responseMs: 60_000 };
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
      const outcome = await outcomeOf(one.path, on);
      expect(outcome.error?.code).toBe('source-changed');
      expect(performance.now() - changedAtMs).toBeLessThan(20_000);
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
        const outcome = await outcomeOf(one.path, on);
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
      await expectStored(one, await outcomeOf(one.path, on));
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
});
