import fs from 'node:fs';
import { chmod, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { patternBytes, sha1 } from '../../testing/content.ts';
import { diskError, watchDisk } from '../../testing/disk.ts';
import { temporaryDir } from '../../testing/server.ts';
import type { Store, Target } from '../store.ts';
import { fileStore } from './file-store.ts';
import { createLayout } from './layout.ts';
import { placeSmall } from './place-small.js';

const KIB = 1024;
const at = (path: string): Target => ({ appId: '1', bucket: 'b', path });

async function put(store: Store, path: string, pieces: readonly Uint8Array[], overwrite = false): Promise<void> {
  const spool = await store.createSpool();
  for (const piece of pieces) await spool.write(piece);
  const sha = sha1(Buffer.concat(pieces));
  await store.putObject(at(path), spool, { sha, attributes: `of ${path}` }, overwrite);
}

async function read(store: Store, path: string): Promise<Buffer> {
  const opened = await store.openObject(at(path));
  const { sizeBytes } = opened?.info ?? { sizeBytes: 0 };
  const chunks: Uint8Array[] = [];
  if (sizeBytes > 0) for await (const chunk of opened?.stream(0, sizeBytes - 1) ?? []) chunks.push(chunk as Uint8Array);
  await opened?.close();
  return Buffer.concat(chunks);
}

async function setUp() {
  const root = await temporaryDir();
  const store = fileStore(root);
  onTestFinished(() => store.close());
  await put(store, 'dir/first', [patternBytes(0, 10)]);
  const spool = () => readdir(join(root, '.cos-slice/spool'));
  return { root, store, spool };
}

test('small objects beside others are put in place by a thread of their own, many at a time', async () => {
  const { root, store, spool } = await setUp();
  const disk = await watchDisk(root);
  const contents = Array.from({ length: 200 }, (_, index) => patternBytes(index, index * 301));
  await Promise.all(contents.map((bytes, index) => put(store, `dir/${index}`, [bytes], index % 2 === 0)));
  // Those for which there was no room went the other way.
  expect(disk.calls.filter(({ name }) => name === 'open').length).toBeLessThanOrEqual(200 - 64);
  disk.calls.length = 0;
  await put(store, 'dir/alone', [patternBytes(300, 305), patternBytes(305, 312)]);
  expect(disk.calls).toEqual([]);
  expect(await read(store, 'dir/alone')).toEqual(patternBytes(300, 312));
  for (const [index, bytes] of contents.entries()) {
    expect(await store.statObject(at(`dir/${index}`))).toMatchObject({
      sizeBytes: bytes.length,
      sha: sha1(bytes),
      attributes: `of dir/${index}`,
    });
    expect((await read(store, `dir/${index}`)).equals(bytes)).toBe(true);
  }
  expect(await spool()).toEqual([]);
  expect(
    await store.copyKnown(at('dir/copy'), { sha: sha1(contents[9] as Buffer), sizeBytes: 2700 }, () => true, {}, false),
  ).toMatchObject({ sizeBytes: 2700 });
});

test.each([[[64 * KIB]], [[64 * KIB + 1]], [[1, 64 * KIB - 1, 1, 5000]], [[64 * KIB, 1, 1, 600 * KIB, 3]]])(
  'content of %j bytes arrives whole, wherever it is kept',
  async (sizes) => {
    const { store, spool } = await setUp();
    const pieces = sizes.map((sizeBytes, index) => patternBytes(index, index + sizeBytes));
    const bytes = Buffer.concat(pieces);
    const kept = await store.createSpool();
    // Nobody has to wait between two pieces.
    await Promise.all(pieces.map((piece) => kept.write(piece)));
    expect(kept.sizeBytes).toBe(bytes.length);
    const seen: Uint8Array[] = [];
    for await (const chunk of kept.read()) seen.push(Buffer.from(chunk));
    expect(Buffer.concat(seen).equals(bytes)).toBe(true);
    await store.putObject(at('dir/file'), kept, {}, false);
    expect((await read(store, 'dir/file')).equals(bytes)).toBe(true);
    expect(await spool()).toEqual([]);
  },
);

test('memory of content that is dropped is for the next', async () => {
  const { root, store, spool } = await setUp();
  for (let count = 0; count < 200; count++) {
    const kept = await store.createSpool();
    await kept.write(patternBytes(0, 100));
    await kept.abort();
    await kept.abort();
  }
  const disk = await watchDisk(root);
  await put(store, 'dir/next', [patternBytes(0, 100)]);
  expect(disk.calls).toEqual([]);
  expect(await spool()).toEqual([]);
});

describe('what small objects cannot do', () => {
  test.each([false, true])('overwriting %s, they replace what is there only when told so', async (overwrite) => {
    const { store, spool } = await setUp();
    const putting = put(store, 'dir/first', [patternBytes(5, 20)], overwrite);
    if (overwrite) await putting;
    else await expect(putting).rejects.toMatchObject({ problem: 'exists' });
    expect(await read(store, 'dir/first')).toEqual(overwrite ? patternBytes(5, 20) : patternBytes(0, 10));
    expect(await spool()).toEqual([]);
  });

  test('is to take the place of a directory, or of what is above them', async () => {
    const { store, spool } = await setUp();
    for (const path of ['dir', 'dir/first/below']) {
      for (const overwrite of [false, true]) {
        await expect(put(store, path, [patternBytes(0, 5)], overwrite)).rejects.toMatchObject({
          problem: 'path-conflict',
        });
      }
    }
    expect(await spool()).toEqual([]);
  });

  test('is to follow a link out of the bucket', async () => {
    const { root, store } = await setUp();
    await mkdir(join(root, 'outside'));
    await symlink(join(root, 'outside'), join(root, '1/b/link'));
    await expect(put(store, 'link/file', [patternBytes(0, 5)], true)).rejects.toMatchObject({
      problem: 'path-conflict',
    });
    expect(await readdir(join(root, 'outside'))).toEqual([]);
    await put(store, 'dir/second', [patternBytes(0, 5)]);
    expect(await read(store, 'dir/second')).toEqual(patternBytes(0, 5));
  });

  test('is to be there twice: of many at one path, by two servers, one is put', async () => {
    const { root, store, spool } = await setUp();
    const other = fileStore(root);
    onTestFinished(() => other.close());
    const all = Array.from({ length: 40 }, (_, index) => patternBytes(index, index + 100));
    const ends = await Promise.allSettled(
      all.map((bytes, index) => put(index % 2 ? other : store, 'dir/one', [bytes])),
    );
    const stored = all.filter((_, index) => ends[index]?.status === 'fulfilled');
    expect(stored).toEqual([await read(store, 'dir/one')]);
    for (const end of ends) if (end.status === 'rejected') expect(end.reason).toMatchObject({ problem: 'exists' });
    expect(await spool()).toEqual([]);
  });

  test.skipIf(process.getuid?.() === 0)('is to hide that a folder cannot be written to', async () => {
    const { root, store, spool } = await setUp();
    await chmod(join(root, '1/b/dir'), 0o555);
    await expect(put(store, 'dir/second', [patternBytes(0, 5)])).rejects.toMatchObject({ code: 'EACCES' });
    expect(await spool()).toEqual([]);
  });
});

const CHANGES = ['openSync', 'writeSync', 'writeFileSync', 'renameSync', 'linkSync', 'unlinkSync', 'rmSync'] as const;

/** Runs `act` with a disk that meets each change with `meet`, which is told its number. @returns how many there were */
function meetChanges(meet: (number: number, name: string) => void, act: () => void): number {
  const originals = CHANGES.map((name) => [name, fs[name]] as const);
  let count = 0;
  for (const [name, original] of originals) {
    const changed = (...args: never[]) => {
      meet(++count, name);
      return (original as (...args: never[]) => unknown)(...args);
    };
    Object.assign(fs, { [name]: changed });
  }
  syncBuiltinESMExports();
  try {
    act();
  } finally {
    Object.assign(fs, Object.fromEntries(originals));
    syncBuiltinESMExports();
  }
  return count;
}

describe.each([false, true])('overwriting %s, at each change to the disk', (overwrite) => {
  const bytes = patternBytes(7, 5000);

  async function placeWith(meet: (number: number, name: string) => void) {
    const { root, spool } = await setUp();
    const layout = createLayout(root);
    const object = {
      path: layout.objectPath(at('dir/file')),
      spoolPath: layout.newSpoolPath(),
      labelsPath: layout.labelsPath(at('dir/file')),
      notePath: layout.contentPath(at('dir/file'), sha1(bytes)),
      labels: { sha: sha1(bytes), attributes: 'of dir/file', path: 'dir/file' },
      overwrite,
    };
    const count = meetChanges(meet, () => placeSmall(object, bytes));
    const next = fileStore(root);
    onTestFinished(() => next.close());
    const info = await next.statObject(at('dir/file'));
    const seen = await readFile(object.path).catch(() => undefined);
    if (seen) expect(seen).toEqual(bytes);
    expect(info).toEqual(seen && expect.objectContaining({ sha: sha1(bytes), attributes: 'of dir/file' }));
    /** Whoever asks again gets what was asked for. */
    const again = async () => {
      await put(next, 'dir/file', [bytes], overwrite).catch((error) =>
        expect(error).toMatchObject({ problem: 'exists' }),
      );
      expect(await next.statObject(at('dir/file'))).toMatchObject({ sha: sha1(bytes), attributes: 'of dir/file' });
      expect(await read(next, 'dir/file')).toEqual(bytes);
    };
    return { count, next, spool, again };
  }

  test('the thread may die: there is the whole object or none, and nothing is left', async () => {
    const { count } = await placeWith(() => {});
    expect(count).toBeGreaterThan(3);
    for (let last = 1; last <= count; last++) {
      const { next, spool, again } = await placeWith((number) => {
        if (number >= last) throw new Error('dead');
      });
      vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 2 * 3600_000);
      await next.tidy?.();
      vi.restoreAllMocks();
      expect(await spool(), `died at ${last}`).toEqual([]);
      await again();
    }
  });

  test('the disk may fail: there is the whole object or none, and nothing is left', async () => {
    const { count } = await placeWith(() => {});
    for (let failing = 1; failing <= count; failing++) {
      let failed = '';
      const { spool, again } = await placeWith((number, name) => {
        if (number !== failing) return;
        failed = name;
        throw diskError('ENOSPC');
      });
      // What cannot even be removed is left to the sweep.
      if (failed !== 'unlinkSync') expect(await spool(), `${failed} failed`).toEqual([]);
      await again();
    }
  });
});
