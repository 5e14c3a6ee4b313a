import fs from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { patternBytes, sha1 } from '../../testing/content.ts';
import { type DiskCall, diskError, watchDisk } from '../../testing/disk.ts';
import { temporaryDir } from '../../testing/server.ts';
import type { Session, SessionInit, Store, Target } from '../store.ts';
import { fileStore } from './file-store.ts';

const BYTES = patternBytes(0, 200_000);
const KNOWN = { sha: sha1(BYTES), sizeBytes: BYTES.length };
const at = (path: string): Target => ({ appId: '1', bucket: 'b', path });
const init = (path: string): SessionInit => ({
  target: at(path),
  sizeBytes: BYTES.length,
  sliceSizeBytes: 65536,
  overwrite: false,
  createdAtMs: 1,
});

async function putSlice(session: Session, index: number): Promise<void> {
  const writer = await session.openSlice(index);
  await writer.write(BYTES.subarray(index * 65536, (index + 1) * 65536));
  await writer.commit({ atMs: 1 });
}

async function put(store: Store, path: string, overwrite = false): Promise<void> {
  const spool = await store.createSpool();
  await spool.write(BYTES);
  await store.putObject(at(path), spool, { sha: KNOWN.sha, attributes: 'x' }, overwrite);
}

async function setUp(options = { fsync: true }) {
  const root = await temporaryDir();
  const disk = await watchDisk(root);
  const store = fileStore(root, options);
  /** What a power failure could take back of what was promised: the spool holds no promises. */
  const atRisk = () => disk.unsynced().filter((path) => !path.startsWith('.cos-slice/spool'));
  return { root, disk, store, atRisk };
}

