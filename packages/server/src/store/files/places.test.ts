import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, open, readdir, readFile, realpath, rename, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { patternBytes, sha1 } from '../../testing/content.ts';
import { diskError, watchDisk } from '../../testing/disk.ts';
import { temporaryDir } from '../../testing/server.ts';
import type { Store, Target } from '../store.ts';
import { fileStore } from './file-store.ts';

const BYTES = patternBytes(0, 200_000);
const KNOWN = { sha: sha1(BYTES), sizeBytes: BYTES.length };
const at = (path: string): Target => ({ appId: '1', bucket: 'b', path });

async function put(store: Store, path: string, overwrite = false, bytes = BYTES): Promise<void> {
  const spool = await store.createSpool();
  await spool.write(bytes);
  await store.putObject(at(path), spool, { sha: sha1(bytes), attributes: path }, overwrite);
}

describe("the operator's links", () => {
  test.each([
    ['the folder of an appid', '1'],
    ['the folder of a bucket', '1/b'],
  ])('are followed where they stand for %s', async (_, link) => {
    const root = await temporaryDir();
    const outside = await realpath(await temporaryDir());
    await mkdir(join(root, link, '..'), { recursive: true });
    await symlink(outside, join(root, link));
    const store = fileStore(root);
    await store.checkVacant(at('x/y'), false);
    await put(store, 'x/y');
    await put(store, 'x/y', true);
    expect(await store.copyKnown(at('copy'), KNOWN, () => true, {}, false)).toMatchObject({ sha: KNOWN.sha });
    expect(await store.statObject(at('x/y'))).toMatchObject({ ...KNOWN, attributes: 'x/y' });
    const bucket = join(outside, link === '1' ? 'b' : '.');
    expect((await readFile(join(bucket, 'x/y'))).equals(BYTES)).toBe(true);
    // Below the bucket nothing leads out of it.
    await symlink(outside, join(bucket, 'out'));
    await symlink(bucket, join(bucket, 'self'));
    for (const path of ['out/z', 'self/x/y']) {
      await expect(store.checkVacant(at(path), true), path).rejects.toMatchObject({ problem: 'path-conflict' });
      await expect(put(store, path, true), path).rejects.toMatchObject({ problem: 'path-conflict' });
      expect(await store.openObject(at(path)), path).toBeUndefined();
    }
    expect(await store.deleteObject(at('x/y'))).toBe(true);
    expect((await readdir(bucket)).sort()).toEqual(['copy', 'out', 'self']);
  });

  test('that lead nowhere are noticed before anything is sent', async () => {
    const root = await temporaryDir();
    await mkdir(join(root, '1'));
    await symlink('/nowhere/at/all', join(root, '1/b'));
    await expect(fileStore(root).checkVacant(at('x'), true)).rejects.toThrow();
  });
});

describe('a root that was moved while the server was stopped', () => {
  const copyTo: Record<string, (from: string, to: string) => Promise<unknown>> = {
    'to another disk': (from, to) => promisify(execFile)('cp', ['-a', `${from}/.`, to]),
    'by something that keeps whole seconds': async (from, to) => {
      await promisify(execFile)('cp', ['-a', `${from}/.`, to]);
      for (const name of await readdir(join(to, '1/b'))) {
        const { mtimeMs } = await stat(join(to, '1/b', name));
        await utimes(join(to, '1/b', name), 1, Math.floor(mtimeMs / 1000));
      }
    },
    'by its name': (from, to) => rename(from, to),
  };

  test.runIf(process.platform !== 'win32').each(Object.entries(copyTo))(
    '%s has lost no label, and lends content only after a look',
    async (_, move) => {
      const from = await temporaryDir();
      for (const path of ['same', 'changed']) await put(fileStore(from), path, false, patternBytes(path.length, 5000));
      const to = join(await temporaryDir(), 'moved');
      await mkdir(to);
      await move(from, to);
      const store = fileStore(to);
      const [same, changed] = [patternBytes(4, 5000), patternBytes(7, 5000)];
      for (const [path, bytes] of Object.entries({ same, changed })) {
        expect(await store.statObject(at(path))).toMatchObject({ sha: sha1(bytes), attributes: path });
      }
      const copy = (bytes: Buffer) =>
        store.copyKnown(at('copy'), { sha: sha1(bytes), sizeBytes: bytes.length }, () => true, {}, true);
      expect(await copy(same)).toMatchObject({ sha: sha1(same) });
      if (move === copyTo['by its name']) return;
      // Damaged on the way, and nothing shows it but its bytes.
      const file = await open(join(to, '1/b/changed'), 'r+');
      await file.write('!', 100);
      await file.close();
      await promisify(execFile)('touch', ['-r', join(from, '1/b/changed'), join(to, '1/b/changed')]);
      expect(await copy(changed)).toBeUndefined();
      expect((await store.statObject(at('copy')))?.sha).toBe(sha1(same));
    },
  );
});

