import { readSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Checkpoints, Session, SessionInit, SliceWriter, Store, Target } from '../store/store.ts';
import { patternBytes, sha1 } from './content.ts';

const SLICE_BYTES = 65536;
const FILE_BYTES = 3 * SLICE_BYTES + 100;
const BYTES = patternBytes(0, FILE_BYTES);
const NOW_MS = 1_800_000_000_000;

const target = (path = 'dir/file.bin'): Target => ({ appId: '1', bucket: 'b', path });
const init = (parts: Partial<SessionInit> = {}): SessionInit => ({
  target: target(),
  sizeBytes: FILE_BYTES,
  sliceSizeBytes: SLICE_BYTES,
  overwrite: false,
  createdAtMs: NOW_MS,
  ...parts,
});
const sliceBytes = (index: number, bytes = BYTES) => bytes.subarray(index * SLICE_BYTES, (index + 1) * SLICE_BYTES);

async function putSlice(session: Session, index: number, bytes = sliceBytes(index), verified = false): Promise<void> {
  const writer = await session.openSlice(index);
  await writer.write(bytes);
  await writer.commit({ verified, atMs: NOW_MS + index });
}

async function readBack(writer: SliceWriter): Promise<Buffer> {
  const { fd, startBytes, endBytes } = await writer.written();
  const bytes = Buffer.alloc(endBytes - startBytes);
  readSync(fd, bytes, 0, bytes.length, startBytes);
  return bytes;
}

async function put(store: Store, path: string, bytes: Uint8Array, overwrite = false, sha?: string): Promise<void> {
  const spool = await store.createSpool();
  await spool.write(bytes);
  await store.putObject(target(path), spool, { sha }, overwrite);
}

