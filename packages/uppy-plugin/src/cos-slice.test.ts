import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { remoteSigner, s3 } from '@cos-slice/browser';
import Uppy from '@uppy/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import CosSlice from './index.ts';
import { add, createSetting, type Options, of, pause, type Setting, SLICE, setUp, until } from './testing/setting.ts';

let setting: Setting;
beforeEach(async () => {
  setting = await createSetting();
});
afterEach(() => setting.close());

describe('uploading', () => {
  test('files arrive byte for byte, with their URL and result', async () => {
    const { uppy, heard } = setUp(setting);
    const ids = [add(uppy, 5), add(uppy, 1), add(uppy, 12)];
    const result = await uppy.upload();
    expect(result?.successful?.map((file) => file.id)).toEqual(ids);
    expect(result?.failed).toEqual([]);
    for (const id of ids) {
      await setting.expectStored(uppy, id);
      expect(uppy.getFile(id).uploadURL).toContain(`/demobucket/${uppy.getFile(id).name}`);
      expect(uppy.getFile(id).response?.body).toMatchObject({ instant: false });
    }
    expect(of(heard, 'upload-error')).toEqual([]);
    expect(of(heard, 'stale')).toEqual([]);
    expect(of(heard, 'upload-progress').length).toBeGreaterThan(0);
  });

  test('upload-start comes once for all files, and progress only after it', async () => {
    const { uppy, heard } = setUp(setting);
    add(uppy, 3);
    add(uppy, 3);
    await uppy.upload();
    expect(of(heard, 'upload-start').map((one) => one.detail)).toEqual([2, 2]);
    expect(heard.slice(0, 2).map((one) => one.event)).toEqual(['upload-start', 'upload-start']);
  });

  test('a file of which nothing has arrived yet is at 0%: Uppy has controls only for those with a percentage', async () => {
    const { uppy } = setUp(setting);
    const id = add(uppy, 3);
    const nothing = add(uppy, 0);
    let answer = (): void => {};
    const gate = new Promise<void>((resolve) => {
      answer = resolve;
    });
    setting.intercept = async () => {
      await gate;
      return false;
    };
    const uploading = uppy.upload();
    await until(() => uppy.getFile(id).progress.percentage === 0, 'it is at 0%');
    answer();
    expect((await uploading)?.successful?.map((file) => file.id)).toEqual([id, nothing]);
  });

  test('what is shown stays below 99.5% until finish has succeeded', async () => {
    const { uppy } = setUp(setting);
    const id = add(uppy, 40);
    let finishing = false;
    setting.intercept = async (req) => {
      const length = Number(req.headers['content-length']);
      finishing = length < SLICE && setting.requests.some(({ op }) => op === 'upload_slice_data');
      if (finishing) await pause(250);
      return false;
    };
    const shown: number[] = [];
    uppy.on('upload-progress', () => shown.push(uppy.getFile(id).progress.percentage ?? 0));
    await uppy.upload();
    expect(Math.max(...shown)).toBeLessThanOrEqual(99);
    expect(shown).toEqual(shown.toSorted((a, b) => a - b));
    expect(uppy.getFile(id).progress.percentage).toBe(100);
  });

  test('metadata that is allowed goes along', async () => {
    const { uppy } = setUp(setting, { allowedMetaFields: ['title', 'missing'] });
    add(uppy, 2, { meta: { title: '片名', secret: 'x' } as never });
    await uppy.upload();
    const folder = join(setting.root, '.cos-slice', 'objects');
    const [kept = ''] = await readdir(folder);
    const labels = await readFile(join(folder, kept), 'utf8');
    expect(labels).toContain(JSON.stringify('{"title":"片名"}'));
    expect(labels).not.toContain('secret');
  });

  test('what is uploaded is what a file holds when its upload starts', async () => {
    const { uppy, heard } = setUp(setting, { concurrency: 1 });
    const slices = setting.holdSlices();
    add(uppy, 2);
    const edited = add(uppy, 3);
    const lost = add(uppy, 2);
    const uploading = uppy.upload();
    await until(() => slices.held > 0, 'the first file is on its way');
    uppy.setFileState(edited, { data: new Blob([new Uint8Array(2 * SLICE + 1).fill(7)]) });
    uppy.setFileState(lost, { data: undefined as never, isGhost: true });
    slices.release();
    const result = await uploading;
    expect(result?.failed?.map((file) => file.id)).toEqual([lost]);
    expect(of(heard, 'upload-error')[0]?.detail).toContain('select it again');
    await setting.expectStored(uppy, edited);
  });

  test('path decides where a file goes', async () => {
    const { uppy } = setUp(setting, { path: (file) => `inbox/${file.name}` });
    const id = add(uppy, 2);
    await uppy.upload();
    expect(uppy.getFile(id).uploadURL).toContain('/demobucket/inbox/');
  });
});

