import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { diskError, watchDisk } from '../../testing/disk.ts';
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
async function setUp(place: SessionHost['place'], trash?: string) {
  let names = 0;
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
    // The first one is for the data, the next one for what is left of the session.
    newSpoolPath: () => (++names > 1 && trash !== undefined ? trash : join(dir, `../spool-${names}`)),
    place,
    lock: (task) => task(),
    lockObject: (task) => task(),
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
    await rename(dataPath, join(dataPath, '../object'));
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
      if (isMoved) await rename(dataPath, join(dataPath, '../object'));
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

test.each([true, false])(
  'does not put the data of another one in place that has come after it (links: %s)',
  async (hasLinks) => {
    const root = await temporaryDir();
    const [one, other] = [fileStore(root), fileStore(root)];
    const init = { target: meta.target, sizeBytes: 3, sliceSizeBytes: 3, overwrite: true, createdAtMs: 1 };
    const { session } = await one.createSession(init);
    const writer = await session.openSlice(0);
    await writer.write(Buffer.from('abc'));
    await writer.commit({ atMs: 1 });
    const disk = await watchDisk(root);
    let isReplaced = false;
    disk.before = async (call) => {
      if (call.name === 'link' && !hasLinks) throw diskError('EPERM', call);
      if (isReplaced || !call.path.endsWith('/data')) return;
      isReplaced = true;
      // Between the last look at the session and the first move.
      await (await other.findSession(meta.target))?.discard();
      await other.createSession(init);
    };
    await expect(session.complete({})).rejects.toMatchObject({ problem: 'gone' });
    expect(isReplaced).toBe(true);
    expect(await one.statObject(meta.target)).toBeUndefined();
    // The other one is as good as before.
    const theirs = await other.findSession(meta.target);
    const next = await theirs?.openSlice(0);
    await next?.write(Buffer.from('xyz'));
    await next?.commit({ atMs: 1 });
    expect(await theirs?.complete({})).toMatchObject({ sizeBytes: 3 });
    expect(await readFile(join(root, '1/b/x'), 'utf8')).toBe('xyz');
    await Promise.all([one.close(), other.close()]);
  },
);

test('is over when its data is gone, rather than gone at every finish and there in every list', async () => {
  const { dir, session, hasEnded } = await setUp(async () => info);
  await rename(join(dir, FILES.data), join(dir, '../in-the-hands-of-a-dead-process'));
  await expect(session.complete({})).rejects.toMatchObject({ problem: 'gone' });
  expect(await hasEnded()).toBe(true);
});