describe('file systems', () => {
  test('without hard links take new objects, and let one of several win', async () => {
    for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK']) {
      const root = await temporaryDir();
      const disk = await watchDisk(root);
      disk.before = (call) => {
        if (call.name === 'link') throw diskError(code, call);
      };
      const store = fileStore(root);
      const results = await Promise.allSettled([1, 2, 3].map(() => put(store, 'a/b')));
      const refused = results.filter((result) => result.status === 'rejected');
      expect(refused.map(({ reason }) => reason.problem)).toEqual(['exists', 'exists']);
      expect((await store.statObject(at('a/b')))?.sha).toBe(KNOWN.sha);
      expect(await readdir(join(root, '.cos-slice/spool'))).toEqual([]);
    }
  });

  test('without hard links keep what somebody else puts there at the last moment', async () => {
    const root = await temporaryDir();
    const disk = await watchDisk(root);
    disk.before = (call) => {
      if (call.name !== 'link') return;
      writeFileSync(call.to ?? '', 'theirs');
      throw diskError('EPERM', call);
    };
    const store = fileStore(root);
    await expect(put(store, 'a/b')).rejects.toMatchObject({ problem: 'exists' });
    expect(await readFile(join(root, '1/b/a/b'), 'utf8')).toBe('theirs');
    expect(await readdir(join(root, '.cos-slice/spool'))).toEqual([]);
  });

  test('other than that of the root show an object only when it is whole', async () => {
    for (const overwrite of [false, true]) {
      const root = await temporaryDir();
      const store = fileStore(root);
      if (overwrite) await put(store, 'a/b', false, patternBytes(1, 10));
      const disk = await watchDisk(root);
      const seen = new Set<number | undefined>();
      disk.before = async (call) => {
        if (call.path.includes('.cos-slice/') && call.to?.includes('/1/b/')) throw diskError('EXDEV', call);
        if (call.name !== 'write') return;
        seen.add((await store.statObject(at('a/b')))?.sizeBytes);
      };
      await put(store, 'a/b', overwrite, patternBytes(2, 3_000_000));
      expect([...seen]).toEqual([overwrite ? 9 : undefined]);
      expect((await store.statObject(at('a/b')))?.sizeBytes).toBe(2_999_998);
      expect(await readdir(join(root, '1/b/a'))).toEqual(['b']);
      expect(await readdir(join(root, '.cos-slice/spool'))).toEqual([]);
    }
  });

  test('that cannot be written to are noticed before anything is sent', async () => {
    for (const code of ['EROFS', 'EACCES', 'EPERM']) {
      const root = await temporaryDir();
      const store = fileStore(root);
      await put(store, 'a/b');
      const disk = await watchDisk(root);
      disk.before = (call) => {
        if (call.name === 'access' && call.path.includes('/1/b')) throw diskError(code, call);
      };
      for (const path of ['a/c', 'new/deep/file', 'file']) {
        await expect(store.checkVacant(at(path), true), path).rejects.toMatchObject({ code });
      }
    }
  });
});

