import { describe, expect, test } from 'vitest';
import type { Session, SliceMark, Store } from '../store/store.ts';
import { distinctBytes, md5, sha1 } from './content.ts';
import { content, type StorePlace, target } from './store-place.ts';
import { BYTES, expectGone, init, MARK, OTHER, putSlice, SLICE_BYTES, sliceBytes, storedOf } from './store-session.ts';
import { checkpointsOf } from './upload.ts';

/** What every store does with the slices of a session. */
export function describeSlices(setUp: () => Promise<{ place: StorePlace; store: Store }>): void {
  describe('slices', () => {
    test('come in any order and in any pieces', async () => {
      const { store } = await setUp();
      const { session } = await store.createSession(init({ sha: sha1(BYTES) }));
      await Promise.all(
        [2, 0, 3, 1].map(async (index) => {
          const writer = await session.openSlice(index);
          const bytes = sliceBytes(index);
          for (let at = 0; at < bytes.length; at += 7777) await writer.write(bytes.subarray(at, at + 7777));
          await writer.commit(MARK);
        }),
      );
      expect((await session.snapshot()).storedCount).toBe(4);
      await session.complete({ sha: sha1(BYTES) });
      expect((await content(store))?.equals(BYTES)).toBe(true);
    });

    test('may come in very many pieces, beside their neighbours', async () => {
      const { store } = await setUp();
      const { session } = await store.createSession(init({ sha: sha1(BYTES) }));
      const writers = await Promise.all([0, 1, 2, 3].map((index) => session.openSlice(index)));
      const pieces = [SLICE_BYTES, 1, SLICE_BYTES, 3];
      for (const [index, writer] of writers.entries()) {
        const bytes = sliceBytes(index);
        const step = pieces[index] as number;
        for (let at = 0; at < bytes.length; at += step) await writer.write(bytes.subarray(at, at + step));
      }
      await Promise.all(writers.map((writer) => writer.commit(MARK)));
      await session.complete({ sha: sha1(BYTES) });
      expect((await content(store))?.equals(BYTES)).toBe(true);
    });

    test('are not stored by a writer that stops half way', async () => {
      const { place, store } = await setUp();
      const { session } = await store.createSession(init());
      const writer = await session.openSlice(0);
      await writer.write(sliceBytes(1).subarray(0, 1000));
      await writer.abort();
      await writer.abort();
      expect(await storedOf(session)).toBe('');
      expect(await storedOf((await place.open().findSession(target())) as Session)).toBe('');
      await putSlice(session, 0);
      expect(await storedOf(session)).toBe('0');
    });

    test.each([
      ['before', true],
      ['after', false],
    ])('are checked by an MD5 that is told %s their bytes, each time they come', async (_when, hasMd5) => {
      const { store } = await setUp();
      const { session } = await store.createSession(init());
      const right = { ...MARK, md5: md5(sliceBytes(0)) };
      const wrong = { ...MARK, md5: md5(OTHER) };
      await expect(putSlice(session, 0, sliceBytes(0), wrong, hasMd5)).rejects.toMatchObject({ problem: 'mismatch' });
      await expect(putSlice(session, 0, OTHER, right, hasMd5)).rejects.toMatchObject({ problem: 'mismatch' });
      expect(await storedOf(session)).toBe('');
      await putSlice(session, 0, sliceBytes(0), right, hasMd5);
      await putSlice(session, 0, sliceBytes(0), right, hasMd5);
      await expect(putSlice(session, 0, sliceBytes(0), wrong, hasMd5)).rejects.toMatchObject({ problem: 'mismatch' });
      expect(await storedOf(session)).toBe('0');
    });

    test.each([
      ['the same steps', SLICE_BYTES, true],
      ['shorter steps', SLICE_BYTES / 2, true],
      ['longer steps', 2 * SLICE_BYTES, false],
    ])('are checked by checkpoints in %s', async (_, stepBytes, all) => {
      const { place, store } = await setUp();
      const checkpoints = await checkpointsOf(BYTES, stepBytes);
      await store.createSession(init({ sha: sha1(BYTES) }), checkpoints);
      // By a process that has to read them first.
      const session = (await place.open().findSession(target())) as Session;
      const damaged = Buffer.from(sliceBytes(1));
      damaged[7] = (damaged[7] as number) ^ 1;
      const putting = putSlice(session, 1, damaged);
      if (all) await expect(putting).rejects.toMatchObject({ problem: 'mismatch' });
      else await putting;
      for (const index of all ? [0, 1, 2, 3] : [0, 2, 3]) await putSlice(session, index);
      const completing = session.complete({ sha: sha1(BYTES) });
      if (all) expect(await completing).toMatchObject({ sha: sha1(BYTES) });
      else await expect(completing).rejects.toMatchObject({ problem: 'mismatch' });
    });

    test('are never replaced once stored, and may come again when they are the same', async () => {
      const { place, store } = await setUp();
      const { session } = await store.createSession(init({ sizeBytes: SLICE_BYTES, sha: sha1(sliceBytes(0)) }));
      const other = (await place.open().findSession(target())) as Session;
      const [late, aside, elsewhere] = [
        await session.openSlice(0),
        await session.openSlice(0),
        await other.openSlice(0),
      ];
      await putSlice(session, 0);
      for (const writer of [late, aside, elsewhere, await session.openSlice(0), await other.openSlice(0)]) {
        await writer.write(OTHER);
        // Busy: one that was overtaken has lost its bytes.
        await expect(writer.commit(MARK)).rejects.toMatchObject({ problem: expect.stringMatching('differs|busy') });
        await writer.abort();
      }
      for (const one of [session, other]) await putSlice(one, 0);
      expect((await session.snapshot()).storedCount).toBe(1);
      await session.complete({ sha: sha1(sliceBytes(0)) });
    });

    test('that are overtaken are judged by their digest, where there is one', async () => {
      const { store } = await setUp();
      const { session } = await store.createSession(init());
      const marks = [md5(sliceBytes(0)), md5(OTHER)].map((digest) => ({ ...MARK, md5: digest }));
      const late = await Promise.all(marks.map(() => session.openSlice(0)));
      await late[0]?.write(sliceBytes(0).subarray(0, 100));
      await putSlice(session, 0);
      await late[0]?.write(sliceBytes(0).subarray(100));
      await late[1]?.write(OTHER);
      await late[0]?.commit(marks[0] as SliceMark);
      await expect(late[1]?.commit(marks[1] as SliceMark)).rejects.toMatchObject({ problem: 'differs' });
    });

    test('may come again while the session becomes an object', async () => {
      const { store } = await setUp();
      const { session } = await store.createSession(init({ sizeBytes: SLICE_BYTES }));
      await putSlice(session, 0);
      const again = await session.openSlice(0);
      await session.complete({});
      await again.write(sliceBytes(0));
      await again.commit(MARK);
    });

    test('do not get into an object, nor into a session, that comes after theirs', async () => {
      const { place, store } = await setUp();
      const { session } = await store.createSession(init());
      const other = (await place.open().findSession(target())) as Session;
      const late = [await session.openSlice(0), await other.openSlice(1)];
      for (const writer of late) await writer.write(OTHER);
      await (await place.open().findSession(target()))?.discard();
      const { session: next } = await place.open().createSession(init({ sha: sha1(BYTES) }));
      for (const writer of late) await expect(writer.commit(MARK)).rejects.toMatchObject({ problem: 'gone' });
      for (const gone of [session, other]) await expectGone(gone);
      expect(await storedOf(next)).toBe('');
      for (const index of [0, 1, 2, 3]) await putSlice(next, index);
      await next.complete({ sha: sha1(BYTES) });
      expect((await content(store))?.equals(BYTES)).toBe(true);
    });

    test('are whole whichever of several writers wins, and a hanging one does not hold up the rest', async () => {
      const { place, store } = await setUp();
      const { session } = await store.createSession(init({ sizeBytes: SLICE_BYTES }));
      const other = (await place.open().findSession(target())) as Session;
      const contents = [1, 2, 3, 4, 5].map((value) => Buffer.alloc(SLICE_BYTES, value));
      const writers = await Promise.all(contents.map((_, index) => (index < 4 ? session : other).openSlice(0)));
      for (let at = 0; at < SLICE_BYTES / 2; at += 8192) {
        for (const [i, writer] of writers.entries())
          await writer.write((contents[i] as Buffer).subarray(at, at + 8192));
      }
      // The first one hangs here.
      const results = await Promise.allSettled(
        writers.slice(1).map(async (writer, i) => {
          await writer.write((contents[i + 1] as Buffer).subarray(SLICE_BYTES / 2));
          await writer.commit(MARK);
        }),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      await writers[0]?.write((contents[0] as Buffer).subarray(SLICE_BYTES / 2));
      await writers[0]?.abort();
      await session.complete({});
      const stored = await content(store);
      expect(contents.some((bytes) => stored?.equals(bytes))).toBe(true);
    });

    test('may be written through several stores at once', async () => {
      const { place, store } = await setUp();
      const count = 24;
      const bytes = distinctBytes(count * SLICE_BYTES);
      const { session } = await store.createSession(init({ sizeBytes: bytes.length, sha: sha1(bytes) }));
      const sessions = [session, ...(await Promise.all([1, 2].map(() => place.open().getSession(session.id))))];
      await Promise.all(
        Array.from({ length: count }, (_, index) =>
          putSlice(sessions[index % 3] as Session, index, sliceBytes(index, bytes)),
        ),
      );
      for (const one of sessions)
        expect(await one?.snapshot()).toMatchObject({ storedCount: count, firstMissing: count });
      await sessions[1]?.complete({ sha: sha1(bytes) });
      expect((await content(store))?.equals(bytes)).toBe(true);
      for (const one of sessions) await expectGone(one as Session);
    });
  });
}