async function content(store: Store, at: Target = target()): Promise<Buffer | undefined> {
  const object = await store.openObject(at);
  if (!object) return undefined;
  if (object.info.sizeBytes === 0) {
    await object.close();
    return Buffer.alloc(0);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of object.stream(0, object.info.sizeBytes - 1)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** A place that keeps what stores put there. */
export interface StorePlace {
  /** Opens the place's store; more than once stands for a process that ended without closing it. */
  open(): Store;
}

/** What every {@link Store} must do. `createPlace` is called once per test. */
export function describeStore(name: string, createPlace: () => Promise<StorePlace>): void {
  describe(name, () => {
    const setUp = async () => {
      const place = await createPlace();
      return { place, store: place.open() };
    };

    describe('sessions', () => {
      it('are found by id and by target until they end', async () => {
        const { store } = await setUp();
        const { created, session } = await store.createSession(init({ sha: 'ab'.repeat(20), attributes: 'x' }));
        expect(created).toBe(true);
        expect(session).toMatchObject({ sizeBytes: FILE_BYTES, sliceCount: 4, storedCount: 0, attributes: 'x' });
        expect((await store.getSession(session.id))?.id).toBe(session.id);
        expect((await store.findSession(target()))?.id).toBe(session.id);
        expect(await store.getSession(`${session.id.slice(0, -1)}_`)).toBeUndefined();
        expect(await store.getSession('../../etc/passwd')).toBeUndefined();
        expect(await store.findSession(target('dir'))).toBeUndefined();
        await session.discard();
        await session.discard();
        expect(await store.getSession(session.id)).toBeUndefined();
        expect(await store.findSession(target())).toBeUndefined();
        await expect(
          session.openSlice(0).then((writer) => writer.commit({ verified: false, atMs: 0 })),
        ).rejects.toMatchObject({
          problem: 'gone',
        });
      });

      it('go on under the terms of whoever goes on with them, across a restart', async () => {
        const { place, store } = await setUp();
        await put(store, 'dir/file.bin', Buffer.from('older'));
        const { session } = await store.createSession(init({ sizeBytes: SLICE_BYTES, overwrite: true }));
        await putSlice(session, 0);
        await session.setTerms({ overwrite: false, attributes: 'new' });
        const again = (await place.open().findSession(target())) as Session;
        expect(again).toMatchObject({ overwrite: false, attributes: 'new', storedCount: 1 });
        await expect(again.complete({})).rejects.toMatchObject({ problem: 'exists' });
        await again.setTerms({ overwrite: true, attributes: undefined });
        await again.complete({});
        expect((await content(store))?.equals(sliceBytes(0))).toBe(true);
      });

      it('are one per target, even when asked for at once', async () => {
        const { store } = await setUp();
        const results = await Promise.all([1, 2, 3].map(() => store.createSession(init())));
        expect(results.filter(({ created }) => created)).toHaveLength(1);
        expect(new Set(results.map(({ session }) => session.id)).size).toBe(1);
        expect((await collect(store.sessions())).map(({ id }) => id)).toEqual([results[0]?.session.id]);
      });

      it('remember stored slices, marks and checkpoints across a restart', async () => {
        const { place, store } = await setUp();
        const checkpoints: Checkpoints = { stepBytes: SLICE_BYTES, states: patternBytes(0, 60) };
        const { session } = await store.createSession(init(), checkpoints);
        await Promise.all([putSlice(session, 3), putSlice(session, 0, sliceBytes(0), true)]);
        const again = (await place.open().findSession(target())) as Session;
        expect([0, 1, 2, 3].map((index) => again.isStored(index))).toEqual([true, false, false, true]);
        expect(again).toMatchObject({ id: session.id, storedCount: 2, verifiedCount: 1, lastActiveMs: NOW_MS + 3 });
        expect(again.firstMissing()).toBe(1);
        expect(Buffer.from((await again.checkpoints())?.states ?? [])).toEqual(checkpoints.states);
        expect((await again.checkpoints())?.stepBytes).toBe(SLICE_BYTES);
      });
    });

    describe('slices', () => {
      it('that another writer stored do not count as those that were looked at', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init({ sizeBytes: SLICE_BYTES }));
        const [direct, aside] = [await session.openSlice(0), await session.openSlice(0)];
        for (const writer of [direct, aside]) {
          await writer.write(Buffer.alloc(SLICE_BYTES, 1));
          await writer.written();
        }
        await putSlice(session, 0);
        for (const [writer, problem] of [
          [direct, 'busy'],
          [aside, 'differs'],
        ] as const) {
          await expect(writer.commit({ verified: true, atMs: NOW_MS })).rejects.toMatchObject({ problem });
          await writer.abort();
        }
        expect(Buffer.concat(await collect(session.read())).equals(sliceBytes(0))).toBe(true);
      });

      it('come in any order and in any pieces', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init());
        await Promise.all(
          [2, 0, 3, 1].map(async (index) => {
            const writer = await session.openSlice(index);
            const bytes = sliceBytes(index);
            for (let at = 0; at < bytes.length; at += 7777) await writer.write(bytes.subarray(at, at + 7777));
            await writer.commit({ verified: true, atMs: NOW_MS });
          }),
        );
        expect(session).toMatchObject({ storedCount: 4, verifiedCount: 4 });
        expect(Buffer.concat(await collect(session.read())).equals(BYTES)).toBe(true);
      });

      it('are not stored by a writer that stops half way', async () => {
        const { place, store } = await setUp();
        const { session } = await store.createSession(init());
        const writer = await session.openSlice(0);
        await writer.write(sliceBytes(1).subarray(0, 1000));
        await writer.abort();
        await writer.abort();
        expect(session.isStored(0)).toBe(false);
        expect((await place.open().findSession(target()))?.storedCount).toBe(0);
        await putSlice(session, 0);
        expect(session.isStored(0)).toBe(true);
      });

      it('can be read back before they are stored', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init());
        for (const writer of [await session.openSlice(1), await session.openSlice(1)]) {
          await writer.write(sliceBytes(1));
          expect((await readBack(writer)).equals(sliceBytes(1))).toBe(true);
          await writer.abort();
        }
      });

      it('are never written again once stored', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init({ sizeBytes: SLICE_BYTES }));
        const late = await session.openSlice(0);
        const later = await session.openSlice(0);
        await putSlice(session, 0);
        const other = Buffer.alloc(SLICE_BYTES, 1);
        for (const writer of [late, later, await session.openSlice(0)]) {
          await writer.write(other);
          if (writer !== later) expect((await readBack(writer)).equals(sliceBytes(0))).toBe(true);
          const committing = writer.commit({ verified: false, atMs: NOW_MS });
          // The first one has been shown what took the place of its bytes, and may have found it right.
          if (writer === late) await committing;
          else await expect(committing).rejects.toMatchObject({ problem: 'differs' });
        }
        expect(session.storedCount).toBe(1);
        expect(Buffer.concat(await collect(session.read())).equals(sliceBytes(0))).toBe(true);
      });

      it('may come again when they are the same', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init());
        const [late, aside] = [await session.openSlice(3), await session.openSlice(3)];
        await putSlice(session, 3);
        await putSlice(session, 3);
        await aside.write(sliceBytes(3));
        await aside.commit({ verified: false, atMs: NOW_MS });
        // Nobody knows any more what came here.
        await late.write(sliceBytes(3));
        await expect(late.commit({ verified: false, atMs: NOW_MS })).rejects.toMatchObject({ problem: 'busy' });
        await late.abort();
        expect(session.storedCount).toBe(1);
      });

      it('may come again while the session becomes an object', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init({ sizeBytes: SLICE_BYTES }));
        const direct = await session.openSlice(0);
        const aside = await session.openSlice(0);
        await direct.write(sliceBytes(0));
        await direct.commit({ verified: false, atMs: NOW_MS });
        const again = await session.openSlice(0);
        await session.complete({});
        for (const writer of [aside, again]) {
          await writer.write(sliceBytes(0));
          await writer.commit({ verified: false, atMs: NOW_MS });
        }
      });

      it('are whole whichever of several writers wins, and a hanging one does not hold up the rest', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init({ sizeBytes: SLICE_BYTES }));
        const contents = [1, 2, 3, 4, 5].map((value) => Buffer.alloc(SLICE_BYTES, value));
        const writers = await Promise.all(contents.map(() => session.openSlice(0)));
        for (let at = 0; at < SLICE_BYTES / 2; at += 8192) {
          for (const [i, writer] of writers.entries())
            await writer.write((contents[i] as Buffer).subarray(at, at + 8192));
        }
        // The first one hangs here.
        const results = await Promise.allSettled(
          writers.slice(1).map(async (writer, i) => {
            await writer.write((contents[i + 1] as Buffer).subarray(SLICE_BYTES / 2));
            await writer.commit({ verified: false, atMs: NOW_MS });
          }),
        );
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        await writers[0]?.write((contents[0] as Buffer).subarray(SLICE_BYTES / 2));
        await writers[0]?.abort();
        const stored = Buffer.concat(await collect(session.read()));
        expect(contents.some((bytes) => bytes.equals(stored))).toBe(true);
      });
    });

    describe('completing a session', () => {
      it('makes the object and ends the session', async () => {
        const { place, store } = await setUp();
        const { session } = await store.createSession(init({ attributes: 'x' }));
        for (const index of [0, 1, 2, 3]) await putSlice(session, index);
        const info = await session.complete({ sha: sha1(BYTES), attributes: 'x' });
        expect(info).toMatchObject({ sizeBytes: FILE_BYTES, sha: sha1(BYTES), session: session.id, attributes: 'x' });
        expect((await content(store))?.equals(BYTES)).toBe(true);
        expect(await store.findSession(target())).toBeUndefined();
        expect(await place.open().statObject(target())).toEqual(info);
        await expect(session.complete({})).rejects.toMatchObject({ problem: 'gone' });
      });

      it('is refused while slices are missing', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init());
        await putSlice(session, 0);
        await expect(session.complete({})).rejects.toThrow();
        expect(await store.statObject(target())).toBeUndefined();
        expect(await store.findSession(target())).toBeDefined();
      });

      it('leaves an object alone that came meanwhile, and the session too', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init({ sizeBytes: 0 }));
        await put(store, 'dir/file.bin', Buffer.from('first'));
        await expect(session.complete({})).rejects.toMatchObject({ problem: 'exists' });
        expect((await content(store))?.toString()).toBe('first');
        expect((await store.findSession(target()))?.id).toBe(session.id);
      });

      it('lets one of several win', async () => {
        const { store } = await setUp();
        const { session } = await store.createSession(init({ sizeBytes: 0 }));
        const results = await Promise.allSettled([
          session.complete({}),
          session.complete({}),
          put(store, 'dir/file.bin', BYTES),
        ]);
        expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      });
    });

    describe('objects', () => {
      it('are put, replaced only where allowed, and deleted', async () => {
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

      it('may be empty', async () => {
        const { store } = await setUp();
        await put(store, 'empty', Buffer.alloc(0));
        expect((await content(store, target('empty')))?.length).toBe(0);
      });

      it('are read in ranges', async () => {
        const { store } = await setUp();
        await put(store, 'a', Buffer.from('0123456789'));
        const object = await store.openObject(target('a'));
        const chunks = object ? await collect(object.stream(3, 5) as AsyncIterable<Buffer>) : [];
        expect(Buffer.concat(chunks).toString()).toBe('345');
      });

      it('do not go where a directory is, nor below another object', async () => {
        const { store } = await setUp();
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

      it('lend known content to other paths of their bucket', async () => {
        const { place, store } = await setUp();
        const sha = sha1(BYTES);
        const known = { sha, sizeBytes: FILE_BYTES };
        expect(await store.copyKnown(target('copy'), known, {}, false)).toBeUndefined();
        await put(store, 'source', BYTES, false, sha);
        expect(await store.copyKnown({ ...target('copy'), bucket: 'c' }, known, {}, false)).toBeUndefined();
        expect(await store.copyKnown(target('copy'), { sha, sizeBytes: 1 }, {}, false)).toBeUndefined();
        const reopened = place.open();
        expect(await reopened.copyKnown(target('copy'), known, { attributes: 'y' }, false)).toMatchObject({
          sha,
          attributes: 'y',
        });
        expect((await content(reopened, target('copy')))?.equals(BYTES)).toBe(true);
        await expect(reopened.copyKnown(target('copy'), known, {}, false)).rejects.toMatchObject({ problem: 'exists' });
        await put(reopened, 'source', Buffer.from('changed'), true);
        await reopened.deleteObject(target('source'));
        expect((await content(reopened, target('copy')))?.equals(BYTES)).toBe(true);
      });
    });
  });
}