describe('a copy that was left beside its place', () => {
  async function leave(note: unknown) {
    const root = await temporaryDir();
    const store = fileStore(root);
    await put(store, 'a/b');
    const notePath = join(root, '.cos-slice/spool/0123456789abcdef01234567.json');
    await writeFile(notePath, JSON.stringify(note));
    await utimes(notePath, 1, 1);
    return { root, store };
  }
  const NAME = '.cos-slice-0123456789abcdef01234567';

  test('is removed by the sweep, unless it is still written to', async () => {
    for (const isInUse of [true, false]) {
      const { root, store } = await leave({ aside: `1/b/a/${NAME}` });
      await writeFile(join(root, '1/b/a', NAME), 'half');
      if (!isInUse) await utimes(join(root, '1/b/a', NAME), 1, 1);
      await store.tidy?.();
      expect(await readdir(join(root, '1/b/a'))).toEqual(isInUse ? [NAME, 'b'] : ['b']);
      expect(await readdir(join(root, '.cos-slice/spool'))).toHaveLength(isInUse ? 1 : 0);
    }
  });

  test.each([{ aside: '1/b/a/b' }, { aside: 7 }, { aside: '../x' }, null, []])(
    'is the only thing that the sweep removes outside the spool: %j',
    async (note) => {
      const { root, store } = await leave(note);
      await store.tidy?.();
      expect((await store.statObject(at('a/b')))?.sha).toBe(KNOWN.sha);
      expect(await readdir(join(root, '.cos-slice/spool'))).toEqual([]);
    },
  );
});

test('a directory goes with the last object in it, the folder of the bucket stays', async () => {
  const root = await temporaryDir();
  const store = fileStore(root);
  await put(store, 'a/b/c/d');
  await put(store, 'a/e');
  await store.deleteObject(at('a/b/c/d'));
  expect(await readdir(join(root, '1/b/a'))).toEqual(['e']);
  await put(store, 'a/b');
  await store.deleteObject(at('a/b'));
  await store.deleteObject(at('a/e'));
  expect(await readdir(join(root, '1/b'))).toEqual([]);
  await put(store, 'a');
  await store.deleteObject(at('a'));
  expect(await readdir(join(root, '1'))).toEqual(['b']);
});

test('objects come into directories that are just being removed', async () => {
  const store = fileStore(await temporaryDir());
  for (let round = 0; round < 50; round++) {
    await put(store, 'a/b/old');
    await Promise.all([store.deleteObject(at('a/b/old')), put(store, 'a/b/new'), put(store, 'a/c')]);
    expect((await store.statObject(at('a/b/new')))?.sha).toBe(KNOWN.sha);
    await Promise.all([store.deleteObject(at('a/b/new')), store.deleteObject(at('a/c'))]);
  }
});

test('an overwrite that fails leaves the object and its labels', async () => {
  for (const step of ['rename', 'writeFile']) {
    const root = await temporaryDir();
    const store = fileStore(root);
    await put(store, 'a/b');
    const disk = await watchDisk(root);
    disk.before = (call) => {
      const isTheObject = call.to?.endsWith('/1/b/a/b') || call.name === 'writeFile';
      if (call.name === step && isTheObject) throw diskError('EIO', call);
    };
    for (let times = 0; times < 3; times++) {
      await expect(put(store, 'a/b', true, patternBytes(times, 100))).rejects.toMatchObject({ code: 'EIO' });
    }
    disk.before = () => {};
    expect(await fileStore(root).statObject(at('a/b'))).toMatchObject({ ...KNOWN, attributes: 'a/b' });
    await put(store, 'a/b', true, patternBytes(3, 100));
    expect((await store.statObject(at('a/b')))?.sha).toBe(sha1(patternBytes(3, 100)));
  }
});
