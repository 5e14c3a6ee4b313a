import { stat } from 'node:fs/promises';
import { CHROMIUMS } from '@cos-slice/testkit/chromium';
import { describe, expect, test } from 'vitest';
import type { UploadOrder } from './testing/page.ts';
import { expectStored, open, order, run, SLICE, setting, usePage } from './testing/use-page.ts';

/** What becomes of an upload where something is at the path already, in one request and in slices. */
describe.each(CHROMIUMS)('in $name', (chromium) => {
  usePage(chromium);

  const sizes = [
    ['in one request', 1000],
    ['in slices', 3 * SLICE + 1],
  ] as const;
  const withOverwrite = (path: string, sizeBytes: number, overwrite: 'skip' | 'rename'): UploadOrder =>
    order(path, sizeBytes, { options: { overwrite } });

  test.each(sizes)('skip leaves what is there, and sends nothing: %s', async (_how, sizeBytes) => {
    const there = order(`skip/${sizeBytes}.bin`, 10);
    await run(there);
    const before = await stat(setting.file(there.path));
    const { result, error } = await run(withOverwrite(there.path, sizeBytes, 'skip'));
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ skipped: true, path: there.path, sentBytes: 0 });
    await expectStored(there, {} as never);
    expect((await stat(setting.file(there.path))).mtimeMs).toBe(before.mtimeMs);
  });

  test.each(sizes)('skip uploads where nothing is: %s', async (_how, sizeBytes) => {
    const one = withOverwrite(`skip/new-${sizeBytes}.bin`, sizeBytes, 'skip');
    const outcome = await run(one);
    expect(outcome.result).toMatchObject({ skipped: false, path: one.path, sentBytes: sizeBytes });
    await expectStored(one, outcome);
  });

  test.each(sizes)('rename finds the next free name: %s', async (_how, sizeBytes) => {
    const path = `rename/${sizeBytes}.tar.gz`;
    const there = order(path, 10);
    await run(there);
    await run(order(path.replace('.tar', ' (1).tar'), 11));
    const outcome = await run(withOverwrite(path, sizeBytes, 'rename'));
    const renamed = path.replace('.tar', ' (2).tar');
    expect(outcome.result).toMatchObject({ path: renamed, skipped: false });
    expect(String(outcome.result?.accessUrl)).toContain(encodeURIComponent(renamed.split('/')[1] ?? ''));
    await expectStored({ ...there, path: renamed, sizeBytes }, outcome);
    await expectStored(there, {} as never);
  });

  test.each(sizes)('two pages that rename at once replace nothing of each other: %s', async (_how, sizeBytes) => {
    const path = `rename/both-${sizeBytes}.bin`;
    const [first, second] = await Promise.all([open(), open()]);
    const orders = [withOverwrite(path, sizeBytes, 'rename'), withOverwrite(path, sizeBytes + 7, 'rename')] as const;
    const outcomes = await Promise.all([run(orders[0], first), run(orders[1], second)]);
    const paths = outcomes.map(({ result }) => result?.path);
    expect(new Set(paths)).toEqual(new Set([path, path.replace('.bin', ' (1).bin')]));
    for (const [index, outcome] of outcomes.entries()) {
      await expectStored({ ...(orders[index] as UploadOrder), path: String(paths[index]) }, outcome);
    }
    await Promise.all([first.context().close(), second.context().close()]);
  });
});