describe('every file that does not succeed is told', () => {
  test('files without data, with what to do about it', async () => {
    const { uppy, heard } = setUp(setting);
    const id = add(uppy, 2);
    uppy.setFileState(id, { data: undefined as never, isGhost: true });
    const result = await uppy.upload();
    expect(result?.successful).toEqual([]);
    expect(of(heard, 'upload-error')[0]?.detail).toContain('select it again');
  });

  test('a path function that throws', async () => {
    const { uppy } = setUp(setting, {
      path: () => {
        throw new Error('no path for you');
      },
    });
    add(uppy, 2);
    const result = await uppy.upload();
    expect(result?.failed?.[0]?.error).toContain('no path');
  });

  test('but not a file that was removed, and the upload never rejects', async () => {
    const { uppy, heard } = setUp(setting);
    const slices = setting.holdSlices();
    const id = add(uppy, 4);
    const other = add(uppy, 2);
    const uploading = uppy.upload();
    await until(() => slices.held > 0, 'a slice is on its way');
    uppy.removeFile(id);
    slices.release();
    const result = await uploading;
    expect(result?.successful?.map((file) => file.id)).toEqual([other]);
    expect(of(heard, 'upload-error')).toEqual([]);
    expect(uppy.getState().error).toBeNull();
  });
});

describe('pause and resume', () => {
  test('a file paused while it is queued does not start', async () => {
    const { uppy, plugin } = setUp(setting, { concurrency: 1 });
    const slices = setting.holdSlices();
    const first = add(uppy, 3);
    const second = add(uppy, 3);
    const uploading = uppy.upload();
    await until(() => slices.held > 0, 'the first file is on its way');
    uppy.pauseResume(second);
    slices.release();
    await until(() => Boolean(uppy.getFile(first).progress.uploadComplete), 'the first file is done');
    await pause(100);
    expect(plugin.getUpload(second)).toBeUndefined();
    uppy.pauseResume(second);
    const result = await uploading;
    expect(result?.successful).toHaveLength(2);
  });

  test('pausing an active file frees its place at once, and resuming waits for one', async () => {
    const { uppy, plugin } = setUp(setting, { concurrency: 1 });
    const slices = setting.holdSlices();
    const first = add(uppy, 3);
    const second = add(uppy, 3);
    const uploading = uppy.upload();
    await until(() => slices.held === 1, 'the first file is on its way');
    uppy.pauseResume(first);
    await until(() => slices.held === 2, 'the second file has its place');
    expect(plugin.getUpload(first)?.state.paused).toBe(true);
    uppy.pauseResume(first);
    await pause(50);
    expect(plugin.getUpload(first)?.state.paused).toBe(true);
    slices.release();
    const result = await uploading;
    expect(result?.successful?.map((file) => file.id)).toEqual([first, second]);
    await setting.expectStored(uppy, first);
  });

  test('pause-all stops everything, resume-all goes on, twice', async () => {
    const { uppy } = setUp(setting);
    const ids = [add(uppy, 30), add(uppy, 30), add(uppy, 30)];
    const slices = setting.holdSlices();
    const uploading = uppy.upload();
    await until(() => slices.held > 2, 'slices are on their way');
    for (let times = 0; times < 2; times += 1) {
      uppy.pauseAll();
      uppy.pauseAll();
      slices.release();
      await until(() => setting.open === 0, 'nothing is open');
      const before = setting.arrived;
      await pause(100);
      expect(setting.arrived).toBe(before);
      uppy.resumeAll();
      uppy.resumeAll();
    }
    await uploading;
    for (const id of ids) await setting.expectStored(uppy, id);
  });

  test('a paused file can be removed, and its upload ends', async () => {
    const { uppy } = setUp(setting);
    const slices = setting.holdSlices();
    const id = add(uppy, 5);
    const uploading = uppy.upload();
    await until(() => slices.held > 0, 'a slice is on its way');
    uppy.pauseResume(id);
    uppy.removeFile(id);
    slices.release();
    expect((await uploading)?.successful).toEqual([]);
  });
});

