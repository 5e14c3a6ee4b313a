import { describe, expect, onTestFinished, test } from 'vitest';
import { type MockS3, startMockS3 } from '../../testing/mock-s3.ts';
import { content, put, target } from '../../testing/store-place.ts';
import type { Store } from '../store.ts';
import { s3Store } from './s3-store.ts';

async function setUp(): Promise<{ mock: MockS3; open(key?: string): Store }> {
  const mock = await startMockS3();
  onTestFinished(() => mock.close());
  const open = (accessKeyId = 'AK') => {
    const store = s3Store({
      endpoint: mock.endpoint,
      bucket: 'bucket',
      credentials: { accessKeyId, secretAccessKey: 'SK' },
      abilities: { putsIfNew: true, ifMatch: 'bare', completesIfNew: false, tagsAreMd5s: true },
    });
    onTestFinished(() => store.close());
    return store;
  };
  return { mock, open };
}

const keysIn = (mock: MockS3, prefix: string) =>
  [...mock.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
const textAt = async (store: Store, path: string) => (await content(store, target(path)))?.toString();

/** The first such request waits; `met` tells that it has come. */
function holdFirst(mock: MockS3, method: string, key: string): { met: Promise<void>; release(): void } {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const met = new Promise<void>((resolve) => {
    mock.hold = (...request) => {
      if (request[0] !== method || request[1] !== key) return undefined;
      resolve();
      return released;
    };
  });
  return { met, release };
}

/** Resolves when somebody finds that a lock is held. */
function lockMet(mock: MockS3): Promise<void> {
  return new Promise((resolve) => {
    const { hold } = mock;
    mock.hold = (method, key) => {
      if (method === 'GET' && key.includes('/locks/')) resolve();
      return hold?.(method, key);
    };
  });
}

describe('while a directory is moved', () => {
  test('an upload to it that is told of as stored is not removed with what it replaces', async () => {
    const { mock, open } = await setUp();
    const [mover, other] = [open(), open()];
    await put(mover, 'from/x', Buffer.from('old'));
    const { met, release } = holdFirst(mock, 'DELETE', '1/b/from/x');
    const moving = mover.directories.move(target('from'), target('to'), 'signature');
    await met;
    const waits = lockMet(mock);
    const putting = put(other, 'from/x', Buffer.from('new'), true);
    await Promise.race([putting, waits]);
    release();
    await putting;
    expect(await moving).toBe(true);
    expect([await textAt(other, 'from/x'), await textAt(other, 'to/x')]).toEqual(['new', 'old']);
  });

  test('an object that came to its new path first is not replaced, and what it keeps out stays where it was', async () => {
    const { mock, open } = await setUp();
    const [mover, other] = [open(), open()];
    for (const name of ['w', 'x', 'y']) await put(mover, `from/${name}`, Buffer.from(`old ${name}`));
    await mover.directories.create(target('from'), { attributes: 'mine' });
    const { met, release } = holdFirst(mock, 'PUT', '1/b/to/');
    const moving = mover.directories.move(target('from'), target('to'), 'signature');
    await met;
    await put(other, 'to/x', Buffer.from('new'), false);
    release();
    await expect(moving).rejects.toMatchObject({
      problem: 'path-conflict',
      detail: '1 stay in from/, such as x: something else is at its new path',
    });
    expect([...keysIn(mock, '1/b/from/'), ...keysIn(mock, '1/b/to/')]).toEqual([
      '1/b/from/',
      '1/b/from/x',
      '1/b/to/',
      '1/b/to/w',
      '1/b/to/x',
      '1/b/to/y',
    ]);
    expect([await textAt(other, 'from/x'), await textAt(other, 'to/x')]).toEqual(['old x', 'new']);
  });

  test('a directory in it is described before it goes, or not any more', async () => {
    const { mock, open } = await setUp();
    const [mover, other] = [open(), open()];
    await mover.directories.create(target('from/deep'), { attributes: 'old' });
    const { met, release } = holdFirst(mock, 'DELETE', '1/b/from/deep/');
    const moving = mover.directories.move(target('from'), target('to'), 'signature');
    await met;
    const waits = lockMet(mock);
    const describing = other.directories.describe(target('from/deep'), 'new');
    await Promise.race([describing, waits]);
    release();
    expect([await moving, await describing]).toEqual([true, false]);
    expect(await other.directories.stat(target('to/deep'))).toMatchObject({ attributes: 'old' });
  });

  test('others move what is in it, and what is around it', async () => {
    const { mock, open } = await setUp();
    const [mover, other] = [open(), open()];
    const names = Array.from({ length: 8 }, (_, index) => `${index}`);
    for (const name of names)
      for (const path of ['a', 'a/deep']) await put(mover, `${path}/${name}`, Buffer.from(name));
    await mover.directories.create(target('a/deep'), {});
    const moves = [
      ['a', 'b'],
      ['a/deep', 'c'],
      ['b/deep', 'a'],
      ['c', 'a/deep'],
    ] as const;
    await Promise.allSettled(
      moves.map(([from, to], index) =>
        (index % 2 ? other : mover).directories.move(target(from), target(to), 'signature'),
      ),
    );
    // Each is somewhere, and nowhere twice.
    const all = keysIn(mock, '1/b/').filter((key) => !key.endsWith('/'));
    const ends = all.map((key) => key.split('/').at(-1));
    expect(ends.sort()).toEqual([...names, ...names].sort());
  });
});
