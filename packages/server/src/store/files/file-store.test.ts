import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { patternBytes, sha1 } from '../../testing/content.ts';
import { temporaryDir } from '../../testing/server.ts';
import { describeStore } from '../../testing/store-contract.ts';
import type { Session, SessionInit, Store, Target } from '../store.ts';
import { fileStore } from './file-store.ts';

const BYTES = patternBytes(0, 200_000);
const target: Target = { appId: '1', bucket: 'b', path: 'x.bin' };
const init: SessionInit = { target, sizeBytes: BYTES.length, sliceSizeBytes: 65536, overwrite: false, createdAtMs: 1 };

describeStore('fileStore', async () => {
  const dir = await temporaryDir();
  return { open: () => fileStore(dir) };
});

describeStore('fileStore with fsync', async () => {
  const dir = await temporaryDir();
  return { open: () => fileStore(dir, { fsync: true }) };
});

test.runIf(process.platform === 'linux')('a place where nothing can be kept is noticed at once', async () => {
  for (const root of ['/proc', '/proc/cos-slice', '/proc/cos-slice/root']) {
    await expect(fileStore(root).open(), root).rejects.toMatchObject({ code: 'ENOENT' });
  }
  await expect(fileStore('/dev/null/root').open()).rejects.toMatchObject({ code: 'EEXIST' });
});

test('makes its place even when several ask for it at once', async () => {
  for (let round = 0; round < 20; round++) {
    const root = join(await temporaryDir(), 'a/b/c');
    await Promise.all([1, 2, 3, 4].map(() => fileStore(root).open()));
    expect((await readdir(join(root, '.cos-slice'))).sort()).toEqual([
      'content',
      'directories',
      'objects',
      'sessions',
      'spool',
    ]);
  }
});

test('clears away what a crash has left, and nothing that may be in use', async () => {
  const dir = await temporaryDir();
  const spool = join(dir, '.cos-slice/spool');
  await mkdir(spool, { recursive: true });
  for (const name of ['old', 'young']) await writeFile(join(spool, name), 'x');
  await utimes(join(spool, 'old'), 1, 1);
  await fileStore(dir).statObject(target);
  expect(await readdir(spool)).toEqual(['young']);
});

test('opens whatever lies in the spool, and clears away what it can', async () => {
  const dir = await temporaryDir();
  const spool = join(dir, '.cos-slice/spool');
  await mkdir(join(spool, 'draft/deep'), { recursive: true });
  await symlink('/nowhere', join(spool, 'link'));
  const store = fileStore(dir);
  await store.open();
  for (const name of ['one', 'draft']) {
    await writeFile(join(spool, name), 'x').catch(() => {});
    await utimes(join(spool, name), 1, 1);
  }
  await store.tidy?.();
  expect(await readdir(spool)).toEqual(['link']);
});

test.each<[cut: string, cut: (states: Buffer) => Buffer]>([
  ['empty', (states) => states.subarray(0, 0)],
  ['cut off', (states) => states.subarray(0, 30)],
  ['too long', (states) => Buffer.concat([states, states])],
  ['zeros at their end', (states) => Buffer.concat([states.subarray(0, 40), Buffer.alloc(20)])],
])('checkpoints that are %s are none: the session goes on, and its end checks the whole file', async (_, cut) => {
  for (const isRight of [true, false]) {
    const dir = await temporaryDir();
    const states = patternBytes(1, 61);
    const checked = { ...init, sha: sha1(isRight ? BYTES : patternBytes(1, 100)) };
    const { session } = await fileStore(dir).createSession(checked, { stepBytes: 65536, states });
    await writeFile(join(dir, '.cos-slice/sessions', session.id.slice(0, 40), 'checkpoints'), cut(states));
    const again = (await fileStore(dir).findSession(target)) as Session;
    expect(again.id).toBe(session.id);
    await putAll(again);
    const completed = again.complete({ sha: checked.sha });
    if (isRight) expect(await completed).toMatchObject({ sha: checked.sha });
    else await expect(completed).rejects.toMatchObject({ problem: 'mismatch' });
  }
});

test.each(['', '{', 'null', '[]', '{}', '{"id":7}', '{"id":"x","target":{}}', '\0\0\0\0'])(
  'a session whose meta.json holds %j is none, and gives way to a new one',
  async (broken) => {
    const dir = await temporaryDir();
    const { session } = await fileStore(dir).createSession(init);
    const meta = join(dir, '.cos-slice/sessions', session.id.slice(0, 40), 'meta.json');
    await writeFile(meta, broken);
    const store = fileStore(dir);
    expect(await store.findSession(target)).toBeUndefined();
    const { created, session: next } = await store.createSession({ ...init, sizeBytes: 65536 });
    expect(created).toBe(true);
    await putAll(next);
    await next.complete({});
    expect(await filesIn(join(dir, '.cos-slice/spool'))).toEqual([]);
    expect(await readdir(join(dir, '.cos-slice/sessions'))).toEqual([]);
  },
);

