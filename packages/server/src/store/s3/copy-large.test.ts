import { describe, expect, test } from 'vitest';
import { distinctBytes } from '../../testing/content.ts';
import type { MockS3 } from '../../testing/mock-s3.ts';
import { startMockS3Place } from '../../testing/mock-s3-place.ts';
import { content, put, target } from '../../testing/store-place.ts';
import { init, putSlice } from '../../testing/store-session.ts';

const MAX_COPY_BYTES = 1000;
const LIMITED = { maxCopyBytes: MAX_COPY_BYTES };
/** Eleven parts. */
const BYTES = distinctBytes(10 * MAX_COPY_BYTES + 50);
const DAY_MS = 24 * 3600_000;
const REFUSAL = { status: 403, code: 'AccessDenied' };

const keysOf = (mock: MockS3) => [...mock.objects.keys()].sort();

describe('a copy of what is too large for one request', () => {
  test('is made of parts, with all that is said of it, and leaves nothing else', async () => {
    const { mock, open } = await startMockS3Place(LIMITED);
    const store = open();
    await put(store, 'a', BYTES);
    await store.describeObject(target('a'), { attributes: 'mine' });
    mock.requests.length = 0;
    await store.copyObject(target('a'), target('b'), 'signature', false);
    expect(mock.requests.filter((request) => request.startsWith('PUT partNumber'))).toHaveLength(11);
    expect((await content(store, target('b')))?.equals(BYTES)).toBe(true);
    expect(await store.statObject(target('b'))).toMatchObject({ attributes: 'mine', sizeBytes: BYTES.length });
    expect(keysOf(mock)).toEqual(['1/b/a', '1/b/b']);
    expect([...mock.uploads]).toEqual([]);
  });

  test('is there although the reply to its end was lost', async () => {
    const { mock, open } = await startMockS3Place(LIMITED);
    const store = open();
    await put(store, 'a', BYTES);
    mock.faults = [{ method: 'POST', has: 'uploadId', times: 1, losesAnswer: true }];
    await store.moveObject(target('a'), target('b'), 'signature', false);
    expect((await content(store, target('b')))?.equals(BYTES)).toBe(true);
    expect(keysOf(mock)).toEqual(['1/b/b']);
  });

  test('is dropped as a whole when a part fails', async () => {
    const { mock, open } = await startMockS3Place(LIMITED);
    const store = open();
    await put(store, 'a', BYTES);
    mock.faults = [{ method: 'PUT', has: 'partNumber', after: 3, answer: REFUSAL }];
    const copying = store.copyObject(target('a'), target('b'), 'signature', false);
    await expect(copying).rejects.toMatchObject({ code: REFUSAL.code });
    expect(keysOf(mock)).toEqual(['1/b/a']);
    expect([...mock.uploads]).toEqual([]);
  });

  test('is dropped when nothing of it is under way any more', async () => {
    const { mock, open } = await startMockS3Place(LIMITED);
    const store = open();
    await put(store, 'a', BYTES);
    mock.faults = [
      { method: 'PUT', has: 'partNumber', times: 1, answer: REFUSAL },
      { method: 'PUT', has: 'partNumber', delayMs: 50 },
    ];
    const dropped: number[] = [];
    mock.hold = (method, key) => {
      if (method === 'DELETE' && key === '1/b/b')
        dropped.push(...[...mock.uploads.values()].map(({ parts }) => parts.size));
      return undefined;
    };
    await expect(store.copyObject(target('a'), target('b'), 'signature', false)).rejects.toThrow();
    // Eight are under way at a time.
    expect(dropped).toEqual([7]);
  });

  // Both locks, two looks and the note come first.
  test.each([
    ['before it was told which upload is its own', 6],
    ['later', 12],
  ])(
    'whose server died %s is cleared away a day later, and nothing of an upload to the same path',
    async (_, requests) => {
      const { mock, open } = await startMockS3Place(LIMITED);
      const other = open();
      await put(other, 'a', BYTES);
      const died = new Promise<void>((resolve) => {
        mock.dying = { accessKeyId: 'DYING', requests, onDeath: resolve };
      });
      open('DYING')
        .copyObject(target('a'), target('b'), 'signature', false)
        .catch(() => {});
      await died;
      expect([...mock.uploads.values()].map(({ key }) => key)).toEqual(['1/b/b']);
      mock.aheadMs = DAY_MS - 3600_000;
      const { session } = await other.createSession(
        init({ target: target('b'), sizeBytes: BYTES.length, sliceSizeBytes: BYTES.length }),
      );
      await putSlice(session, 0, BYTES);
      mock.aheadMs = DAY_MS + 60_000;
      await other.tidy?.();
      expect([...mock.uploads.values()].map(({ parts }) => parts.size)).toEqual([1]);
      expect(keysOf(mock).filter((key) => key.includes('/copies/'))).toEqual([]);
      await session.complete({});
      expect((await content(other, target('b')))?.equals(BYTES)).toBe(true);
    },
  );

  test('is cleared away a day after its server has died, and no other upload with it', async () => {
    const { mock, open } = await startMockS3Place(LIMITED);
    const dying = open('DYING');
    await put(dying, 'a', BYTES);
    const other = open();
    await other.createSession({
      target: target('c'),
      sizeBytes: 10,
      sliceSizeBytes: 10,
      overwrite: false,
      createdAtMs: 0,
    });
    const died = new Promise<void>((resolve) => {
      // Both locks, two looks, the note, the beginning, and some parts.
      mock.dying = { accessKeyId: 'DYING', requests: 12, onDeath: resolve };
    });
    dying.copyObject(target('a'), target('b'), 'signature', false).catch(() => {});
    await died;
    expect([...mock.uploads.values()].map(({ key }) => key)).toEqual(['1/b/c', '1/b/b']);
    await other.tidy?.();
    expect(mock.uploads.size).toBe(2);
    mock.aheadMs = DAY_MS + 60_000;
    await other.tidy?.();
    expect([...mock.uploads.values()].map(({ key }) => key)).toEqual(['1/b/c']);
    expect(keysOf(mock).filter((key) => /copies|locks/.test(key))).toEqual([]);
  });
});

