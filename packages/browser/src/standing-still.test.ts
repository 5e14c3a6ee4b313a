import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHROMIUMS } from '@cos-slice/testkit/chromium';
import { describe, expect, test } from 'vitest';
import { expectStored, order, page, run, setting, usePage } from './testing/use-page.ts';

const MIB = 1024 * 1024;
/** How long a read and a silent worker are waited for. */
const READ_MS = 8000;
const SILENCE_MS = 25_000;

/** A hash worker whose own reads of blobs never end. */
const BLIND_WORKER = `
  Blob.prototype.arrayBuffer = () => new Promise(() => {});
  const real = setTimeout;
  setTimeout = (act, ms) => real(act, ms / 10);
  importScripts('/hash-worker.js');
`;
/** One that starts well, and falls silent after a few pieces. */
const DYING_WORKER = `
  const real = Blob.prototype.arrayBuffer;
  let reads = 0;
  Blob.prototype.arrayBuffer = function () {
    reads += 1;
    return reads > 40 ? new Promise(() => {}) : real.call(this);
  };
  setTimeout = () => 0;
  importScripts('/hash-worker.js');
`;

describe.each(CHROMIUMS)('in $name', (chromium) => {
  usePage(chromium, {
    '/blind-worker.js': BLIND_WORKER,
    '/dying-worker.js': DYING_WORKER,
    '/dead-worker.js': '',
  });

  test.each(['md5', 'sha1'] as const)(
    'what the hash worker cannot read is read by the page, with %s',
    async (integrity) => {
      const hashWorkers = ['/blind-worker.js'];
      const one = order(`blind-${integrity}.bin`, 9 * MIB + 5, { hashWorkers, options: { integrity } });
      await expectStored(one, await run(one));
    },
  );

  test('a hash worker that never says anything is replaced', async () => {
    await page.evaluate((ms) => cosSlice.hurry(ms), SILENCE_MS);
    const hashWorkers = ['/dead-worker.js', '/hash-worker.js'];
    const one = order('dead.bin', 5 * MIB, { hashWorkers, options: { integrity: 'md5' } });
    await expectStored(one, await run(one));
  });

  test('one that dies while it hashes is replaced, from the last checkpoint on, and progress does not fall', async () => {
    await page.evaluate((ms) => cosSlice.hurry(ms), SILENCE_MS);
    const hashWorkers = ['/dying-worker.js', '/hash-worker.js'];
    const one = order('dying.bin', 96 * MIB, { hashWorkers, options: { integrity: 'sha1' } });
    const outcome = await run(one);
    await expectStored(one, outcome);
    expect(outcome.hashed).toEqual([...outcome.hashed].sort((a, b) => a - b));
  });

  test('one that falls silent is replaced also where an upload waits for less than its silence', async () => {
    const hashWorkers = ['/dying-worker.js', '/hash-worker.js'];
    const options = { integrity: 'sha1', timeouts: { noProgressMs: 3000 } } as const;
    const one = order('impatient.bin', 96 * MIB, { hashWorkers, options });
    await expectStored(one, await run(one));
  });

  test('hashing that gets on nowhere ends the upload by its name, and not by that of what waits for it', async () => {
    await page.evaluate((ms) => cosSlice.hurry(ms), SILENCE_MS);
    const options = { integrity: 'sha1', timeouts: { noProgressMs: 5000 } } as const;
    const one = order('nowhere.bin', 5 * MIB, { hashWorkers: ['/dead-worker.js'], options });
    const { error } = await run(one);
    expect(error).toMatchObject({ code: 'hashing-failed', message: expect.stringContaining('stands still') });
  });

  test('a read without an answer is made another way', async () => {
    await page.evaluate((ms) => cosSlice.hurry(ms), READ_MS);
    await page.evaluate(() => cosSlice.breakReads('promises'));
    const one = order('another-way.bin', 5 * MIB);
    await expectStored(one, await run(one));
  });

  test('reads that never end, whichever way, end the upload by their name', async () => {
    await page.evaluate((ms) => cosSlice.hurry(ms), READ_MS);
    await page.evaluate(() => cosSlice.breakReads('all'));
    const { error } = await run(order('never-read.bin', 5 * MIB));
    expect(error).toMatchObject({ code: 'source-unreadable', message: expect.stringContaining('pick it again') });
  });

  test('locks that never answer are done without', async () => {
    await page.evaluate(() => cosSlice.breakLocks());
    const one = order('locks.bin', 3 * MIB);
    await expectStored(one, await run(one));
  });

  test.each(['md5', 'sha1'] as const)('many small files are hashed, with %s', async (integrity) => {
    const orders = Array.from({ length: 200 }, (_, index) =>
      order(`${integrity}-small/${index}.bin`, 1 + index * 997, { options: { integrity } }),
    );
    const outcomes = await page.evaluate((all) => Promise.all(all.map((it) => cosSlice.upload(it))), orders);
    expect(outcomes.filter(({ error }) => error)).toEqual([]);
  });

  test('a file of more than 2 GiB is hashed', async () => {
    const sizeBytes = 2200 * MIB + 17;
    const file = join(setting.root, 'large.bin');
    await writeFile(file, 'all but empty');
    await truncate(file, sizeBytes);
    await page.setInputFiles('#file', file);
    const one = order('large.bin', sizeBytes, { options: { integrity: 'sha1' } });
    await page.evaluate((it) => cosSlice.startPicked(it), one);
    await page.waitForFunction((path) => cosSlice.storedSlices(path) > 0, one.path, { polling: 50 });
    await page.evaluate((path) => cosSlice.cancel(path), one.path);
    expect(await page.evaluate((path) => cosSlice.hashedBytes(path), one.path)).toBe(sizeBytes);
  });

  test.each(['before', 'during'] as const)('a file of another window arrives, which is closed %s', async (closed) => {
    for (const integrity of ['none', 'sha1'] as const) {
      const one = order(`frame-${closed}-${integrity}.bin`, 30 * MIB, { options: { integrity } });
      const outcome = await page.evaluate(([it, when]) => cosSlice.uploadFromFrame(it, when), [one, closed] as const);
      await expectStored(one, outcome);
    }
  });

  test.each(['text', 'nothing', 'bytes', 'lookalike'] as const)(
    '%s instead of a blob is refused at once',
    async (kind) => {
      expect(await page.evaluate((it) => cosSlice.refusal(it), kind)).toBe('invalid-options');
    },
  );
});