test('one session that cannot be read hides no other, and goes when it has been there for long', async () => {
  const dir = await temporaryDir();
  const store = fileStore(dir);
  for (const path of ['a', 'b', 'c']) await store.createSession({ ...init, target: { ...target, path } });
  const sessions = join(dir, '.cos-slice/sessions');
  const names = await readdir(sessions);
  const [torn, unreadable] = names as [string, string];
  await writeFile(join(sessions, torn, 'meta.json'), '');
  await utimes(join(sessions, torn), 1, 1);
  await rm(join(sessions, unreadable, 'journal'));
  await mkdir(join(sessions, unreadable, 'journal'));
  await writeFile(join(sessions, 'stray'), 'x');
  const found = [];
  for await (const session of fileStore(dir).sessions()) found.push(session.id.slice(0, 40));
  expect(found).toEqual(names.slice(2));
  expect((await readdir(sessions)).sort()).toEqual([...names.slice(1), 'stray'].sort());
});

test.each(['', '[', '7', '{"revision":1}', '[{"revision":"x","sha":{}}]'])(
  'labels that hold %j are none, and are healed by the next put',
  async (broken) => {
    const dir = await temporaryDir();
    const store = fileStore(dir);
    await put(store, 'x.bin', sha1(BYTES));
    for (const folder of ['objects', 'content']) {
      const [name] = (await readdir(join(dir, '.cos-slice', folder))) as [string];
      await writeFile(join(dir, '.cos-slice', folder, name), broken);
    }
    const known = { sha: sha1(BYTES), sizeBytes: BYTES.length };
    expect(await store.statObject(target)).toMatchObject({ sizeBytes: BYTES.length, sha: undefined });
    expect(await store.copyKnown({ ...target, path: 'copy' }, known, () => true, {}, false)).toBeUndefined();
    await put(store, 'x.bin', sha1(BYTES));
    expect((await store.statObject(target))?.sha).toBe(sha1(BYTES));
    expect((await store.copyKnown({ ...target, path: 'copy' }, known, () => true, {}, false))?.sha).toBe(sha1(BYTES));
  },
);

async function putAll(session: Session): Promise<void> {
  for (let index = 0; index < session.sliceCount; index++) {
    const writer = await session.openSlice(index);
    await writer.write(BYTES.subarray(index * 65536, (index + 1) * 65536));
    await writer.commit({ atMs: 1 });
  }
}

async function put(store: Store, path: string, sha?: string): Promise<void> {
  const spool = await store.createSpool();
  await spool.write(BYTES);
  await store.putObject({ ...target, path }, spool, { sha }, true);
}

/** Every file below the directory. */
async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