describe('cancel', () => {
  test('cancel-all ends everything, twice, and leaves nothing running', async () => {
    const { uppy, heard } = setUp(setting);
    const slices = setting.holdSlices();
    add(uppy, 5);
    add(uppy, 5);
    const uploading = uppy.upload();
    await until(() => slices.held > 1, 'slices are on their way');
    uppy.cancelAll();
    uppy.cancelAll();
    slices.release();
    await uploading;
    await until(() => setting.open === 0, 'nothing is open');
    expect(of(heard, 'upload-error')).toEqual([]);
    expect(uppy.getFiles()).toEqual([]);
  });

  test('uninstall aborts, undoes and stays silent', async () => {
    const { uppy, heard, plugin } = setUp(setting);
    const slices = setting.holdSlices();
    add(uppy, 5);
    const uploading = uppy.upload();
    await until(() => slices.held > 0, 'a slice is on its way');
    expect(uppy.getState().capabilities.resumableUploads).toBe(true);
    uppy.removePlugin(plugin);
    slices.release();
    await uploading;
    await until(() => setting.open === 0, 'nothing is open');
    expect(uppy.getState().capabilities.resumableUploads).toBe(false);
    const count = heard.length;
    await pause(100);
    expect(heard.length).toBe(count);
  });
});

describe('retry', () => {
  test('runs exactly one upload for the file, however often it is asked for', async () => {
    const { uppy, heard } = setUp(setting, { retry: { attempts: 1, baseDelayMs: 1 } });
    const id = add(uppy, 6);
    setting.intercept = (req, res) => {
      if (Number(req.headers['content-length']) < SLICE) return false;
      res.writeHead(400, { 'Content-Type': 'application/json' }).end('{"code":-5999,"message":"no"}');
      return true;
    };
    const failed = await uppy.upload();
    expect(failed?.failed).toHaveLength(1);
    setting.intercept = undefined;
    setting.requests.length = 0;
    await Promise.all([uppy.retryUpload(id), uppy.retryUpload(id), uppy.retryAll()]);
    await setting.expectStored(uppy, id);
    await expect.poll(() => setting.requests.filter(({ op }) => op === 'upload_slice_finish')).toHaveLength(1);
    expect(of(heard, 'upload-success')).toHaveLength(1);
    expect(uppy.getFile(id).error).toBeNull();
  });

  test('retry-all picks up what failed and leaves what succeeded', async () => {
    const { uppy, heard } = setUp(setting, { retry: { attempts: 1 } });
    const good = add(uppy, 2);
    const bad = add(uppy, 3);
    setting.intercept = (req, res) => {
      if (!req.url?.includes(uppy.getFile(bad).name)) return false;
      res.writeHead(403, { 'Content-Type': 'application/json' }).end('{"code":-97,"message":"no"}');
      return true;
    };
    await uppy.upload();
    setting.intercept = undefined;
    const result = await uppy.retryAll();
    expect(result?.successful?.map((file) => file.id)).toEqual([bad]);
    expect(of(heard, 'upload-success').map((one) => one.id)).toEqual([good, bad]);
  });
});

