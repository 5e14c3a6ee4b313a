import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createObjectPaths, fitPath } from './object-paths.ts';
import { ACCOUNT, add, createSetting, type Setting, setUp } from './testing/setting.ts';

const bytesOf = (text: string): number => Buffer.byteLength(text);

describe('a name is made to fit', () => {
  test.each([
    ['What is it?.pdf', 'What is it_.pdf'],
    ['2024-05-01 10:30.png', '2024-05-01 10_30.png'],
    ['a*b|c\\d<e>f"g.txt', 'a_b_c_d_e_f_g.txt'],
    ['tab\there\u0000\u0085.txt', 'tab_here__.txt'],
    ['half \ud83d of it \udc4d.jpg', 'half _ of it _.jpg'],
    ['whole 👍🏽.jpg', 'whole 👍🏽.jpg'],
    ['../../etc/passwd', 'etc/passwd'],
    ['./a//b/./c.txt', 'a/b/c.txt'],
    ['/leading/and/trailing/', 'leading/and/trailing'],
    ['照片/夏天 (1).jpg', '照片/夏天 (1).jpg'],
    ['..', 'file'],
    ['', 'file'],
    ['.gitignore', '.gitignore'],
    ['...', '...'],
  ])('%j becomes %j', (wanted, path) => {
    expect(fitPath(wanted)).toBe(path);
  });

  test('a long one is cut between characters and keeps its extension', () => {
    const cut = fitPath(`${'照'.repeat(200)}.tar.gz`);
    expect(bytesOf(cut)).toBeLessThanOrEqual(255);
    expect(cut).toMatch(/^照{80,}\.tar\.gz$/);
    expect(fitPath(`${'👍'.repeat(100)}`)).toBe('👍'.repeat(63));
    expect(bytesOf(fitPath(`a.${'b'.repeat(300)}`))).toBe(255);
  });

  test('a path that is too long as a whole is cut, name by name, and keeps its folders', () => {
    const folders = Array.from({ length: 8 }, (_, at) => `${at}${'x'.repeat(200)}`);
    const path = fitPath([...folders, 'end.mp4'].join('/'));
    expect(bytesOf(path)).toBeLessThanOrEqual(1024);
    expect(path.split('/')).toHaveLength(9);
    expect(path.endsWith('/end.mp4')).toBe(true);
    expect(bytesOf(fitPath('deep/'.repeat(2000)))).toBeLessThanOrEqual(1024);
  });
});

describe('no two files of an Uppy have the same path', () => {
  test('they are numbered before the extension, in their order', () => {
    const paths = createObjectPaths();
    const give = (id: string, wanted: string): string => paths.give(id, wanted).path;
    expect(['a', 'b', 'c'].map((id) => give(id, 'image.jpg'))).toEqual(['image.jpg', 'image-2.jpg', 'image-3.jpg']);
    expect(give('d', 'image-4.jpg')).toBe('image-4.jpg');
    expect(give('e', 'image.jpg')).toBe('image-5.jpg');
    expect(give('f', 'folder/image.jpg')).toBe('folder/image.jpg');
    expect(['g', 'h'].map((id) => give(id, 'a.b/backup.tar.gz'))).toEqual(['a.b/backup.tar.gz', 'a.b/backup-2.tar.gz']);
    expect(['i', 'j'].map((id) => give(id, '.env'))).toEqual(['.env', '.env-2']);
  });

  test('a file has the path that it had, and when it is renamed a new one', () => {
    const paths = createObjectPaths();
    paths.give('a', 'image.jpg');
    expect(paths.give('b', 'image.jpg').path).toBe('image-2.jpg');
    expect(paths.give('a', 'image.jpg').path).toBe('image.jpg');
    expect(paths.give('b', 'image.jpg').path).toBe('image-2.jpg');
    expect(paths.give('b', 'other.jpg').path).toBe('other.jpg');
    expect(paths.give('c', 'image.jpg').path).toBe('image-3.jpg');
  });

  test('names that became the same when they were made to fit are numbered too, also long ones', () => {
    const paths = createObjectPaths();
    const long = fitPath(`${'n'.repeat(400)}.bin`);
    const given = [fitPath('a?.txt'), fitPath('a*.txt'), long, long].map((path, at) => paths.give(`${at}`, path).path);
    expect(new Set(given).size).toBe(4);
    expect(given[1]).toBe('a_-2.txt');
    expect(given[3]).toMatch(/^n+-2\.bin$/);
    for (const path of given) expect(bytesOf(path)).toBeLessThanOrEqual(255);
  });

  test('twenty thousand files of one name are numbered at once', () => {
    const paths = createObjectPaths();
    const startMs = performance.now();
    const given = Array.from({ length: 20_000 }, (_, at) => paths.give(`${at}`, 'image.jpg').path);
    expect(new Set(given).size).toBe(20_000);
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });
});

