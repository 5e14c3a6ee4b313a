import { describe, expect, test } from 'vitest';
import type { Session, Store, Target } from '../store/store.ts';
import { sha1 } from './content.ts';
import { describeObjects } from './store-objects-contract.ts';
import { content, put, type StorePlace, target } from './store-place.ts';
import {
  BYTES,
  expectGone,
  FILE_BYTES,
  init,
  NOW_MS,
  OTHER,
  putSlice,
  SLICE_BYTES,
  sliceBytes,
  storedOf,
} from './store-session.ts';
import { describeSlices } from './store-slices-contract.ts';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What every {@link Store} must do. `createPlace` is called once per test. */
export function describeStore(name: string, createPlace: () => Promise<StorePlace>): void {
  describe(name, () => {
    const setUp = async () => {
      const place = await createPlace();
      return { place, store: place.open() };
    };

    describe('sessions', () => {
      test('are found by id and by target until they end', async () => {
        const { store } = await setUp();
        const { created, session } = await store.createSession(init({ sha: 'ab'.repeat(20) }));
        expect(created).toBe(true);
        expect(session).toMatchObject({ target: target(), sizeBytes: FILE_BYTES, sliceCount: 4, sha: 'ab'.repeat(20) });
        expect(await session.snapshot()).toMatchObject({ storedCount: 0, firstMissing: 0, lastActiveMs: NOW_MS });
        expect((await store.getSession(session.id))?.id).toBe(session.id);
        expect((await store.findSession(target()))?.id).toBe(session.id);
        for (const id of [
          `${session.id.slice(0, -1)}_`,
          session.id.slice(0, -1),
          '',
          '../../etc/passwd',
          'x'.repeat(9999),
        ]) {
          expect(await store.getSession(id)).toBeUndefined();
        }
        expect(await store.findSession(target('dir'))).toBeUndefined();
        await session.discard();
        await session.discard();
        const left = await store.getSession(session.id);
        if (left) await expectGone(left);
        expect(await store.findSession(target())).toBeUndefined();
        await expectGone(session);
      });

      test('have ids of which nobody can guess the next', async () => {
        const { store } = await setUp();
        const ids = new Set<string>();
        for (let round = 0; round < 20; round++) {
          const { session } = await store.createSession(init());
          ids.add(session.id);
          await session.discard();
        }
        expect(ids.size).toBe(20);
        for (const id of ids) expect(id).toMatch(/^[\w.-]{32,1024}$/);
      });

      test('go on under the terms of whoever goes on with them, across a restart', async () => {
        const { place, store } = await setUp();
        await put(store, 'dir/file.bin', Buffer.from('older'));
        const { session } = await store.createSession(init({ sizeBytes: SLICE_BYTES, overwrite: true }));
        await putSlice(session, 0);
        await session.setTerms({ overwrite: false, attributes: 'new' });
        const again = (await place.open().findSession(target())) as Session;
        expect((await again.snapshot()).storedCount).toBe(1);
        await expect(again.complete({})).rejects.toMatchObject({ problem: 'exists' });
        await again.setTerms({ overwrite: true, attributes: 'newer' });
        expect((await session.complete({})).attributes).toBe('newer');
        expect((await content(store))?.equals(sliceBytes(0))).toBe(true);
      });

      test('are one per target, even when asked for at once', async () => {
        const { place, store } = await setUp();
        const stores = [store, store, place.open()];
        const results = await Promise.all(stores.map((one) => one.createSession(init())));
        expect(results.filter(({ created }) => created)).toHaveLength(1);
        expect(new Set(results.map(({ session }) => session.id)).size).toBe(1);
        expect((await collect(store.sessions())).map(({ id }) => id)).toEqual([results[0]?.session.id]);
      });

      test('are all looked through, whoever made them', async () => {
        const { place, store } = await setUp();
        const other = place.open();
        for (const [index, one] of [store, other, store, other].entries()) {
          await one.createSession(init({ target: target(`f${index}`) }));
        }
        const paths = (await collect(store.sessions())).map((session) => session.target.path);
        expect(paths.sort()).toEqual(['f0', 'f1', 'f2', 'f3']);
      });

      test('are active when a slice is stored', async () => {
        const { store } = await setUp();
        const createdAtMs = Date.now() - 3_600_000;
        const { session } = await store.createSession(init({ createdAtMs }));
        expect((await session.snapshot()).lastActiveMs).toBe(createdAtMs);
        await putSlice(session, 1, sliceBytes(1), { atMs: Date.now() });
        expect((await session.snapshot()).lastActiveMs).toBeGreaterThan(createdAtMs + 3_000_000);
      });

      test('remember stored slices across a restart', async () => {
        const { place, store } = await setUp();
        const { session } = await store.createSession(init());
        await Promise.all([3, 0].map((index) => putSlice(session, index, sliceBytes(index), { atMs: NOW_MS + index })));
        const again = (await place.open().findSession(target())) as Session;
        expect(again.id).toBe(session.id);
        expect(await storedOf(again)).toBe('03');
        const snapshot = await again.snapshot();
        expect(snapshot).toMatchObject({ storedCount: 2, firstMissing: 1 });
        if (!place.hasClock) expect(snapshot.lastActiveMs).toBe(NOW_MS + 3);
      });
    });

    describeSlices(setUp);

    describe('completing a session', () => {
      test('checks a SHA-1 that comes late, where that can be', async ({ skip }) => {
        const { store } = await setUp();
        skip(store.limits.checksLateSha === false);
        const { session } = await store.createSession(init());
        for (const index of [0, 1, 2, 3]) await putSlice(session, index);
        await expect(session.complete({ sha: sha1(OTHER) })).rejects.toMatchObject({ problem: 'mismatch' });
        expect(await session.complete({ sha: sha1(BYTES) })).toMatchObject({ sha: sha1(BYTES) });
      });

      test('needs no SHA-1', async () => {
        const { place, store } = await setUp();
        const { session } = await store.createSession(init({ attributes: 'x' }));
        for (const index of [0, 1, 2, 3]) await putSlice(session, index);
        const info = await session.complete({});
        expect(info).toMatchObject({ sizeBytes: FILE_BYTES, session: session.id, attributes: 'x' });
        expect((await content(store))?.equals(BYTES)).toBe(true);
        expect(await place.open().statObject(target())).toEqual(info);
        await expectGone(session);
      });

      test('takes over who may read the object that it replaces', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init({ sizeBytes: SLICE_BYTES, overwrite: true }));
        await putSlice(session, 0);
        await put(store, 'dir/file.bin', Buffer.from('older'));
        await store.describeObject(target(), { authority: 'eWRPrivate' });
        expect(await session.complete({})).toMatchObject({ authority: 'eWRPrivate', session: session.id });
        expect(await store.statObject(target())).toMatchObject({ authority: 'eWRPrivate', sizeBytes: SLICE_BYTES });
        expect((await content(store))?.equals(sliceBytes(0))).toBe(true);
      });

      test('makes the object and ends the session', async () => {
        const { place, store } = await setUp();
        const { session } = await store.createSession(init({ attributes: 'x', sha: sha1(BYTES) }));
        for (const index of [0, 1, 2, 3]) await putSlice(session, index);
        const info = await session.complete({ sha: sha1(BYTES) });
        expect(info).toMatchObject({ sizeBytes: FILE_BYTES, sha: sha1(BYTES), session: session.id, attributes: 'x' });
        expect((await content(store))?.equals(BYTES)).toBe(true);
        expect(await store.findSession(target())).toBeUndefined();
        expect(await place.open().statObject(target())).toEqual(info);
        await expectGone(session);
      });

      test('is refused while slices are missing, and when the file has another SHA-1', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init({ sha: sha1(BYTES) }));
        for (const index of [0, 1, 3]) await putSlice(session, index);
        await expect(session.complete({})).rejects.toMatchObject({ problem: 'incomplete' });
        await putSlice(session, 2);
        await expect(session.complete({ sha: sha1(OTHER) })).rejects.toMatchObject({ problem: 'mismatch' });
        expect(await store.statObject(target())).toBeUndefined();
        expect((await store.findSession(target()))?.id).toBe(session.id);
        await session.complete({ sha: sha1(BYTES) });
      });

      test('leaves an object alone that came meanwhile, and the session too', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init({ sizeBytes: 0 }));
        await put(store, 'dir/file.bin', Buffer.from('first'));
        await expect(session.complete({})).rejects.toMatchObject({ problem: 'exists' });
        expect((await content(store))?.toString()).toBe('first');
        expect((await store.findSession(target()))?.id).toBe(session.id);
      });

      test('lets one of several win', async () => {
        const { place, store } = await setUp();
        const { session } = await store.createSession(init({ sizeBytes: 0 }));
        const other = (await place.open().findSession(target())) as Session;
        const results = await Promise.allSettled([
          session.complete({}),
          other.complete({}),
          put(store, 'dir/file.bin', BYTES),
        ]);
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      });
    });

    describeObjects(setUp);

    describe('objects', () => {
      test('are put, replaced only where allowed, and deleted', async () => {
        const { store } = await setUp();
        await put(store, 'a/b', Buffer.from('one'), false, 'sha');
        await expect(put(store, 'a/b', Buffer.from('two'))).rejects.toMatchObject({ problem: 'exists' });
        const before = await store.statObject(target('a/b'));
        await put(store, 'a/b', Buffer.from('three'), true);
        const after = await store.statObject(target('a/b'));
        expect([before?.sha, after?.sha]).toEqual(['sha', undefined]);
        expect(after?.revision).not.toBe(before?.revision);
        expect((await content(store, target('a/b')))?.toString()).toBe('three');
        expect(await store.deleteObject(target('a/b'))).toBe(true);
        expect(await store.deleteObject(target('a/b'))).toBe(false);
        expect(await store.openObject(target('a/b'))).toBeUndefined();
      });

      test('may be empty', async () => {
        const { store } = await setUp();
        await put(store, 'empty', Buffer.alloc(0));
        expect((await content(store, target('empty')))?.length).toBe(0);
      });

      test('are read in ranges', async () => {
        const { store } = await setUp();
        await put(store, 'a', Buffer.from('0123456789'));
        const object = await store.openObject(target('a'));
        const chunks = object ? await collect(object.stream(3, 5) as AsyncIterable<Buffer>) : [];
        expect(Buffer.concat(chunks).toString()).toBe('345');
      });

      test('do not go where a directory is, nor below another object', async ({ skip }) => {
        const { place, store } = await setUp();
        skip(place.isFlat ?? false);
        await put(store, 'a/b/c', BYTES);
        for (const path of ['a', 'a/b', 'a/b/c/d', 'a/b/c/d/e']) {
          await expect(store.checkVacant(target(path), true)).rejects.toMatchObject({ problem: 'path-conflict' });
          await expect(put(store, path, BYTES, true)).rejects.toMatchObject({ problem: 'path-conflict' });
          expect(await store.statObject(target(path))).toBeUndefined();
        }
        await expect(store.checkVacant(target('a/b/c'), false)).rejects.toMatchObject({ problem: 'exists' });
        await store.checkVacant(target('a/b/c'), true);
        await store.checkVacant(target('a/x/y'), false);
      });

      test('lend known content to other paths of their bucket', async () => {
        const { place, store } = await setUp();
        const sha = sha1(BYTES);
        const known = { sha, sizeBytes: FILE_BYTES };
        const any = () => true;
        expect(await store.copyKnown(target('copy'), known, any, {}, false)).toBeUndefined();
        await put(store, 'source', BYTES, false, sha);
        expect(await store.copyKnown({ ...target('copy'), bucket: 'c' }, known, any, {}, false)).toBeUndefined();
        expect(await store.copyKnown(target('copy'), { sha, sizeBytes: 1 }, any, {}, false)).toBeUndefined();
        const asked: string[] = [];
        const none = (source: Target) => asked.push(source.path) === 0;
        expect(await store.copyKnown(target('copy'), known, none, {}, false)).toBeUndefined();
        expect([asked, await store.statObject(target('copy'))]).toEqual([['source'], undefined]);
        const reopened = place.open();
        expect(
          await reopened.copyKnown(target('copy'), known, any, { attributes: 'y', signedBy: 'z' }, false),
        ).toMatchObject({
          sha,
          attributes: 'y',
          signedBy: 'z',
        });
        expect((await content(reopened, target('copy')))?.equals(BYTES)).toBe(true);
        await expect(reopened.copyKnown(target('copy'), known, any, {}, false)).rejects.toMatchObject({
          problem: 'exists',
        });
        await put(reopened, 'source', Buffer.from('changed'), true);
        await reopened.deleteObject(target('source'));
        expect((await content(reopened, target('copy')))?.equals(BYTES)).toBe(true);
      });
    });
  });
}
