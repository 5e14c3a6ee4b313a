import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { patternBytes, sha1 } from '../../testing/content.ts';
import { temporaryDir } from '../../testing/server.ts';
import type { Store, Target } from '../store.ts';
import { createDirectories } from './directories.ts';
import { fileStore } from './file-store.ts';
import { createLabels } from './labels.ts';
import { createLayout } from './layout.ts';
import { createObjects } from './objects.ts';
import { createReach } from './reach.ts';

const at = (path: string): Target => ({ appId: '1', bucket: 'b', path });

async function put(store: Store, path: string, seed: number): Promise<string> {
  const bytes = patternBytes(seed, seed + 1000);
  const spool = await store.createSpool();
  await spool.write(bytes);
  const sha = sha1(bytes);
  await store.putObject(at(path), spool, { sha }, true);
  return sha;
}

/** How many notes there are of where content is. */
async function setUp() {
  const dir = await temporaryDir();
  const store = fileStore(dir);
  return { store, dir, notes: async () => (await readdir(join(dir, '.cos-slice/content'))).length };
}

test('no note of where content is outlives the content there', async () => {
  const { store, notes } = await setUp();
  await put(store, 'deleted', 1);
  await put(store, 'replaced', 2);
  await put(store, 'dir/moved', 3);
  expect(await notes()).toBe(3);
  await store.deleteObject(at('deleted'));
  expect(await notes()).toBe(2);
  await put(store, 'replaced', 4);
  expect(await notes()).toBe(2);
  await store.moveObject(at('dir/moved'), at('dir/here'), 's', false);
  expect(await notes()).toBe(2);
  await store.directories.move(at('dir'), at('there'), 's');
  expect(await notes()).toBe(1);
  await store.deleteObject(at('there/here'));
  await store.deleteObject(at('replaced'));
  expect(await notes()).toBe(0);
});

test('what a server that died in a deletion has left goes when the deletion is asked for again', async () => {
  const { store, dir, notes } = await setUp();
  await put(store, 'dir/x', 1);
  await rm(join(dir, '1/b/dir/x'));
  expect(await store.deleteObject(at('dir/x'))).toBe(false);
  expect([...(await readdir(join(dir, '.cos-slice/objects'))), ...(await readdir(join(dir, '1/b')))]).toEqual([]);
  expect(await notes()).toBe(0);
});

test("a directory that goes while somebody looks at it is in nobody's way", async () => {
  const dir = await temporaryDir();
  const layout = createLayout(dir);
  const last = join(dir, '1/b/dir');
  await mkdir(last, { recursive: true });
  const real = createReach(layout);
  const reach = {
    ...real,
    async deepestAbove(target: Target) {
      const found = await real.deepestAbove(target);
      await rm(last, { recursive: true, force: true });
      return found;
    },
  };
  const objects = createObjects({
    layout,
    labels: createLabels(layout, false),
    directories: createDirectories(dir, false, async () => false),
    reach,
    fsync: false,
  });
  await objects.checkVacant(at('dir/next'), false);
});

test('a note of content that is elsewhere, too, stays', async () => {
  const { store, notes } = await setUp();
  const sha = await put(store, 'first', 1);
  await put(store, 'second', 1);
  await store.deleteObject(at('first'));
  expect(await notes()).toBe(1);
  const known = { sha, sizeBytes: 1000 };
  expect(await store.copyKnown(at('third'), known, () => true, { sha }, false)).toMatchObject({ sha });
});

test('a note is a second name of the labels, and those of older versions, which were files of their own, still lead to the content', async () => {
  const { store, dir } = await setUp();
  const sha = await put(store, 'first', 1);
  const note = join(dir, '.cos-slice/content', String((await readdir(join(dir, '.cos-slice/content')))[0]));
  expect((await stat(note)).nlink).toBe(2);
  const known = { sha, sizeBytes: 1000 };
  expect(await store.copyKnown(at('second'), known, () => true, { sha }, false)).toMatchObject({ sha });
  await rm(note);
  expect(await store.copyKnown(at('third'), known, () => true, { sha }, false)).toBeUndefined();
  await writeFile(note, JSON.stringify({ path: 'first' }));
  expect(await store.copyKnown(at('third'), known, () => true, { sha }, false)).toMatchObject({ sha });
});