describe('at the server', () => {
  let setting: Setting;
  beforeEach(async () => {
    setting = await createSetting();
  });
  afterEach(() => setting.close());

  const landed = async (path = ''): Promise<string[]> =>
    (await readdir(join(setting.root, ACCOUNT.appId, 'demobucket', path))).sort();
  const photo = (fill: number, sizeBytes = 1000) => ({
    name: 'image.jpg',
    data: new File([new Uint8Array(sizeBytes).fill(fill)], 'image.jpg', { lastModified: 1e12 + fill }),
  });

  test('photos of one name arrive each under its own, one that is added later too', async () => {
    const { uppy } = setUp(setting);
    const ids = [1, 2, 3].map((fill) => uppy.addFile(photo(fill) as never));
    expect((await uppy.upload())?.failed).toEqual([]);
    uppy.cancelAll();
    ids.push(uppy.addFile(photo(4) as never));
    expect((await uppy.upload())?.failed).toEqual([]);
    expect(await landed()).toEqual(['image-2.jpg', 'image-3.jpg', 'image-4.jpg', 'image.jpg']);
    const third = await readFile(join(setting.root, ACCOUNT.appId, 'demobucket', 'image-3.jpg'));
    expect(third.every((byte) => byte === 3)).toBe(true);
  });

  test('names of phones and of other systems arrive, folders are kept', async () => {
    const { uppy } = setUp(setting);
    add(uppy, 1, { name: '10:30 "x"?.png' });
    add(uppy, 1, { meta: { relativePath: 'a: b/../c/inside.bin' } as never });
    add(uppy, 1, { name: 'alone.bin', meta: { relativePath: '' } as never });
    const result = await uppy.upload();
    expect(result?.failed).toEqual([]);
    expect(await landed()).toEqual(['10_30 _x__.png', 'a_ b', 'alone.bin']);
    expect(await landed('a_ b/c')).toEqual(['inside.bin']);
  });

  test('path is asked with the path that the file would have', async () => {
    const { uppy } = setUp(setting, { path: (_, ownPath) => `inbox/${ownPath}` });
    for (const fill of [1, 2]) uppy.addFile(photo(fill) as never);
    await uppy.upload();
    expect(await landed('inbox')).toEqual(['image-2.jpg', 'image.jpg']);
  });

  test('a restored file keeps its path, whatever was added before it is uploaded again', async () => {
    const { uppy } = setUp(setting);
    const slices = setting.holdSlices();
    const [, second = ''] = [1, 2].map((fill) => uppy.addFile(photo(fill, 99_000) as never));
    void uppy.upload();
    const file = JSON.parse(JSON.stringify({ ...uppy.getFile(second), preview: undefined }));
    expect(file.cosSlicePath).toEqual({ wanted: 'image.jpg', path: 'image-2.jpg' });
    const { data } = uppy.getFile(second);
    uppy.cancelAll();
    slices.release();

    const next = setUp(setting, { onConflict: 'restart' });
    for (const fill of [3, 4]) next.uppy.addFile(photo(fill) as never);
    const progress = { ...file.progress, uploadStarted: null };
    next.uppy.setState({ files: { ...next.uppy.getState().files, [second]: { ...file, data, progress } } });
    expect((await next.uppy.upload())?.failed).toEqual([]);
    expect(next.uppy.getFile(second).uploadURL).toMatch(/\/image-2\.jpg$/);
    expect(await landed()).toEqual(['image-2.jpg', 'image-3.jpg', 'image.jpg']);
  });
});