describe('fileStore on disk', () => {
  test('keeps objects as plain files, and nothing else outside .cos-slice', async () => {
    const dir = await temporaryDir();
    const store = fileStore(dir);
    const { session } = await store.createSession(init);
    await putAll(session);
    await session.complete({ sha: sha1(BYTES) });
    expect((await readFile(join(dir, '1/b/x.bin'))).equals(BYTES)).toBe(true);
    expect((await readdir(dir)).sort()).toEqual(['.cos-slice', '1']);
    expect(await readdir(join(dir, '.cos-slice/sessions'))).toEqual([]);
    expect(await readdir(join(dir, '.cos-slice/spool'))).toEqual([]);
  });

  test('puts many objects at once into directories that are not there yet', async () => {
    const store = fileStore(await temporaryDir());
    for (let round = 0; round < 40; round++) {
      const at = (index: number) => `new-${round}/deep/${index}.bin`;
      const done = put(store, at(0));
      const looks = async (index: number) => {
        for (let times = 0; times < 20; times++) await store.checkVacant({ ...target, path: at(index) }, true);
        await put(store, at(index));
      };
      await Promise.all([done, looks(1), looks(2), looks(3)]);
    }
    expect((await store.statObject({ ...target, path: 'new-39/deep/3.bin' }))?.sizeBytes).toBe(BYTES.length);
  });

  test('survives a journal whose last line is torn', async () => {
    const dir = await temporaryDir();
    const { session } = await fileStore(dir).createSession(init);
    await putAll(session);
    const sessions = join(dir, '.cos-slice/sessions');
    const [name] = (await readdir(sessions)) as [string];
    const journal = join(sessions, name, 'journal');
    await truncate(journal, (await readFile(journal)).length - 2);
    const again = (await fileStore(dir).findSession(target)) as Session;
    expect((await again.snapshot()).storedCount).toBe(session.sliceCount - 1);
    await putAll(again);
    await appendFile(journal, '2 v 17');
    const last = (await fileStore(dir).findSession(target)) as Session;
    expect((await last.snapshot()).storedCount).toBe(session.sliceCount);
    expect((await session.snapshot()).storedCount).toBe(session.sliceCount);
  });

  test('takes up a completion that a crash cut short, before and after the file was in place', async () => {
    for (const crashed of ['link', 'rename'] as const) {
      const dir = await temporaryDir();
      const store = fileStore(dir);
      const { session } = await store.createSession({ ...init, overwrite: crashed === 'rename' });
      await putAll(session);
      const [name] = (await readdir(join(dir, '.cos-slice/sessions'))) as [string];
      const path = join(dir, '.cos-slice/sessions', name);
      const kept = await Promise.all(
        ['meta.json', 'journal'].map(async (file) => [file, await readFile(join(path, file))] as const),
      );
      await session.complete({});
      await mkdir(path);
      for (const [file, bytes] of kept) await writeFile(join(path, file), bytes);
      if (crashed === 'link') await writeFile(join(path, 'data'), BYTES);
      const again = fileStore(dir);
      expect(await again.getSession(session.id)).toBeUndefined();
      expect((await again.statObject(target))?.session).toBe(session.id);
      expect(await readdir(join(dir, '.cos-slice/sessions'))).toEqual([]);
    }
  });

  test('forgets what it knew of a file that someone else changed', async () => {
    const dir = await temporaryDir();
    const store = fileStore(dir);
    const known = { sha: sha1(BYTES), sizeBytes: BYTES.length };
    await put(store, 'a', known.sha);
    await writeFile(join(dir, '1/b/a'), Buffer.alloc(BYTES.length));
    await utimes(join(dir, '1/b/a'), 1, 1);
    expect((await store.statObject({ ...target, path: 'a' }))?.sha).toBeUndefined();
    expect(await store.copyKnown(target, known, () => true, {}, false)).toBeUndefined();
    expect(await filesIn(join(dir, '.cos-slice/spool'))).toEqual([]);
  });

  test('does not follow links out of a bucket, nor anywhere', async () => {
    const dir = await temporaryDir();
    const outside = await temporaryDir();
    const store = fileStore(dir);
    await put(store, 'file');
    await writeFile(join(outside, 'secret'), 'secret');
    await symlink(outside, join(dir, '1/b/link'));
    await symlink(join(outside, 'secret'), join(dir, '1/b/leaf'));
    await symlink(join(outside, 'nowhere'), join(dir, '1/b/dangling'));
    for (const path of ['link/secret', 'leaf', 'dangling', 'dangling/x', 'link/new/deep']) {
      const at = { ...target, path };
      expect(await store.openObject(at), path).toBeUndefined();
      expect(await store.deleteObject(at), path).toBe(false);
      await expect(store.checkVacant(at, true), path).rejects.toMatchObject({ problem: 'path-conflict' });
      await expect(put(store, path), path).rejects.toMatchObject({ problem: 'path-conflict' });
    }
    expect(await readdir(outside)).toEqual(['secret']);
    expect(await readlink(join(dir, '1/b/leaf'))).toBe(join(outside, 'secret'));
    expect(await filesIn(join(dir, '.cos-slice/spool'))).toEqual([]);
  });

  test('leaves no directories behind when putting fails', async () => {
    const dir = await temporaryDir();
    const store = fileStore(dir);
    await put(store, 'file');
    await expect(put(store, 'file/a/b')).rejects.toThrow();
    await expect(put(store, `new/deep/${'x'.repeat(300)}`)).rejects.toThrow();
    expect(await readdir(join(dir, '1/b'))).toEqual(['file']);
  });

  test('does not keep files open', async () => {
    const dir = await temporaryDir();
    const store = fileStore(dir);
    const open = async () => {
      const links = await Promise.all(
        (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
      );
      return links.filter((link) => link.startsWith(dir));
    };
    const { session } = await store.createSession(init);
    const aborted = await session.openSlice(0);
    const aside = await session.openSlice(0);
    await aborted.write(BYTES.subarray(0, 10));
    await aside.write(BYTES.subarray(0, 10));
    await Promise.all([aborted.abort(), aside.abort()]);
    await putAll(session);
    await session.complete({});
    await (await store.createSpool()).abort();
    await (await store.openObject(target))?.close();
    await store.close();
    expect(await open()).toEqual([]);
  });
});
