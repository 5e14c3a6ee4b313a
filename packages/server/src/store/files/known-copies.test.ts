import { setMaxListeners } from 'node:events';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDir } from '../../testing/server.ts';
import type { Target } from '../store.ts';
import { createKnownCopies } from './known-copies.ts';

const target: Target = { appId: '1', bucket: 'b', path: 'x' };
const content = { source: { ...target, path: 'source' }, sha: 'ab'.repeat(20), sizeBytes: 3 };

/** Copies that are done when the test says so. */
async function setUp(patienceMs = 20) {
  const dir = await temporaryDir();
  const finish: (() => Promise<void>)[] = [];
  const signals: AbortSignal[] = [];
  const copies = createKnownCopies(async (_content, signal) => {
    setMaxListeners(0, signal);
    const path = join(dir, String(signals.push(signal)));
    await new Promise<void>((resolve, reject) => {
      finish.push(async () => {
        await writeFile(path, 'abc');
        resolve();
      });
      signal.addEventListener('abort', () => reject(signal.reason));
    });
    return path;
  }, patienceMs);
  return { copies, finish, signals, dir };
}

test('a request that has waited for long is told to come again, and then gets the same copy', async () => {
  const { copies, finish, signals } = await setUp();
  for (let times = 0; times < 3; times++) {
    await expect(copies.of(target, content)).rejects.toMatchObject({ problem: 'busy', detail: expect.any(String) });
  }
  await finish[0]?.();
  const copy = await copies.of(target, content);
  await access(copy?.take() ?? '');
  expect(signals).toHaveLength(1);
});

test('one of several that wait takes the copy', async () => {
  const { copies, finish } = await setUp(10_000);
  const asking = [1, 2, 3].map(() => copies.of(target, content));
  await expect.poll(() => finish.length).toBeGreaterThan(0);
  await finish[0]?.();
  const taken = (await Promise.all(asking)).map((copy) => copy?.take());
  expect(taken.filter((path) => path !== undefined)).toHaveLength(1);
});

test('other targets and other contents are copies of their own', async () => {
  const { copies, signals } = await setUp();
  await Promise.allSettled([
    copies.of(target, content),
    copies.of({ ...target, bucket: 'c' }, content),
    copies.of(target, { ...content, sizeBytes: 4 }),
  ]);
  expect(signals).toHaveLength(3);
});

test('so many are made at a time, and none that nobody waits for any more', async () => {
  const { copies, finish, signals } = await setUp(50);
  const at = (index: number) => ({ ...target, path: String(index) });
  const asked = await Promise.allSettled(Array.from({ length: 40 }, (_, index) => copies.of(at(index), content)));
  expect(asked.every(({ status }) => status === 'rejected')).toBe(true);
  expect(signals).toHaveLength(16);
  for (const each of [...finish]) await each();
  await expect(copies.of(at(39), content)).rejects.toMatchObject({ problem: 'busy' });
  expect(signals).toHaveLength(17);
});

test('a failure is told, and the next request tries again', async () => {
  let times = 0;
  const copies = createKnownCopies(async () => {
    if (++times === 1) throw new Error('no space');
    return undefined;
  });
  await expect(copies.of(target, content)).rejects.toThrow('no space');
  expect(await copies.of(target, content)).toBeUndefined();
  expect(times).toBe(2);
});

test('closing ends what runs and removes what nobody has taken', async () => {
  const { copies, finish, signals, dir } = await setUp();
  await expect(copies.of(target, content)).rejects.toMatchObject({ problem: 'busy' });
  await expect(copies.of({ ...target, path: 'y' }, content)).rejects.toMatchObject({ problem: 'busy' });
  await finish[0]?.();
  await access(join(dir, '1'));
  await copies.close();
  await expect(access(join(dir, '1'))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(signals[1]?.aborted).toBe(true);
});
