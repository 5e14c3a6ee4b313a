import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSigner } from '@cos-slice/core';
import { createSliceServer, fileStore } from '@cos-slice/server';
import Uppy, { type Body, type Meta, type UppyFile } from '@uppy/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import CosSlice, { type CosSliceFile, type CosSliceOptions, zhCN } from './index.ts';

type File = UppyFile<Meta, Record<string, never>>;
type Options = CosSliceOptions<Meta, Body>;

const KIB = 1024;
const SLICE = 64 * KIB;
const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['demobucket'] };

let root: string;
let endpoint: string;
let close: () => Promise<void>;
/** Sees each request first; true: it has dealt with it. Runs before the body is read. */
let intercept: ((req: IncomingMessage, res: ServerResponse) => boolean | Promise<boolean>) | undefined;
let requests: { op: string | undefined; path: string | undefined; status: number }[];
let open = 0;
let arrived = 0;
let mostOpen = 0;

beforeEach(async () => {
  intercept = undefined;
  requests = [];
  open = 0;
  mostOpen = 0;
  root = await mkdtemp(join(tmpdir(), 'cos-slice-uppy-'));
  const store = createSliceServer({
    store: fileStore(root),
    accounts: [ACCOUNT],
    onRequest: ({ op, path, status }) => void requests.push({ op, path, status }),
  });
  const server = createServer(async (req, res) => {
    open += 1;
    arrived += 1;
    mostOpen = Math.max(mostOpen, open);
    res.on('close', () => {
      open -= 1;
    });
    if (!(await intercept?.(req, res))) void store.handle(req, res);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/v2`;
  close = async () => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    await store.close();
    await rm(root, { recursive: true, force: true });
  };
});
afterEach(() => close());

/** Every event that an uploader may emit, in order. */
interface Heard {
  readonly event: string;
  readonly id: string;
  readonly detail?: unknown;
}

function setUp(options: Partial<Options> = {}) {
  const uppy = new Uppy();
  uppy.use(CosSlice, {
    endpoint,
    appId: ACCOUNT.appId,
    bucket: 'demobucket',
    signer: createSigner({ ...ACCOUNT, bucket: 'demobucket' }),
    sliceSize: SLICE,
    singleRequestMax: 0,
    retry: { baseDelayMs: 5 },
    resume: false,
    ...options,
  });
  const heard: Heard[] = [];
  // Whether progress comes with the latest object: told before Uppy itself hears of it and makes a new one.
  const emit = uppy.emit.bind(uppy);
  uppy.emit = ((
    event: 'upload-progress',
    ...args: Parameters<typeof emit<'upload-progress'>> extends [unknown, ...infer R] ? R : never
  ) => {
    const [file] = args;
    if (event === 'upload-progress' && file !== uppy.getFile(file?.id ?? ''))
      heard.push({ event: 'stale', id: file?.id ?? '' });
    emit(event, ...args);
  }) as typeof uppy.emit;
  uppy.on('upload-start', (files) => {
    for (const file of files) heard.push({ event: 'upload-start', id: file.id, detail: files.length });
  });
  uppy.on('upload-progress', (file, progress) => {
    heard.push({ event: 'upload-progress', id: file?.id ?? '', detail: progress.bytesUploaded });
  });
  uppy.on('upload-error', (file, error) =>
    heard.push({ event: 'upload-error', id: file?.id ?? '', detail: error.message }),
  );
  uppy.on('upload-success', (file, response) =>
    heard.push({ event: 'upload-success', id: file?.id ?? '', detail: response }),
  );
  const plugin = uppy.getPlugin('CosSlice');
  if (!plugin) throw new Error('the plugin is installed');
  return { uppy, heard, plugin };
}

let names = 0;
function add(uppy: Uppy, slices: number, more: Partial<File> = {}): string {
  names += 1;
  const bytes = new Uint8Array(slices * SLICE).map((_, index) => (index * 31 + (index >> 8) * 7 + names) & 255);
  return uppy.addFile({
    name: `file-${names}.bin`,
    type: 'application/octet-stream',
    data: new Blob([bytes]),
    ...more,
  } as never);
}

const resumedBytesOf = (uppy: Uppy, id: string): number => Number(Object(uppy.getFile(id).response?.body).resumedBytes);
const of = (heard: readonly Heard[], event: string): Heard[] => heard.filter((one) => one.event === event);
const until = async (fits: () => boolean, what: string): Promise<void> => {
  for (let left = 2000; !fits(); left -= 1) {
    if (left === 0) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

/** Holds every slice until released. */
function holdSlices(): { release(): void; readonly held: number } {
  let release = (): void => {};
  let held = 0;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  intercept = async (req) => {
    if (Number(req.headers['content-length']) < SLICE) return false;
    held += 1;
    await gate;
    return false;
  };
  return {
    release() {
      intercept = undefined;
      release();
    },
    get held() {
      return held;
    },
  };
}

async function expectStored(uppy: Uppy, id: string): Promise<void> {
  const file = uppy.getFile(id);
  const stored = await readFile(join(root, ACCOUNT.appId, 'demobucket', file.name));
  expect(stored.equals(Buffer.from(await (file.data as Blob).arrayBuffer()))).toBe(true);
}

describe('uploading', () => {
  test('files arrive byte for byte, with their URL and result', async () => {
    const { uppy, heard } = setUp();
    const ids = [add(uppy, 5), add(uppy, 1), add(uppy, 12)];
    const result = await uppy.upload();
    expect(result?.successful?.map((file) => file.id)).toEqual(ids);
    expect(result?.failed).toEqual([]);
    for (const id of ids) {
      await expectStored(uppy, id);
      expect(uppy.getFile(id).uploadURL).toContain(`/demobucket/${uppy.getFile(id).name}`);
      expect(uppy.getFile(id).response?.body).toMatchObject({ instant: false });
    }
    expect(of(heard, 'upload-error')).toEqual([]);
    expect(of(heard, 'stale')).toEqual([]);
    expect(of(heard, 'upload-progress').length).toBeGreaterThan(0);
  });

  test('upload-start comes once for all files, and progress only after it', async () => {
    const { uppy, heard } = setUp();
    add(uppy, 3);
    add(uppy, 3);
    await uppy.upload();
    expect(of(heard, 'upload-start').map((one) => one.detail)).toEqual([2, 2]);
    expect(heard.slice(0, 2).map((one) => one.event)).toEqual(['upload-start', 'upload-start']);
  });

  test('what is shown stays below 99.5% until finish has succeeded', async () => {
    const { uppy } = setUp();
    const id = add(uppy, 40);
    let finishing = false;
    intercept = async (req) => {
      const length = Number(req.headers['content-length']);
      finishing = length < SLICE && requests.some(({ op }) => op === 'upload_slice_data');
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
    const { uppy } = setUp({ allowedMetaFields: ['title', 'missing'] });
    add(uppy, 2, { meta: { title: '片名', secret: 'x' } as never });
    await uppy.upload();
    const folder = join(root, '.cos-slice', 'objects');
    const [kept = ''] = await readdir(folder);
    const labels = await readFile(join(folder, kept), 'utf8');
    expect(labels).toContain(JSON.stringify('{"title":"片名"}'));
    expect(labels).not.toContain('secret');
  });

  test('path decides where a file goes', async () => {
    const { uppy } = setUp({ path: (file) => `inbox/${file.name}` });
    const id = add(uppy, 2);
    await uppy.upload();
    expect(uppy.getFile(id).uploadURL).toContain('/demobucket/inbox/');
  });
});

describe('every file that does not succeed is told', () => {
  test('failures of the server', async () => {
    const { uppy, heard } = setUp({ signer: createSigner({ ...ACCOUNT, secretKey: 'WRONG', bucket: 'demobucket' }) });
    const id = add(uppy, 2);
    const result = await uppy.upload();
    expect(result?.failed?.map((file) => file.id)).toEqual([id]);
    expect(of(heard, 'upload-error')).toHaveLength(1);
    expect(of(heard, 'upload-error')[0]?.detail).toContain('secret key');
  });

  test('files without data, with what to do about it', async () => {
    const { uppy, heard } = setUp();
    const id = add(uppy, 2);
    uppy.setFileState(id, { data: undefined as never, isGhost: true });
    const result = await uppy.upload();
    expect(result?.successful).toEqual([]);
    expect(of(heard, 'upload-error')[0]?.detail).toContain('select it again');
  });

  test('remote files, in the language of the application', async () => {
    const { uppy, heard } = setUp({ locale: zhCN as never });
    uppy.addFile({
      name: 'remote.bin',
      data: { size: 5 } as never,
      isRemote: true,
      remote: { companionUrl: 'http://c', url: 'http://c/x', requestClientId: 'x' },
    } as never);
    const result = await uppy.upload();
    expect(result?.failed).toHaveLength(1);
    expect(of(heard, 'upload-error')[0]?.detail).toContain('远程');
  });

  test('a path function that throws', async () => {
    const { uppy } = setUp({
      path: () => {
        throw new Error('no path for you');
      },
    });
    add(uppy, 2);
    const result = await uppy.upload();
    expect(result?.failed?.[0]?.error).toContain('no path');
  });

  test('but not a file that was removed, and the upload never rejects', async () => {
    const { uppy, heard } = setUp();
    const slices = holdSlices();
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
    const { uppy, plugin } = setUp({ concurrency: 1 });
    const slices = holdSlices();
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
    const { uppy, plugin } = setUp({ concurrency: 1 });
    const slices = holdSlices();
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
    await expectStored(uppy, first);
  });

  test('pause-all stops everything, resume-all goes on, twice', async () => {
    const { uppy } = setUp();
    const ids = [add(uppy, 30), add(uppy, 30), add(uppy, 30)];
    const slices = holdSlices();
    const uploading = uppy.upload();
    await until(() => slices.held > 2, 'slices are on their way');
    for (let times = 0; times < 2; times += 1) {
      uppy.pauseAll();
      uppy.pauseAll();
      slices.release();
      await until(() => open === 0, 'nothing is open');
      const before = arrived;
      await pause(100);
      expect(arrived).toBe(before);
      uppy.resumeAll();
      uppy.resumeAll();
    }
    await uploading;
    for (const id of ids) await expectStored(uppy, id);
  });

  test('a paused file can be removed, and its upload ends', async () => {
    const { uppy } = setUp();
    const slices = holdSlices();
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
    const { uppy, heard } = setUp();
    const slices = holdSlices();
    add(uppy, 5);
    add(uppy, 5);
    const uploading = uppy.upload();
    await until(() => slices.held > 1, 'slices are on their way');
    uppy.cancelAll();
    uppy.cancelAll();
    slices.release();
    await uploading;
    await until(() => open === 0, 'nothing is open');
    expect(of(heard, 'upload-error')).toEqual([]);
    expect(uppy.getFiles()).toEqual([]);
  });

  test('uninstall aborts, undoes and stays silent', async () => {
    const { uppy, heard, plugin } = setUp();
    const slices = holdSlices();
    add(uppy, 5);
    const uploading = uppy.upload();
    await until(() => slices.held > 0, 'a slice is on its way');
    expect(uppy.getState().capabilities.resumableUploads).toBe(true);
    uppy.removePlugin(plugin);
    slices.release();
    await uploading;
    await until(() => open === 0, 'nothing is open');
    expect(uppy.getState().capabilities.resumableUploads).toBe(false);
    const count = heard.length;
    await pause(100);
    expect(heard.length).toBe(count);
  });
});

describe('retry', () => {
  test('runs exactly one upload for the file, however often it is asked for', async () => {
    const { uppy, heard } = setUp({ retry: { attempts: 1, baseDelayMs: 1 } });
    const id = add(uppy, 6);
    intercept = (req, res) => {
      if (Number(req.headers['content-length']) < SLICE) return false;
      res.writeHead(400, { 'Content-Type': 'application/json' }).end('{"code":-5999,"message":"no"}');
      return true;
    };
    const failed = await uppy.upload();
    expect(failed?.failed).toHaveLength(1);
    intercept = undefined;
    requests.length = 0;
    await Promise.all([uppy.retryUpload(id), uppy.retryUpload(id), uppy.retryAll()]);
    await expectStored(uppy, id);
    expect(requests.filter(({ op }) => op === 'upload_slice_finish')).toHaveLength(1);
    expect(of(heard, 'upload-success')).toHaveLength(1);
    expect(uppy.getFile(id).error).toBeNull();
  });

  test('retry-all picks up what failed and leaves what succeeded', async () => {
    const { uppy, heard } = setUp({ retry: { attempts: 1 } });
    const good = add(uppy, 2);
    const bad = add(uppy, 3);
    intercept = (req, res) => {
      if (!req.url?.includes(uppy.getFile(bad).name)) return false;
      res.writeHead(403, { 'Content-Type': 'application/json' }).end('{"code":-97,"message":"no"}');
      return true;
    };
    await uppy.upload();
    intercept = undefined;
    const result = await uppy.retryAll();
    expect(result?.successful?.map((file) => file.id)).toEqual([bad]);
    expect(of(heard, 'upload-success').map((one) => one.id)).toEqual([good, bad]);
  });
});

describe('limits', () => {
  test('are on requests across all files, and setOptions takes effect at once', async () => {
    const { uppy, plugin } = setUp({ concurrency: 2 });
    for (let index = 0; index < 6; index += 1) add(uppy, 8);
    let widened = 0;
    intercept = async () => {
      await pause(10);
      return false;
    };
    const uploading = uppy.upload();
    await until(() => requests.length > 10, 'some requests were made');
    expect(mostOpen).toBeLessThanOrEqual(2);
    plugin.setOptions({ concurrency: 5 });
    await until(() => {
      widened = Math.max(widened, open);
      return widened > 2;
    }, 'more requests are open');
    await uploading;
    expect(mostOpen).toBeLessThanOrEqual(5);
  });

  test('a thousand small files and three huge ones together', async () => {
    const { uppy, heard } = setUp({ singleRequestMax: SLICE, concurrency: 6 });
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
    expect(mostOpen).toBeLessThanOrEqual(6);
    for (const id of huge) await expectStored(uppy, id);
    expect(of(heard, 'upload-start')).toHaveLength(1003);
    console.log(`1,003 files: longest pause of the event loop ${longest.toFixed(0)} ms`);
  }, 120_000);
});

describe('Golden Retriever', () => {
  /** What survives a reload: files as JSON, with their data when it was stored. */
  const reload = (uppy: Uppy, into: Uppy, id: string, withData: boolean): void => {
    const { data, preview: _preview, ...file } = uppy.getFile(id);
    const plain = JSON.parse(JSON.stringify(file));
    into.setState({
      files: { [id]: { ...plain, data: withData ? data : undefined, isRestored: true, isGhost: !withData } },
    });
  };

  const interrupted = async (): Promise<{ uppy: Uppy; id: string; stored: number }> => {
    const { uppy, plugin } = setUp();
    const id = add(uppy, 60);
    void uppy.upload();
    await until(() => (plugin.getUpload(id)?.state.progress.slices.stored ?? 0) > 5, 'some slices are stored');
    uppy.pauseAll();
    await until(() => open === 0, 'nothing is open');
    return { uppy, id, stored: plugin.getUpload(id)?.state.progress.slices.stored ?? 0 };
  };

  test("the file's state holds plain JSON without a signature, as soon as the session exists", async () => {
    const { uppy, id } = await interrupted();
    const state = uppy.getFile(id).cosSlice as CosSliceFile;
    expect(state).toMatchObject({ sliceSizeBytes: SLICE, sizeBytes: 60 * SLICE, path: uppy.getFile(id).name });
    expect(state.session).toMatch(/^\w+$/);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
    const signature = await createSigner({ ...ACCOUNT, bucket: 'demobucket' }).sign(
      { appId: ACCOUNT.appId, bucket: 'demobucket', path: state.path, effect: 'multi', nowSec: 1 },
      new AbortController().signal,
    );
    expect(JSON.stringify(state)).not.toContain(signature.slice(-20));
    expect(JSON.stringify(state)).not.toContain('KEY');
  });

  test('with its data restored the upload continues', async () => {
    const { uppy, id, stored } = await interrupted();
    const next = setUp();
    reload(uppy, next.uppy, id, true);
    next.uppy.setFileState(id, {
      isPaused: false,
      progress: { ...uppy.getFile(id).progress, uploadStarted: null } as never,
    });
    await next.uppy.upload();
    await expectStored(next.uppy, id);
    expect(resumedBytesOf(next.uppy, id)).toBeGreaterThanOrEqual(stored * SLICE);
    expect(next.uppy.getFile(id).cosSlice).toBeUndefined();
  });

  test('as a ghost it says so, and continues when the same file is added again', async () => {
    const { uppy, id, stored } = await interrupted();
    const next = setUp();
    reload(uppy, next.uppy, id, false);
    next.uppy.setFileState(id, {
      isPaused: false,
      progress: { ...uppy.getFile(id).progress, uploadStarted: null } as never,
    });
    const first = await next.uppy.upload();
    expect(first?.failed).toHaveLength(1);
    next.uppy.setFileState(id, { data: uppy.getFile(id).data as never, isGhost: false });
    await next.uppy.retryUpload(id);
    await expectStored(next.uppy, id);
    expect(resumedBytesOf(next.uppy, id)).toBeGreaterThanOrEqual(stored * SLICE);
  });

  test('what does not fit the file is ignored', async () => {
    const { uppy } = setUp();
    const id = add(uppy, 4);
    const stale = {
      version: 1,
      destination: 'elsewhere',
      path: 'x',
      identity: 'y',
      sizeBytes: 1,
      sliceSizeBytes: 2,
      session: 's',
      savedAtMs: 0,
    };
    uppy.setFileState(id, { cosSlice: stale as CosSliceFile });
    const result = await uppy.upload();
    expect(result?.successful).toHaveLength(1);
    await expectStored(uppy, id);
    expect(uppy.getFile(id).cosSlice).toBeUndefined();
  });
});

describe('options', () => {
  test('are checked by the constructor, all at once', () => {
    const uppy = new Uppy();
    const bad = { endpoint: 'nonsense', appId: '', bucket: '', concurrency: 0, path: 'x' } as unknown as Options;
    expect(() => uppy.use(CosSlice, bad)).toThrow(TypeError);
    expect(() => uppy.use(CosSlice, bad)).toThrow(/signer.*path.*endpoint.*appId.*bucket.*concurrency/);
  });

  test('setOptions refuses what cannot be used and changes nothing', () => {
    const { plugin } = setUp();
    expect(() => plugin.setOptions({ concurrency: 1000 })).toThrow(TypeError);
    expect(plugin.opts.concurrency).toEqual({ min: 1, max: 6 });
  });

  test('the plugin says what it is', () => {
    expect(CosSlice.VERSION).toMatch(/^\d+\.\d+\.\d+/);
    const { plugin } = setUp();
    expect([plugin.id, plugin.type]).toEqual(['CosSlice', 'uploader']);
  });
});