describe('limits', () => {
  test('are on requests across all files, and setOptions takes effect at once', async () => {
    const { uppy, plugin } = setUp(setting, { concurrency: 2 });
    for (let index = 0; index < 6; index += 1) add(uppy, 8);
    let widened = 0;
    setting.intercept = async () => {
      await pause(10);
      return false;
    };
    const uploading = uppy.upload();
    await until(() => setting.requests.length > 10, 'some requests were made');
    expect(setting.mostOpen).toBeLessThanOrEqual(2);
    plugin.setOptions({ concurrency: 5 });
    await until(() => {
      widened = Math.max(widened, setting.open);
      return widened > 2;
    }, 'more requests are open');
    await uploading;
    expect(setting.mostOpen).toBeLessThanOrEqual(5);
  });

  test('a thousand small files and three huge ones together', async () => {
    const { uppy, heard } = setUp(setting, { singleRequestMax: SLICE, concurrency: 6 });
    const data = new Blob(['small']);
    uppy.addFiles(Array.from({ length: 1000 }, (_, index) => ({ name: `small-${index}.txt`, data }) as never));
    const huge = [add(uppy, 60), add(uppy, 60), add(uppy, 60)];
    let longest = 0;
    let last = performance.now();
    const watch = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const result = await uppy.upload();
    clearInterval(watch);
    expect(result?.successful).toHaveLength(1003);
    expect(setting.mostOpen).toBeLessThanOrEqual(6);
    for (const id of huge) await setting.expectStored(uppy, id);
    expect(of(heard, 'upload-start')).toHaveLength(1003);
    console.log(`1,003 files: longest pause of the event loop ${longest.toFixed(0)} ms`);
  });
});

describe('options', () => {
  test('are checked by the constructor, all at once', () => {
    const uppy = new Uppy();
    const bad = { endpoint: 'nonsense', appId: '', bucket: '', concurrency: 0, path: 'x' } as unknown as Options;
    expect(() => uppy.use(CosSlice, bad)).toThrow(TypeError);
    expect(() => uppy.use(CosSlice, bad)).toThrow(/signer.*path.*endpoint.*appId.*bucket.*concurrency/);
  });

  test('one way to sign is needed, on any wire, and two are too many', () => {
    const uppy = new Uppy();
    const wire = s3({ endpoint: 'http://127.0.0.1:7480', bucket: 'films' });
    const signer = remoteSigner('/sign');
    const none = (): unknown => uppy.use(CosSlice, { wire });
    expect(none).toThrow(/^CosSlice: signer or signUrl must be given$/);
    const both = (): unknown => uppy.use(CosSlice, { wire, signUrl: '/sign', signer });
    expect(both).toThrow(/^CosSlice: signer and signUrl exclude each other/);
    const mixed = { ...signer, secretId: 'a', secretKey: 'b' };
    expect(() => uppy.use(CosSlice, { wire, signer: mixed })).toThrow(
      /credentials and signatures for requests at once/,
    );
    expect(() => uppy.use(CosSlice, { wire, signUrl: '/sign' })).not.toThrow();
    expect(() => new Uppy().use(CosSlice, { wire, signer })).not.toThrow();
  });

  test('setOptions refuses what cannot be used and changes nothing', () => {
    const { plugin } = setUp(setting);
    expect(() => plugin.setOptions({ concurrency: 1000 })).toThrow(TypeError);
    expect(plugin.opts.concurrency).toEqual({ min: 1, max: 6 });
  });

  test('the plugin says what it is', () => {
    expect(CosSlice.VERSION).toMatch(/^\d+\.\d+\.\d+/);
    const { plugin } = setUp(setting);
    expect([plugin.id, plugin.type]).toEqual(['CosSlice', 'uploader']);
  });
});
