import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type ClientOptions,
  type CopyDirectoryOptions,
  copyDirectory,
  createFileResumeStore,
  createSigner,
  type DirectoryEvent,
} from '@cos-slice/node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ACCOUNT, type RunningStore, startStore } from './support/store.ts';

const MIB = 1024 * 1024;

let folder: string;
let one: RunningStore;
let other: RunningStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-copies-'));
  one = await startStore(join(folder, 'one'));
  other = await startStore(join(folder, 'other'));
});
afterEach(async () => {
  await Promise.all([one.close(), other.close()]);
  await rm(folder, { recursive: true, force: true });
});

/** A client of all that is in the bucket. */
const clientOf = ({ options }: RunningStore): ClientOptions => ({
  endpoint: options.endpoint,
  appId: ACCOUNT.appId,
  bucket: 'demobucket',
  signer: createSigner({ ...ACCOUNT, bucket: 'demobucket', bound: false }),
  resume: createFileResumeStore({ dir: join(folder, 'state') }),
});
async function put(store: RunningStore, path: string, content: Buffer | string = path): Promise<void> {
  const file = store.file(path);
  await mkdir(path.endsWith('/') ? file : dirname(file), { recursive: true });
  if (!path.endsWith('/')) await writeFile(file, content);
}
const copy = (options: CopyDirectoryOptions) => copyDirectory(clientOf(one), clientOf(other), options);

test('a directory is copied with all that is in it, and nothing when it is there', async () => {
  const big = randomBytes(5 * MIB + 1);
  for (const path of ['top/a.txt', 'top/ü +%25.txt', 'top/deep/er/b.txt', 'top/empty/', 'beside.txt'])
    await put(one, path);
  await put(one, 'top/big.bin', big);
  await put(one, 'top/nothing.bin', '');
  const events: DirectoryEvent[] = [];
  const result = await copy({ from: 'top/', to: 'to/here', onEntry: (event) => events.push(event) }).done;
  expect(result).toMatchObject({ transferred: { files: 5 }, skipped: { files: 0 }, failed: 0, created: 1 });
  for (const path of ['a.txt', 'ü +%25.txt', 'deep/er/b.txt']) {
    expect((await other.read(`to/here/${path}`)).toString()).toBe(`top/${path}`);
  }
  expect((await other.read('to/here/big.bin')).equals(big)).toBe(true);
  expect((await stat(other.file('to/here/empty'))).isDirectory()).toBe(true);
  expect(events).toContainEqual({ type: 'transferred', path: 'deep/er/b.txt', sizeBytes: 17, resumedBytes: 0 });
  const again = await copy({ from: 'top/', to: '/to/here/' }).done;
  expect(again).toMatchObject({ transferred: { files: 0 }, skipped: { files: 5 }, created: 0, movedBytes: 0 });
});

test('what differs is replaced, what is extra removed, and with dryRun only told', async () => {
  for (const path of ['a', 'b', 'kept/c']) await put(one, path);
  await copy({}).done;
  await put(one, 'b', 'more than before');
  await put(other, 'extra/deep/d');
  await put(other, 'kept/e.tmp');
  const dry = await copy({ deleteExtra: true, exclude: ['*.tmp'], dryRun: true }).done;
  expect(dry).toMatchObject({ transferred: { files: 1 }, movedBytes: 0, deleted: 3 });
  expect((await other.read('b')).toString()).toBe('b');
  const wet = await copy({ deleteExtra: true, exclude: ['*.tmp'] }).done;
  expect(wet).toMatchObject({ transferred: { files: 1 }, skipped: { files: 2 } });
  expect((await other.read('b')).toString()).toBe('more than before');
  expect((await other.read('kept/e.tmp')).toString()).toBe('kept/e.tmp');
  await expect(stat(other.file('extra'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('existing files stay with skip existing; same-content goes by what the servers know', async () => {
  await put(one, 'a', 'new');
  await put(other, 'a', 'old');
  expect(await copy({ skip: 'existing' }).done).toMatchObject({ transferred: { files: 0 }, skipped: { files: 1 } });
  expect((await other.read('a')).toString()).toBe('old');
  expect(await copy({ skip: 'same-size' }).done).toMatchObject({ skipped: { files: 1 } });
  expect(await copy({ skip: 'same-content' }).done).toMatchObject({ transferred: { files: 1 } });
  expect((await other.read('a')).toString()).toBe('new');
});

test('a large file that was half copied is gone on with', async () => {
  const content = randomBytes(12 * MIB);
  await put(one, 'large.bin', content);
  const cancel = new AbortController();
  const left = new Error('it ends here');
  const first = copy({ from: 'large.bin', to: 'copy.bin', signal: cancel.signal, sliceSize: MIB });
  first.subscribe(({ active }) => {
    if ((active[0]?.doneBytes ?? 0) > 3 * MIB) cancel.abort(left);
  });
  await expect(first.done).rejects.toBe(left);
  const events: DirectoryEvent[] = [];
  const second = copy({ from: 'large.bin', to: 'copy.bin', sliceSize: MIB, onEntry: (event) => events.push(event) });
  const { movedBytes } = await second.done;
  expect((await other.read('copy.bin')).equals(content)).toBe(true);
  const resumedBytes = events.map((event) => (event.type === 'transferred' ? event.resumedBytes : 0))[0] ?? 0;
  expect(resumedBytes).toBeGreaterThan(0);
  expect(movedBytes).toBe(content.length - resumedBytes);
});

test('within one bucket the server copies by itself', async () => {
  const content = randomBytes(3 * MIB);
  await put(one, 'from/a.bin', content);
  const { transferred, movedBytes } = await copyDirectory(clientOf(one), clientOf(one), { from: 'from/', to: 'to' })
    .done;
  expect([transferred.files, movedBytes]).toEqual([1, 0]);
  expect((await one.read('to/a.bin')).equals(content)).toBe(true);
  expect(() => copyDirectory(clientOf(one), clientOf(one), { from: 'from/', to: 'from/in' })).toThrow(
    /must not be what is copied/,
  );
});

test('what is not there, and what cannot be, is told', async () => {
  await expect(copy({ from: 'none' }).done).rejects.toMatchObject({ code: 'not-found' });
  await expect(copy({ from: 'none/' }).done).rejects.toMatchObject({ code: 'not-found' });
  expect(() => copy({ include: ['['] })).toThrow(/include/);
});