test('a bucket that is mapped has its objects where they have always been, and the server its own things at home', async () => {
  const { mock, open } = await startMockS3Place({
    ...LIMITED,
    prefix: 'home',
    mapping: { '1/b': { bucket: 'old', prefix: 'films' } },
  });
  const store = open();
  const created = await store.createSession({
    target: target('dir/b'),
    sizeBytes: 3,
    sliceSizeBytes: 3,
    overwrite: false,
    createdAtMs: 0,
  });
  await put(store, 'dir/a', BYTES);
  expect(keysOf(mock)).toEqual(['films/dir/a', expect.stringMatching(/^home\/\.cos-slice\/sessions\//)]);
  const list = await store.directories.list(target('dir'), { prefix: '', order: 'ascending', limit: 10 });
  expect(list?.entries.map(({ name }) => name)).toEqual(['a']);
  await created.session.discard();
  expect(keysOf(mock)).toEqual(['films/dir/a']);
});

test('what a server that died has left of a moved directory is moved by another, and can be sent at once from there', async () => {
  const { mock, open } = await startMockS3Place({ maxCopyBytes: 1_000_000 });
  const dying = open('DYING');
  const names = Array.from({ length: 40 }, (_, index) => `x${index}`);
  for (const name of names) await put(dying, `from/deep/${name}`, Buffer.from(name), false, 'f'.repeat(40));
  await dying.directories.create(target('from'), { attributes: 'mine' });
  const died = new Promise<void>((resolve) => {
    mock.dying = { accessKeyId: 'DYING', requests: 150, onDeath: resolve };
  });
  dying.directories.move(target('from'), target('to'), 'signature').catch(() => {});
  await died;
  const movedOf = () => keysOf(mock).filter((key) => key.startsWith('1/b/to/deep/')).length;
  expect(movedOf()).toBeGreaterThan(0);
  expect(movedOf()).toBeLessThan(names.length);
  const other = open();
  mock.aheadMs = 11 * 60_000;
  await other.tidy?.();
  for (const name of names) expect(String(await content(other, target(`to/deep/${name}`)))).toBe(name);
  expect(await other.directories.stat(target('from'))).toBeUndefined();
  expect(await other.directories.stat(target('to'))).toMatchObject({ attributes: 'mine', isCreated: true });
  const notes = keysOf(mock).filter((key) => key.startsWith('.cos-slice/'));
  // The locks are anybody's by now, and go when they are old.
  expect(notes.filter((key) => !key.includes('/locks/'))).toEqual([expect.stringContaining('/known/')]);
  const [note] = notes.filter((key) => key.includes('/known/'));
  expect(String(mock.objects.get(note ?? '')?.bytes)).toContain('"to/deep/');
});
