import { closeSync, mkdirSync, openSync } from 'node:fs';
import { mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { temporaryDir } from '../../testing/server.ts';
import { createNameIndexes, type NameIndex } from './name-index.ts';

const keysOf = (index: NameIndex): string[] => Array.from({ length: index.count }, (_, at) => index.keyAt(at));

test.each([
  ['few', 100],
  ['many, on a thread of their own,', 12_000],
])('%s names are in order, and are found', async (_, count) => {
  const dir = await temporaryDir();
  const keys = Array.from({ length: count }, (_, i) => (i % 1000 === 7 ? `d${i}/` : `f${(i * 7919) % count}`));
  for (const key of keys) {
    if (key.endsWith('/')) mkdirSync(join(dir, key));
    else closeSync(openSync(join(dir, key), 'w'));
  }
  await symlink('nowhere', join(dir, 'a link'));
  const index = await createNameIndexes().of(dir, 'now');
  const expected = [...new Set(keys)].sort();
  expect(keysOf(index)).toEqual(expected);
  expect(index.directories).toBe(expected.filter((key) => key.endsWith('/')).length);
  for (const at of [0, 1, 50, expected.length - 1]) {
    const key = expected[at] as string;
    expect([index.rank(key), index.rank(`${key}\0`), index.isDirectoryAt(at)]).toEqual([at, at + 1, key.endsWith('/')]);
  }
  expect([index.rank(''), index.rank('g')]).toEqual([0, expected.length]);
});

test('who goes on is given the names there were, and who begins those there are', async () => {
  const dir = await temporaryDir();
  const indexes = createNameIndexes();
  const countNow = async () => (await indexes.of(dir, 'now')).count;
  expect(await countNow()).toBe(0);
  await writeFile(join(dir, 'a'), '');
  expect((await indexes.of(dir, 'to go on')).count).toBe(0);
  expect(await countNow()).toBe(1);
  await writeFile(join(dir, 'b'), '');
  // Who asked before a change may not share its answer with who asked after.
  const early = countNow();
  await writeFile(join(dir, 'c'), '');
  const late = await Promise.all([countNow(), countNow(), countNow()]);
  expect(late).toEqual([3, 3, 3]);
  expect([2, 3]).toContain(await early);
  await rm(join(dir, 'a'));
  expect(await countNow()).toBe(2);
});

test('a directory that has not changed for long is not read again', async () => {
  const dir = join(await temporaryDir(), 'dir');
  await mkdir(dir);
  await utimes(dir, 1000, 1000);
  const indexes = createNameIndexes();
  const before = await indexes.of(dir, 'now');
  expect(await indexes.of(dir, 'now')).toBe(before);
  await writeFile(join(dir, 'a'), '');
  expect((await indexes.of(dir, 'now')).count).toBe(1);
});

test('a directory that cannot be read fails whoever asks, and the next one finds out anew', async () => {
  const dir = join(await temporaryDir(), 'dir');
  const indexes = createNameIndexes();
  const asked = await Promise.allSettled([indexes.of(dir, 'now'), indexes.of(dir, 'now'), indexes.of(dir, 'to go on')]);
  expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  await mkdir(dir);
  expect((await indexes.of(dir, 'now')).count).toBe(0);
});

test.each([-1, 1])('a clock on the wall that is set by %i hours changes nothing for who goes on', async (hours) => {
  const dir = await temporaryDir();
  const indexes = createNameIndexes();
  const before = await indexes.of(dir, 'now');
  await writeFile(join(dir, 'a'), '');
  const now = Date.now;
  onTestFinished(() => void vi.restoreAllMocks());
  vi.spyOn(Date, 'now').mockImplementation(() => now() + hours * 3_600_000);
  expect(await indexes.of(dir, 'to go on')).toBe(before);
  expect((await indexes.of(dir, 'now')).count).toBe(1);
});