describe('with fsync, nothing that was acknowledged can be taken back by a power failure', () => {
  test('the places that the store makes for itself', async () => {
    const root = await temporaryDir();
    const disk = await watchDisk(root);
    await fileStore(join(root, 'new/deep'), { fsync: true }).open();
    expect(disk.unsynced()).toEqual([]);
  });

  test('an upload in slices into folders that are not there yet, step by step', async () => {
    const { store, atRisk } = await setUp();
    const { session } = await store.createSession(init('a/b/c/file'), {
      stepBytes: 65536,
      states: patternBytes(0, 60),
    });
    expect(atRisk()).toEqual([]);
    for (const index of [3, 1, 0, 2]) {
      await putSlice(session, index);
      expect(atRisk()).toEqual([]);
    }
    await session.setTerms({ overwrite: true, attributes: 'y' });
    expect(atRisk()).toEqual([]);
    await session.complete({ sha: KNOWN.sha });
    expect(atRisk()).toEqual([]);
  });

  test('an object that is put, replaced, and deleted', async () => {
    const { store, atRisk } = await setUp();
    await put(store, 'a/b/c');
    expect(atRisk()).toEqual([]);
    await put(store, 'a/b/c', true);
    expect(atRisk()).toEqual([]);
    await put(store, 'a/d');
    await store.deleteObject(at('a/b/c'));
    expect(atRisk()).toEqual([]);
    await store.deleteObject(at('a/d'));
    expect(atRisk()).toEqual([]);
    // Its folders are gone, and made anew.
    await put(store, 'a/b/c');
    expect(atRisk()).toEqual([]);
  });

  test('an instant copy, whether bytes are copied or blocks shared', async () => {
    for (const canClone of [false, true]) {
      const { copyFile } = fs.promises;
      // What a file system does that shares blocks.
      if (canClone) fs.promises.copyFile = (from, to) => copyFile(from, to);
      const { store, disk, atRisk } = await setUp();
      await put(store, 'source');
      expect(await store.copyKnown(at('x/y/copy'), KNOWN, () => true, {}, false)).toBeDefined();
      expect(disk.calls.some(({ name }) => name === 'write')).toBe(!canClone);
      expect(atRisk()).toEqual([]);
      await disk.stop();
      fs.promises.copyFile = copyFile;
    }
  });

  test('objects and directories that are deleted or moved side by side in one folder', async () => {
    const { root, store, atRisk } = await setUp();
    // What has gone is not to be forced any more, whichever of two has heard of it first.
    const thereAtRisk = () => atRisk().filter((path) => fs.existsSync(join(root, path)));
    const both = ['dir/x', 'dir/y'] as const;
    for (let round = 0; round < 10; round++) {
      for (const path of both) await put(store, path);
      const moves = both.map((path) => store.moveObject(at(path), at(`there/${path}`), 'me', false));
      expect(await Promise.all(moves)).toMatchObject([KNOWN, KNOWN]);
      expect(thereAtRisk()).toEqual([]);
      const deletes = both.map((path) => store.deleteObject(at(`there/${path}`)));
      expect(await Promise.all(deletes)).toEqual([true, true]);
      expect(thereAtRisk()).toEqual([]);
      for (const path of both) await store.directories.create(at(path), {});
      expect(await Promise.all(both.map((path) => store.directories.delete(at(path))))).toEqual([true, true]);
      expect(thereAtRisk()).toEqual([]);
    }
  });

  test('a directory that is moved, also on a file system without hard links', async () => {
    for (const canLink of [true, false]) {
      const { root, store, disk, atRisk } = await setUp();
      await put(store, 'dir/deep/x');
      await store.directories.create(at('dir/made'), { attributes: 'y' });
      const riskAt = new Map<string, string[]>();
      disk.before = (call) => {
        if (call.name === 'link' && !canLink) throw diskError('EPERM', call);
        if (call.path === join(root, '1/b/dir')) riskAt.set('move', atRisk());
        const isForgotten = riskAt.has('move') && call.name === 'rm' && call.path.includes('/objects/');
        if (isForgotten && !riskAt.has('forget')) riskAt.set('forget', atRisk());
      };
      expect(await store.directories.move(at('dir'), at('there'), 'me')).toBe(true);
      expect(atRisk()).toEqual([]);
      // At no moment is it where nothing is known of it, with the power gone.
      expect(riskAt.get('move')?.filter((path) => path.startsWith('.cos-slice/'))).toEqual([]);
      expect(riskAt.get('forget')?.filter((path) => path.startsWith('1'))).toEqual([]);
      await disk.stop();
    }
  });

  test('what is known of an object, as long as a power failure may bring it back', async () => {
    const { store, disk, atRisk } = await setUp();
    await put(store, 'dir/x');
    let atForgetting: string[] | undefined;
    disk.before = (call) => {
      if (call.name === 'rm' && call.path.includes('/objects/')) atForgetting ??= atRisk();
    };
    await store.deleteObject(at('dir/x'));
    expect(atForgetting?.filter((path) => path.startsWith('1'))).toEqual([]);
  });

  test('the use of a one-time signature', async () => {
    const { store, atRisk } = await setUp();
    for (const id of ['aa', 'bb']) {
      expect(await store.onceRegister?.use(id, 1000, 2000)).toBe(true);
      expect(atRisk()).toEqual([]);
    }
  });

  test('a session that is dropped', async () => {
    const { store, atRisk } = await setUp();
    const { session } = await store.createSession(init('a'));
    await putSlice(session, 0);
    await session.discard();
    expect(atRisk()).toEqual([]);
  });

  test('objects on other mounts and on file systems without hard links', async () => {
    for (const [name, code] of [
      ['link', 'EPERM'],
      ['link', 'EXDEV'],
      ['rename', 'EXDEV'],
    ] as const) {
      const { store, disk, atRisk } = await setUp();
      await store.open();
      disk.before = (call) => {
        const isAcross = call.path.includes('.cos-slice/') && call.to?.includes('/1/b/');
        if (call.name === name && isAcross) throw diskError(code, call);
      };
      await put(store, 'a/b', name === 'rename');
      expect(atRisk(), `${name} ${code}`).toEqual([]);
      const { session } = await store.createSession({ ...init('c/d'), overwrite: name === 'rename' });
      for (const index of [0, 1, 2, 3]) await putSlice(session, index);
      await session.complete({});
      expect(atRisk(), `${name} ${code}`).toEqual([]);
    }
  });

  test('a slice that is on record but could not be forced, once it comes again', async () => {
    const { store, disk, atRisk } = await setUp();
    const { session } = await store.createSession(init('a'));
    disk.before = (call) => {
      if (call.name === 'datasync' && call.path.endsWith('/journal')) throw diskError('EIO', call);
    };
    await expect(putSlice(session, 0)).rejects.toMatchObject({ code: 'EIO' });
    disk.before = () => {};
    expect(atRisk()).not.toEqual([]);
    await putSlice(session, 0);
    expect(atRisk()).toEqual([]);
  });

  test('a session that a process has made and died, once another one goes on with it', async () => {
    const { root, store, disk, atRisk } = await setUp();
    await store.open();
    const died = new Promise<void>((resolve) => {
      disk.before = (call) => {
        if (call.name !== 'sync' || !call.path.includes('/sessions')) return;
        resolve();
        return new Promise(() => {});
      };
    });
    void store.createSession(init('a'));
    await died;
    disk.before = () => {};
    expect(atRisk()).toContain('.cos-slice/sessions');
    const session = await fileStore(root, { fsync: true }).findSession(at('a'));
    await putSlice(session as Session, 0);
    expect(atRisk()).toEqual([]);
  });

  test('what a process has put in place and died, once another one tells of it', async () => {
    const { root, store, disk, atRisk } = await setUp();
    await store.open();
    const died = new Promise<void>((resolve) => {
      disk.before = (call) => {
        if (call.name !== 'sync' || !call.path.startsWith(join(root, '1'))) return;
        resolve();
        return new Promise(() => {});
      };
    });
    void put(store, 'new/file');
    await died;
    disk.before = () => {};
    expect(atRisk()).toContain('1/b/new');
    const next = fileStore(root, { fsync: true });
    expect(await next.confirmObject?.(at('new/file'))).toMatchObject({ sha: KNOWN.sha });
    expect(atRisk()).toEqual([]);
    expect(await next.confirmObject?.(at('nothing'))).toBeUndefined();
  });

  test('folders that another request has made, or a process that has ended', async () => {
    const { root, store, disk, atRisk } = await setUp();
    const chain = (path: string) => {
      const dirs: string[] = [];
      for (let dir = dirname(`1/b/${path}`); dir !== '.'; dir = dirname(dir)) dirs.push(dir);
      return [...dirs, `1/b/${path}`, ''];
    };
    await Promise.all(
      [0, 1, 2, 3, 4, 5].map(async (index) => {
        const path = `new/deep/${index}`;
        await put(store, path);
        expect(atRisk().filter((each) => chain(path).includes(each))).toEqual([]);
      }),
    );
    await mkdir(join(root, '1/b/left/behind'), { recursive: true });
    expect(disk.unsynced()).toContain('1/b/left');
    await put(store, 'left/behind/file');
    expect(atRisk()).toEqual([]);
  });
});

