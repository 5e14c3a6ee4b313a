import { mkdir, readdir, readlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileStore } from '../store/files/file-store.ts';
import { post } from '../testing/client.ts';
import { startServer, temporaryDir } from '../testing/server.ts';
import { signOnce } from '../testing/sign.ts';
import { createOnceRegister, type OnceRegister } from './once.ts';
import { fileOnceRegister } from './once-files.ts';

const NOW_SEC = 1_472_647_600;
const KEPT_SEC = 1200;
const use = (register: OnceRegister, id: string, atSec: number = NOW_SEC): Promise<boolean> =>
  register.use(id, atSec, atSec + KEPT_SEC);

describe.each<[name: string, create: () => Promise<OnceRegister>]>([
  ['in memory', async () => createOnceRegister()],
  [
    'in files',
    async () => {
      const dir = join(await temporaryDir(), 'once');
      return fileOnceRegister(async () => dir);
    },
  ],
])('a register %s', (_, create) => {
  test('takes each signature once', async () => {
    const register = await create();
    expect(await use(register, 'aa')).toBe(true);
    expect(await use(register, 'bb')).toBe(true);
    expect(await use(register, 'aa')).toBe(false);
    expect(await use(register, 'aa', NOW_SEC + KEPT_SEC - 1)).toBe(false);
  });

  test('takes one of many at once', async () => {
    const register = await create();
    const taken = await Promise.all(Array.from({ length: 50 }, () => use(register, 'aa')));
    expect(taken.filter(Boolean)).toHaveLength(1);
  });
});

describe('a register in files', () => {
  test('is shared by all on the same folder, and outlasts them', async () => {
    const dir = await temporaryDir();
    expect(
      await use(
        fileOnceRegister(async () => dir),
        'aa',
      ),
    ).toBe(true);
    expect(
      await use(
        fileOnceRegister(async () => dir),
        'aa',
      ),
    ).toBe(false);
  });

  test('forgets what its time alone does not let pass any more, and nothing else', async () => {
    const dir = await temporaryDir();
    const register = fileOnceRegister(async () => dir);
    await use(register, 'aa');
    await use(register, 'bb', NOW_SEC + 700);
    expect(await use(register, 'cc', NOW_SEC + KEPT_SEC + 1)).toBe(true);
    // Tidying happens now and then, and never too early.
    expect(await use(register, 'dd', NOW_SEC + KEPT_SEC + 700)).toBe(true);
    expect((await readdir(dir)).sort()).toEqual(['bb', 'cc', 'dd']);
  });

  test('looks for what is to be forgotten every ten minutes', async () => {
    const dir = await temporaryDir();
    const register = fileOnceRegister(async () => dir);
    await use(register, 'aa');
    await writeFile(join(dir, 'old'), '');
    await utimes(join(dir, 'old'), 1, 1);
    await use(register, 'bb', NOW_SEC + 599);
    expect(await readdir(dir)).toContain('old');
    await use(register, 'cc', NOW_SEC + 600);
    expect(await readdir(dir)).not.toContain('old');
  });

  test('takes no signature where it cannot be kept, for another reason than a full disk', async () => {
    const file = join(await temporaryDir(), 'file');
    await writeFile(file, '');
    const register = fileOnceRegister(async () => join(file, 'once'));
    await expect(use(register, 'aa')).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test('calls no signature used because the folder for them is a file', async () => {
    const file = join(await temporaryDir(), 'once');
    await writeFile(file, '');
    const register = fileOnceRegister(async () => file);
    await expect(use(register, 'aa')).rejects.toMatchObject({ code: 'EEXIST' });
  });

  test.runIf(process.platform === 'linux')('leaves no file open', async () => {
    const dir = await temporaryDir();
    const register = fileOnceRegister(async () => dir);
    for (const id of ['aa', 'bb', 'cc']) await use(register, id);
    const open = await Promise.all(
      (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    );
    expect(open.filter((path) => path.startsWith(dir))).toEqual([]);
  });

  test('is not stopped by what does not belong there', async () => {
    const dir = await temporaryDir();
    await mkdir(join(dir, 'folder'));
    await writeFile(join(dir, 'note'), 'x');
    expect(
      await use(
        fileOnceRegister(async () => dir),
        'aa',
      ),
    ).toBe(true);
  });
});

test('a one-time signature does not work again after a restart, nor at a second server on the same folder', async () => {
  const first = await startServer();
  const signature = signOnce('a');
  await post(first.urlOf('a'), { op: 'upload', filecontent: 'x' });
  expect((await post(first.urlOf('a'), { op: 'delete' }, signature)).json().code).toBe(0);

  const beside = await startServer({ store: fileStore(first.dir) });
  await post(beside.urlOf('a'), { op: 'upload', filecontent: 'again' });
  expect((await post(beside.urlOf('a'), { op: 'delete' }, signature)).json().code).toBe(-59);

  await first.server.close();
  const restarted = await startServer({ store: fileStore(first.dir) });
  expect((await post(restarted.urlOf('a'), { op: 'delete' }, signature)).json().code).toBe(-59);
  expect((await first.stored('a')).toString()).toBe('again');
});
