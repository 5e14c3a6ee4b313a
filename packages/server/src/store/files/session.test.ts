import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { watchDisk } from '../../testing/disk.ts';
import { temporaryDir } from '../../testing/server.ts';
import { fileStore } from './file-store.ts';
import { openFileSession, type SessionHost } from './session.ts';
import { FILES, type SessionMeta } from './session-files.ts';

const meta: SessionMeta = {
  id: 'id',
  target: { appId: '1', bucket: 'b', path: 'x' },
  sizeBytes: 3,
  sliceSizeBytes: 3,
  overwrite: true,
  createdAtMs: 1,
};

/** A session whose only slice is stored, and whose place allows what the test makes of it. */
async function setUp(place: SessionHost['place'], spool?: string) {
  const dir = join(await temporaryDir(), 'session');
  await mkdir(dir);
  await writeFile(join(dir, FILES.meta), JSON.stringify(meta));
  await writeFile(join(dir, FILES.data), 'abc');
  await writeFile(join(dir, FILES.journal), '0 - 1\n');
  const notNeeded = () => Promise.reject(new Error('not needed'));
  const session = await openFileSession(dir, meta, {
    fsync: false,
    checker: { matches: notNeeded, close: notNeeded },
    newHolder: () => 'me',
    newSpool: notNeeded,
    newSpoolPath: () => spool ?? join(dir, '../spool'),
    place,
    lock: (task) => task(),
  });
  const hasEnded = () =>
    session.snapshot().then(
      () => false,
      () => true,
    );
  return { dir, session, hasEnded };
}

const info = { sizeBytes: 3, modifiedAtMs: 1, revision: 'r' };

test('is over once its file is in place, even if its directory cannot be moved away', async () => {
  const place = async (dataPath: string) => {
    await rename(dataPath, join(dataPath, '../../object'));
    return info;
  };
  const { dir, session, hasEnded } = await setUp(place, join(await temporaryDir(), 'x'.repeat(300)));
  expect(await session.complete({})).toEqual(info);
  expect(await hasEnded()).toBe(true);
  expect(await readFile(join(dir, '../object'), 'utf8')).toBe('abc');
  await expect(session.complete({})).rejects.toMatchObject({ problem: 'gone' });
});

test('is over once its file is in place, even if its data has kept its name', async () => {
  const { session, hasEnded } = await setUp(async () => info);
  expect(await session.complete({})).toEqual(info);
  expect(await hasEnded()).toBe(true);
});

test('is over when something fails after its file was put in place, and lives on when it fails before', async () => {
  for (const isMoved of [true, false]) {
    const { session, hasEnded } = await setUp(async (dataPath) => {
      if (isMoved) await rename(dataPath, join(dataPath, '../../object'));
      throw new Error('no space');
    });
    await expect(session.complete({})).rejects.toThrow('no space');
    expect(await hasEnded()).toBe(isMoved);
  }
});

test('is never handed to two who open one at the same path, whatever becomes of the first', async () => {
  const root = await temporaryDir();
  const [one, other] = [fileStore(root, { fsync: true }), fileStore(root)];
  await one.open();
  const init = { target: meta.target, sizeBytes: 3, sliceSizeBytes: 3, overwrite: true, createdAtMs: 1 };
  const disk = await watchDisk(root);
  let theirs: { created: boolean; session: { id: string } } | undefined;
  disk.before = async ({ name, path }) => {
    if (name !== 'sync' || !path.endsWith('/sessions')) return;
    disk.before = () => {};
    // Between its coming into being and the first look at it.
    await (await other.findSession(meta.target))?.discard();
    theirs = await other.createSession(init);
  };
  const mine = await one.createSession(init);
  expect(theirs?.created).toBe(true);
  expect(mine).toMatchObject({ created: false, session: { id: theirs?.session.id } });
  await Promise.all([one.close(), other.close()]);
});