test('without fsync nothing is waited for', async () => {
  const { store, disk, atRisk } = await setUp({ fsync: false });
  const { session } = await store.createSession(init('a/b'));
  for (const index of [0, 1, 2, 3]) await putSlice(session, index);
  await session.complete({ sha: KNOWN.sha });
  await store.copyKnown(at('copy'), KNOWN, () => true, {}, false);
  await store.deleteObject(at('copy'));
  expect(disk.calls.filter(({ name }) => name === 'sync' || name === 'datasync')).toEqual([]);
  expect(atRisk()).not.toEqual([]);
});

test('a disk that cannot be forced is told of instead of promised on', async () => {
  const { store, disk } = await setUp();
  await store.open();
  for (let number = 1; ; number++) {
    let forced = 0;
    let failed: DiskCall | undefined;
    disk.before = (call) => {
      if ((call.name !== 'sync' && call.name !== 'datasync') || ++forced !== number) return;
      failed = call;
      throw diskError('EIO', call);
    };
    const answer = await put(store, `${number}/a/b`).then(
      () => 'kept',
      () => 'told',
    );
    if (!failed) {
      expect(number).toBeGreaterThan(5);
      return;
    }
    // Where content can be found once more is a convenience, and no promise.
    expect(answer, failed.path).toBe(failed.path.endsWith('/content') ? 'kept' : 'told');
  }
});
