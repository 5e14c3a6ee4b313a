import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { patternBytes, sha1 } from '../../testing/content.ts';
import { type DiskCall, diskError, type WatchedDisk, watchDisk } from '../../testing/disk.ts';
import { temporaryDir } from '../../testing/server.ts';
import type { Session, Store, Target } from '../store.ts';
import { fileStore } from './file-store.ts';

const OLD = patternBytes(0, 1000);
const NEW = patternBytes(5, 150_000);
const SLICE_BYTES = 65536;
const target: Target = { appId: '1', bucket: 'b', path: 'dir/file' };
const elsewhere: Target = { ...target, path: 'other/deep/file' };

async function put(store: Store, at: Target, bytes: Uint8Array, overwrite: boolean): Promise<void> {
  const spool = await store.createSpool();
  try {
    await spool.write(bytes);
    await store.putObject(at, spool, { sha: sha1(bytes), attributes: `of ${bytes.length}` }, overwrite);
  } finally {
    await spool.abort();
  }
}

async function uploadSlices(store: Store): Promise<Session> {
  const { session } = await store.createSession({
    target,
    sizeBytes: NEW.length,
    sliceSizeBytes: SLICE_BYTES,
    overwrite: true,
    attributes: 'of 150000',
    createdAtMs: 1,
  });
  for (let index = 0; index < session.sliceCount; index++) {
    const writer = await session.openSlice(index);
    try {
      await writer.write(NEW.subarray(index * SLICE_BYTES, (index + 1) * SLICE_BYTES));
      await writer.commit({ atMs: 1 });
    } finally {
      await writer.abort();
    }
  }
  return session;
}

interface Change {
  run(store: Store): Promise<unknown>;
  readonly at: Target;
  readonly old: Buffer | undefined;
  readonly mayGo?: boolean;
  /** Where the old one is when it is not at `at`. */
  readonly from?: Target;
}

/** What may change objects, from an old object at the target to a new one there or elsewhere. */
const CHANGES: Record<string, Change> = {
  'a put that replaces': { run: (store) => put(store, target, NEW, true), at: target, old: OLD },
  'a put into new folders': { run: (store) => put(store, elsewhere, NEW, false), at: elsewhere, old: undefined },
  'an instant copy': {
    run: (store) =>
      store.copyKnown(elsewhere, { sha: sha1(OLD), sizeBytes: OLD.length }, () => true, { attributes: 'c' }, false),
    at: elsewhere,
    old: undefined,
  },
  'an upload in slices': {
    run: async (store) => (await uploadSlices(store)).complete({ sha: sha1(NEW) }),
    at: target,
    old: OLD,
  },
  'a copy': {
    run: (store) => store.copyObject(target, elsewhere, 'me', false),
    at: elsewhere,
    old: undefined,
  },
  'a move': {
    run: (store) => store.moveObject(target, elsewhere, 'me', false),
    at: elsewhere,
    old: undefined,
    from: target,
  },
  'a move of a directory': {
    run: (store) => store.directories.move({ ...target, path: 'dir' }, { ...target, path: 'other/dir' }, 'me'),
    at: { ...target, path: 'other/dir/file' },
    old: undefined,
    from: target,
  },
  'a delete': { run: (store) => store.deleteObject(target), at: target, old: OLD, mayGo: true },
};

/** What a bucket may meet: the call that fails there, and how. */
const PLACES: Record<string, (call: DiskCall, isAcross: boolean) => string | undefined> = {
  'an ordinary disk': () => undefined,
  'a disk without hard links': ({ name }) => (name === 'link' ? 'EPERM' : undefined),
  'a bucket on a mount': ({ name }, isAcross) => (isAcross && /^(link|rename)$/.test(name) ? 'EXDEV' : undefined),
};

type Hook = WatchedDisk['before'];

async function setUp(meets: (call: DiskCall, isAcross: boolean) => string | undefined) {
  const root = await temporaryDir();
  const store = fileStore(root);
  await put(store, target, OLD, false);
  const disk = await watchDisk(root);
  const place: Hook = (call) => {
    const isAcross = call.path.includes('/.cos-slice/') && call.to?.includes('/1/b/') === true;
    const code = meets(call, isAcross);
    if (code !== undefined) throw diskError(code, call);
  };
  return { root, disk, store, place };
}

/** The object is the old one with its labels or the new one with its labels, or there is none where there may be none. */
async function checkWhole(store: Store, root: string, change: Change): Promise<void> {
  const { at, old, mayGo = false } = change;
  const info = await store.statObject(at);
  const bytes = await readFile(join(root, '1/b', at.path)).catch(() => undefined);
  if (bytes === undefined) {
    expect(info).toBeUndefined();
    expect(old === undefined || mayGo).toBe(true);
    if (change.from) await checkWhole(store, root, { ...change, at: change.from, old: OLD });
    return;
  }
  expect(info).toMatchObject({ sizeBytes: bytes.length, sha: sha1(bytes) });
  if (old) expect([sha1(old), sha1(NEW)]).toContain(sha1(bytes));
}

/** Lets an hour pass, and the next sweep. */
async function tidyLater(store: Store): Promise<void> {
  const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 2 * 3600_000);
  await store.tidy?.();
  clock.mockRestore();
}

/** What is in the way nowhere, and nobody's. */
async function leftovers(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => path.includes('spool/') || path.includes('.cos-slice-'));
}

/** Whoever asks again gets what was asked for. */
async function checkAgain(store: Store, root: string, change: Change): Promise<void> {
  await (await store.findSession(target))?.discard();
  await change.run(store).catch((error) => expect(error).toMatchObject({ problem: 'exists' }));
  await checkWhole(store, root, change);
  expect(await leftovers(root)).toEqual([]);
  await store.close();
}

describe.each(Object.entries(PLACES))('on %s', (_, meets) => {
  test.each(Object.entries(CHANGES))('%s is whole or has not been, wherever the process dies', async (_, change) => {
    for (let number = 1; ; number++) {
      const { root, disk, store, place } = await setUp(meets);
      let count = 0;
      const died = new Promise<void>((resolve) => {
        // What a dead process leaves is what is there when it does nothing any more.
        disk.before = (call) => {
          if (++count < number) return place(call);
          resolve();
          if (call.name === 'writeSync') throw new Error('dead');
          return new Promise(() => {});
        };
      });
      await Promise.race([change.run(store).catch(() => {}), died.then(() => sleep(10))]);
      disk.before = place;
      if (count < number) {
        expect(number).toBeGreaterThan(2);
        return;
      }
      const next = fileStore(root);
      await checkWhole(next, root, change);
      await tidyLater(next);
      expect(await leftovers(root), `died at step ${number}`).toEqual([]);
      await checkAgain(next, root, change);
      await disk.stop();
    }
  });

  test.each(Object.entries(CHANGES))('%s cleans up after itself, whatever fails', async (_, change) => {
    for (let number = 1; ; number++) {
      const { root, disk, store, place } = await setUp(meets);
      let count = 0;
      let failed: DiskCall | undefined;
      disk.before = (call) => {
        if (++count !== number) return place(call);
        failed = call;
        throw diskError('ENOSPC', call);
      };
      await change.run(store).catch(() => {});
      disk.before = place;
      if (!failed) return;
      await checkWhole(store, root, change);
      // What cannot even be removed is left to the sweep.
      if (/^(rm|unlink|rmdir)$/.test(failed.name)) await tidyLater(store);
      expect(await leftovers(root), `${failed.name} ${failed.path}`).toEqual([]);
      await checkAgain(store, root, change);
      await disk.stop();
    }
  });
});
