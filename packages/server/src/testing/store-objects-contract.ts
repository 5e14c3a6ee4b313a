import { describe, expect, test } from 'vitest';
import { type Entry, keyOf, type ListRequest } from '../store/directory-store.ts';
import type { Store, Target } from '../store/store.ts';
import { content, put, type StorePlace, target } from './store-place.ts';

const ALL: ListRequest = { prefix: '', order: 'ascending', limit: 1000 };

async function keysIn(store: Store, path: string, request: Partial<ListRequest> = {}): Promise<string[] | undefined> {
  const page = await store.directories.list(target(path), { ...ALL, ...request });
  return page?.entries.map(keyOf);
}

/** Reads a directory page by page; `between` runs after each. */
async function readOn(
  store: Store,
  at: Target,
  request: ListRequest,
  between: (page: readonly Entry[]) => Promise<unknown> = async () => {},
): Promise<string[]> {
  const keys: string[] = [];
  for (let after = request.after; ; after = keys.at(-1)) {
    const page = await store.directories.list(at, { ...request, after });
    expect(page?.entries.length).toBeLessThanOrEqual(request.limit);
    keys.push(...(page?.entries.map(keyOf) ?? []));
    if (!page?.hasMore) return keys;
    await between(page.entries);
  }
}

/** What every store does with whole objects and with directories. */
export function describeObjects(setUp: () => Promise<{ place: StorePlace; store: Store }>): void {
  describe('what is said of objects', () => {
    test('changes bit by bit, and lasts', async () => {
      const { place, store } = await setUp();
      await put(store, 'dir/a', Buffer.from('x'), false, 'sha');
      const before = await store.statObject(target('dir/a'));
      await store.describeObject(target('dir/a'), { attributes: 'one', authority: 'eWRPrivate' });
      const headers = { 'Cache-Control': 'no-store', 'x-cos-meta-k': 'v 中' };
      await store.describeObject(target('dir/a'), { headers });
      const told = await place.open().describeObject(target('dir/a'), { attributes: undefined });
      const after = await place.open().statObject(target('dir/a'));
      expect(after).toEqual({ ...before, attributes: undefined, authority: 'eWRPrivate', headers });
      expect(told).toMatchObject({ authority: 'eWRPrivate', headers });
      expect((await content(store, target('dir/a')))?.toString()).toBe('x');
      expect(await store.describeObject(target('dir/b'), { attributes: 'x' })).toBeUndefined();
      expect(await store.describeObject(target('dir'), { attributes: 'x' })).toBeUndefined();
    });

    test('ends with them, but who may read them stays until somebody says otherwise', async () => {
      const { store } = await setUp();
      await put(store, 'a', Buffer.from('old'));
      await store.describeObject(target('a'), { attributes: 'x', authority: 'eWRPrivate', headers: {} });
      await put(store, 'a', Buffer.from('new'), true);
      const info = await store.statObject(target('a'));
      expect([info?.attributes, info?.headers, info?.authority]).toEqual([undefined, undefined, 'eWRPrivate']);
      await store.deleteObject(target('a'));
      await put(store, 'a', Buffer.from('another'));
      expect((await store.statObject(target('a')))?.authority).toBeUndefined();
    });
  });

  describe.each(['copyObject', 'moveObject'] as const)('%s', (name) => {
    test('takes along the content and what is said of it', async () => {
      const { place, store } = await setUp();
      await put(store, 'from/a', Buffer.from('content'), false, 'sha');
      await store.describeObject(target('from/a'), {
        attributes: 'x',
        authority: 'eWPrivateRPublic',
        headers: { 'x-cos-meta-a': 'b' },
      });
      const before = await store.statObject(target('from/a'));
      const info = await store[name](target('from/a'), target('to/b/c'), 'me', false);
      expect(info).toMatchObject({
        sizeBytes: 7,
        attributes: 'x',
        authority: 'eWPrivateRPublic',
        headers: { 'x-cos-meta-a': 'b' },
        sha: 'sha',
        signedBy: 'me',
        origin: { path: 'from/a', revision: before?.revision },
      });
      expect(await place.open().statObject(target('to/b/c'))).toEqual(info);
      expect((await content(store, target('to/b/c')))?.toString()).toBe('content');
      expect((await content(store, target('from/a')))?.toString()).toBe(name === 'copyObject' ? 'content' : undefined);
      await store.deleteObject(target('from/a'));
      expect((await content(store, target('to/b/c')))?.toString()).toBe('content');
    });

    test('replaces only where allowed, and leaves both alone otherwise', async () => {
      const { store } = await setUp();
      await put(store, 'a', Buffer.from('one'));
      await put(store, 'b', Buffer.from('two'));
      await expect(store[name](target('a'), target('b'), 'me', false)).rejects.toMatchObject({ problem: 'exists' });
      const contents = async () => [await content(store, target('a')), await content(store, target('b'))].map(String);
      expect(await contents()).toEqual(['one', 'two']);
      await store[name](target('a'), target('b'), 'me', true);
      expect(await contents()).toEqual([name === 'copyObject' ? 'one' : 'undefined', 'one']);
    });

    test('finds nothing where nothing is', async () => {
      const { store } = await setUp();
      await put(store, 'dir/a', Buffer.from('one'));
      for (const path of ['b', 'dir', 'dir/a/b']) {
        expect(await store[name](target(path), target('c'), 'me', true)).toBeUndefined();
      }
      expect(await keysIn(store, '')).toEqual(['dir/']);
    });
  });

  test('a move that many ask for at once happens once', async () => {
    const { place, store } = await setUp();
    await put(store, 'a', Buffer.from('one'));
    const stores = [store, store, place.open()];
    const moves = await Promise.allSettled(
      stores.map((one, i) => one.moveObject(target('a'), target(`b${i % 2}`), 'me', false)),
    );
    expect(moves.some(({ status }) => status === 'fulfilled')).toBe(true);
    const left = (await Promise.all(['a', 'b0', 'b1'].map((path) => content(store, target(path))))).map(String);
    expect(left.filter((text) => text === 'one').length).toBeGreaterThan(0);
    expect(left[0]).toBe('undefined');
  });

  describe('directories', () => {
    test('are there once they are created, or while something is in them', async () => {
      const { place, store } = await setUp();
      const { directories } = store;
      for (const path of ['made', 'a/b', 'a']) expect(await directories.stat(target(path))).toBeUndefined();
      await directories.create(target('made/within'), { attributes: 'x', signedBy: 'me' });
      await put(store, 'a/b/c', Buffer.from('x'));
      expect(await place.open().directories.stat(target('made/within'))).toMatchObject({
        isCreated: true,
        attributes: 'x',
        signedBy: 'me',
        modifiedAtMs: expect.any(Number),
      });
      for (const path of ['made', 'a/b', 'a']) {
        expect(await directories.stat(target(path))).toMatchObject({ isCreated: false });
      }
      expect(await directories.stat(target('a/b/c'))).toBeUndefined();
    });

    test('that were created stay when they are empty, and others go', async () => {
      const { store } = await setUp();
      await store.directories.create(target('a/kept'), {});
      for (const path of ['a/kept/x/y', 'b/x/y']) {
        await put(store, path, Buffer.from('x'));
        await store.deleteObject(target(path));
      }
      expect(await keysIn(store, '')).toEqual(['a/']);
      expect(await keysIn(store, 'a')).toEqual(['kept/']);
      expect(await keysIn(store, 'a/kept')).toEqual([]);
    });

    test('can be created where something is in them already, and only once', async () => {
      const { store } = await setUp();
      await put(store, 'a/b', Buffer.from('x'));
      await store.directories.create(target('a'), {});
      await expect(store.directories.create(target('a'), {})).rejects.toMatchObject({ problem: 'exists' });
      await store.deleteObject(target('a/b'));
      expect(await keysIn(store, '')).toEqual(['a/']);
    });

    test('are told of anew', async () => {
      const { place, store } = await setUp();
      await store.directories.create(target('a'), { attributes: 'x' });
      await put(store, 'b/c', Buffer.from('x'));
      for (const path of ['a', 'b']) expect(await store.directories.describe(target(path), `of ${path}`)).toBe(true);
      for (const path of ['a', 'b']) {
        expect(await place.open().directories.stat(target(path))).toMatchObject({ attributes: `of ${path}` });
      }
      expect(await store.directories.describe(target('c'), 'x')).toBe(false);
    });

    test('are deleted when they are empty', async () => {
      const { store } = await setUp();
      const { directories } = store;
      await directories.create(target('a/b'), {});
      await put(store, 'a/b/c', Buffer.from('x'));
      for (const path of ['a', 'a/b']) {
        await expect(directories.delete(target(path))).rejects.toMatchObject({ problem: 'not-empty' });
      }
      expect((await content(store, target('a/b/c')))?.toString()).toBe('x');
      await store.deleteObject(target('a/b/c'));
      expect(await directories.delete(target('a/b'))).toBe(true);
      expect(await directories.delete(target('a/b'))).toBe(false);
      expect(await directories.stat(target('a'))).toBeUndefined();
      // Nothing of it is left to be taken for the next one.
      await put(store, 'a/b/c', Buffer.from('x'));
      expect(await directories.stat(target('a/b'))).toMatchObject({ isCreated: false });
    });

    test('are moved with everything in them', async () => {
      const { place, store } = await setUp();
      const { directories } = store;
      await directories.create(target('a'), { attributes: 'of a' });
      await directories.create(target('a/empty'), { attributes: 'of empty' });
      for (const path of ['a/x', 'a/deep/er/y', 'ab']) {
        await put(store, path, Buffer.from(path), false, `sha of ${path}`);
        await store.describeObject(target(path), { headers: { 'x-cos-meta-of': path } });
      }
      expect(await directories.move(target('a'), target('new/place'), 'me')).toBe(true);
      const there = place.open();
      expect(await there.directories.stat(target('new/place'))).toMatchObject({
        attributes: 'of a',
        signedBy: 'me',
        origin: { path: 'a' },
      });
      expect(await keysIn(there, 'new/place')).toEqual(['deep/', 'empty/', 'x']);
      expect(await there.directories.stat(target('new/place/empty'))).toMatchObject({ attributes: 'of empty' });
      for (const path of ['x', 'deep/er/y']) {
        expect((await content(there, target(`new/place/${path}`)))?.toString()).toBe(`a/${path}`);
        expect(await there.statObject(target(`new/place/${path}`))).toMatchObject({
          sha: `sha of a/${path}`,
          headers: { 'x-cos-meta-of': `a/${path}` },
        });
      }
      expect(await keysIn(there, '')).toEqual(['ab', 'new/']);
      expect(await directories.move(target('a'), target('b'), 'me')).toBe(false);
      // Whatever comes to the old paths is new.
      await put(store, 'a/x', Buffer.from('other'));
      expect((await store.statObject(target('a/x')))?.headers).toBeUndefined();
    });

    test('are not moved to where something is', async () => {
      const { store } = await setUp();
      for (const path of ['a/x', 'b/y', 'c']) await put(store, path, Buffer.from(path));
      await store.directories.create(target('empty'), {});
      for (const path of ['b', 'c', 'empty']) {
        const moving = store.directories.move(target('a'), target(path), 'me');
        await expect(moving).rejects.toMatchObject({ problem: 'path-conflict' });
      }
      expect(await keysIn(store, '')).toEqual(['a/', 'b/', 'c', 'empty/']);
      expect(await keysIn(store, 'a')).toEqual(['x']);
    });

    test('are not created over an object', async ({ skip }) => {
      const { place, store } = await setUp();
      skip(place.isFlat ?? false);
      await put(store, 'a', Buffer.from('x'));
      for (const path of ['a', 'a/b']) {
        const creating = store.directories.create(target(path), {});
        await expect(creating).rejects.toMatchObject({ problem: 'path-conflict' });
      }
      await store.deleteObject(target('a'));
      expect(await store.directories.stat(target('a'))).toBeUndefined();
    });
  });

  describe('lists', () => {
    const NAMES = ['B', 'a', 'a b', 'a-', 'a0', 'ab', '\u{1f600}', '\uffee', '中', 'é'];

    test('are in the order of bytes, directories with their slash', async () => {
      const { store } = await setUp();
      for (const name of NAMES) await put(store, `dir/${name}`, Buffer.from(name));
      for (const name of ['a!', 'z']) await put(store, `dir/${name}/inner`, Buffer.from('x'));
      await store.directories.create(target('dir/made'), { attributes: 'x' });
      const expected = [...NAMES, 'a!/', 'z/', 'made/'].sort((one, other) =>
        Buffer.compare(Buffer.from(one), Buffer.from(other)),
      );
      expect(await keysIn(store, 'dir')).toEqual(expected);
      expect(await keysIn(store, 'dir', { order: 'descending' })).toEqual([...expected].reverse());
      expect(await keysIn(store, 'dir', { prefix: 'a' })).toEqual(expected.filter((key) => key.startsWith('a')));
      expect(await keysIn(store, 'dir', { prefix: '中' })).toEqual(['中']);
      expect(await keysIn(store, 'dir', { prefix: 'nothing' })).toEqual([]);
      expect(await keysIn(store, 'dir', { kind: 'directory' })).toEqual(['a!/', 'made/', 'z/']);
      expect(await keysIn(store, 'dir', { kind: 'object', prefix: 'a' })).toEqual(['a', 'a b', 'a-', 'a0', 'ab']);
      const page = await store.directories.list(target('dir'), { ...ALL, limit: 2 });
      expect(page).toMatchObject({ hasMore: true, counts: { directories: 3, objects: NAMES.length } });
      for (const order of ['ascending', 'descending'] as const) {
        for (const limit of [1, 3, 13, 14]) {
          const keys = await readOn(store, target('dir'), { ...ALL, order, limit });
          expect(keys).toEqual(order === 'ascending' ? expected : [...expected].reverse());
        }
      }
    });

    test('tell of each entry what a look at it would', async () => {
      const { store } = await setUp();
      await put(store, 'dir/a', Buffer.from('x'), false, 'sha');
      await store.describeObject(target('dir/a'), { attributes: 'y' });
      await store.directories.create(target('dir/b'), { attributes: 'z' });
      expect((await store.directories.list(target('dir'), ALL))?.entries).toEqual([
        { kind: 'object', name: 'a', info: await store.statObject(target('dir/a')) },
        { kind: 'directory', name: 'b', info: await store.directories.stat(target('dir/b')) },
      ]);
    });

    test('are of directories and of nothing else', async () => {
      const { store } = await setUp();
      await put(store, 'a', Buffer.from('x'));
      for (const path of ['a', 'b', 'a/b']) expect(await keysIn(store, path)).toBeUndefined();
      expect(await keysIn(store, '')).toEqual(['a']);
    });

    test('see at once what has come and gone, whoever did it', async () => {
      const { place, store } = await setUp();
      const other = place.open();
      await put(store, 'dir/a', Buffer.from('x'));
      for (let round = 0; round < 10; round++) {
        await put(other, `dir/b${round}`, Buffer.from('x'));
        expect(await keysIn(store, 'dir')).toEqual(['a', `b${round}`]);
        await other.deleteObject(target(`dir/b${round}`));
        expect(await keysIn(store, 'dir')).toEqual(['a']);
      }
    });

    test.each(['ascending', 'descending'] as const)(
      'read on in %s order have once whatever stays, while others come and go',
      async (order) => {
        const { place, store } = await setUp();
        const names = Array.from({ length: 60 }, (_, i) => `f${String(i).padStart(2, '0')}`);
        for (const name of names) await put(store, `dir/${name}`, Buffer.from('x'));
        const staying = names.filter((_, i) => i % 3 !== 0);
        const going = names.filter((_, i) => i % 3 === 0);
        let turn = 0;
        const keys = await readOn(store, target('dir'), { ...ALL, order, limit: 7 }, async (page) => {
          turn++;
          const last = page.at(-1)?.name as string;
          // The very one that the next page begins behind, others before and after it, and new ones all over.
          await place.open().deleteObject(target(`dir/${last}`));
          if (staying.includes(last)) staying.splice(staying.indexOf(last), 1);
          await store.deleteObject(target(`dir/${going.pop()}`));
          await store.deleteObject(target(`dir/${going.shift()}`));
          for (const name of ['e', 'f30-', 'g']) await put(store, `dir/${name}${turn}`, Buffer.from('x'));
        });
        expect(new Set(keys).size).toBe(keys.length);
        const expected = order === 'ascending' ? staying : staying.reverse();
        expect(keys.filter((key) => expected.includes(key))).toEqual(expected);
      },
    );
  });
}
