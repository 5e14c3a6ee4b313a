import { describe, expect, test } from 'vitest';
import type { MockS3 } from '../../testing/mock-s3.ts';
import { startMockS3Place } from '../../testing/mock-s3-place.ts';
import { content, put, target } from '../../testing/store-place.ts';
import type { Store } from '../store.ts';

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
    const { mock, open } = await startMockS3Place();
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
    const { mock, open } = await startMockS3Place();
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
    const { mock, open } = await startMockS3Place();
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
    const { mock, open } = await startMockS3Place();
    const [mover, other] = [open(), open()];
    const paths = ['a/x', 'a/y', 'a/deep/x', 'a/deep/y'];
    for (const path of paths) await put(mover, path, Buffer.from(path));
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
    const contents = [...mock.objects].filter(([key]) => key.startsWith('1/b/')).map(([, { bytes }]) => String(bytes));
    expect(contents).toEqual(expect.arrayContaining(paths));
  });
});

/** Of the server's own, without the locks of the dead and what is known of content. */
const notesIn = (mock: MockS3) => keysIn(mock, '.cos-slice/').filter((key) => !/\/(locks|known)\//.test(key));

describe('a move of a directory', () => {
  test('leaves where it was what the store does not take, tells of it, and moves nothing that comes later', async () => {
    const { mock, open } = await startMockS3Place();
    const store = open();
    await put(store, 'from/x', Buffer.from('x'));
    await put(store, 'from/z', Buffer.from('z'));
    const headers = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`x-amz-meta-${i}`, 'v'.repeat(85)]));
    await fetch(`${mock.endpoint}/bucket/1/b/from/y`, { method: 'PUT', body: 'y', headers });
    await expect(store.directories.move(target('from'), target('to'), 'signature')).rejects.toMatchObject({
      problem: 'refused',
      detail: expect.stringMatching(/^1 stay in from\/, such as y: .* exceed 2048 bytes/),
    });
    expect(keysIn(mock, '')).toEqual(['1/b/from/y', '1/b/to/', '1/b/to/x', '1/b/to/z']);
    await put(store, 'from/later', Buffer.from('later'));
    mock.aheadMs = 3600_000;
    await open().tidy?.();
    expect(keysIn(mock, '1/b/from/')).toEqual(['1/b/from/later', '1/b/from/y']);
  });

  test('that cannot begin moves nothing, and nothing that comes later', async () => {
    const { mock, open } = await startMockS3Place();
    const store = open();
    await store.directories.create(target('from'), { attributes: 'x'.repeat(1850) });
    await put(store, 'from/x', Buffer.from('x'));
    const moving = store.directories.move(target('from'), target('to'), 'signature'.repeat(10));
    await expect(moving).rejects.toMatchObject({ problem: 'refused' });
    mock.aheadMs = 3600_000;
    await open().tidy?.();
    expect(keysIn(mock, '')).toEqual(['1/b/from/', '1/b/from/x']);
  });

  /** Copies all, and removes none of it. */
  async function failHalfway(mock: MockS3, store: Store): Promise<void> {
    for (const name of ['x', 'y']) await put(store, `from/${name}`, Buffer.from(name));
    mock.faults = [{ method: 'DELETE', answer: { status: 204, code: '' } }];
    const moving = store.directories.move(target('from'), target('to'), 'signature');
    await expect(moving).rejects.toMatchObject({ problem: 'busy' });
    mock.faults = [];
    expect(keysIn(mock, '1/b/')).toEqual(['1/b/from/x', '1/b/from/y', '1/b/to/', '1/b/to/x', '1/b/to/y']);
    mock.aheadMs = 60_000;
  }

  test('that has failed is gone on with by whoever asks for it again', async () => {
    const { mock, open } = await startMockS3Place();
    await failHalfway(mock, open());
    const other = open();
    await put(other, 'from/later', Buffer.from('later'));
    await other.describeObject(target('from/y'), { attributes: 'mine' });
    expect(await other.directories.move(target('from'), target('to'), 'another')).toBe(true);
    expect(keysIn(mock, '1/b/')).toEqual(['1/b/to/', '1/b/to/later', '1/b/to/x', '1/b/to/y']);
    expect(await other.statObject(target('to/y'))).toMatchObject({ attributes: 'mine' });
    expect(notesIn(mock)).toEqual([]);
    // Its note is gone: the next one is another.
    await put(other, 'from/x', Buffer.from('x'));
    const moving = other.directories.move(target('from'), target('to'), 'another');
    await expect(moving).rejects.toMatchObject({ problem: 'path-conflict' });
  });

  test('that has failed is gone on with by a sweep, which leaves what has been stored since', async () => {
    const { mock, open } = await startMockS3Place();
    await failHalfway(mock, open());
    const other = open();
    await put(other, 'from/later', Buffer.from('later'));
    await put(other, 'from/x', Buffer.from('new'), true);
    await other.directories.create(target('from'), { attributes: 'mine' });
    mock.aheadMs = 3600_000;
    await other.tidy?.();
    expect(keysIn(mock, '1/b/')).toEqual([
      '1/b/from/',
      '1/b/from/later',
      '1/b/from/x',
      '1/b/to/',
      '1/b/to/x',
      '1/b/to/y',
    ]);
    expect([await textAt(other, 'from/x'), await textAt(other, 'to/x')]).toEqual(['new', 'x']);
    expect(notesIn(mock)).toEqual([]);
  });

  /** @returns whether it died before it was through */
  async function dieAt(requests: number, isSwept: boolean): Promise<boolean> {
    const { mock, open } = await startMockS3Place();
    const [dying, other] = [open('DYING'), open()];
    await other.directories.create(target('from'), { attributes: 'mine' });
    await other.directories.create(target('from/empty'), { attributes: 'of empty' });
    for (const name of ['x', 'deep/y']) await put(other, `from/${name}`, Buffer.from(name), false, 'f'.repeat(40));
    const died = new Promise<true>((resolve) => {
      mock.dying = { accessKeyId: 'DYING', requests, onDeath: () => resolve(true) };
    });
    const dead = dying.directories.move(target('from'), target('to'), 'signature').catch(() => died);
    const isDead = await Promise.race([died, dead.then(() => mock.dying !== undefined && mock.dying.requests < 0)]);
    mock.aheadMs = isSwept ? 11 * 60_000 : 60_000;
    if (isSwept) await other.tidy?.();
    // Where it had not begun, or was through.
    const isLeft = (await other.directories.stat(target('from'))) !== undefined;
    const isMoved = await other.directories.move(target('from'), target('to'), 'another');
    expect(isMoved || !isLeft, `after ${requests} requests`).toBe(true);
    expect(keysIn(mock, '1/b/')).toEqual(['1/b/to/', '1/b/to/deep/y', '1/b/to/empty/', '1/b/to/x']);
    expect(await other.directories.stat(target('to'))).toMatchObject({ attributes: 'mine' });
    expect(await other.directories.stat(target('to/empty'))).toMatchObject({ attributes: 'of empty' });
    expect(notesIn(mock)).toEqual([]);
    return isDead;
  }

  test.each([
    ['is asked for it again', false],
    ['sweeps', true],
  ])('whose server dies at any of its requests is brought to its end by another that %s', async (_, isSwept) => {
    let requests = 0;
    let isOver = false;
    const next = async (): Promise<void> => {
      while (!isOver) if (!(await dieAt(requests++, isSwept))) isOver = true;
    };
    await Promise.all([1, 2, 3, 4].map(next));
    expect(requests).toBeGreaterThan(30);
  });
});
