import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSigner } from '@cos-slice/core';
import { createSliceServer, fileStore } from '@cos-slice/server';
import Uppy, { type Body, type Meta, type UppyFile } from '@uppy/core';
import { expect } from 'vitest';
import CosSlice, { type CosSliceOptions } from '../index.ts';

export type Options = CosSliceOptions<Meta, Body>;

export const SLICE: number = 64 * 1024;
export const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['demobucket'] };

type Intercept = (req: IncomingMessage, res: ServerResponse) => boolean | Promise<boolean>;

/** The real server, and a look at what reaches it. */
export interface Setting {
  readonly root: string;
  readonly endpoint: string;
  readonly requests: { op: string | undefined; path: string | undefined; status: number }[];
  /** Sees each request first; true: it has dealt with it. Runs before the body is read. */
  intercept: Intercept | undefined;
  /** Requests that are open now, and at most. */
  readonly open: number;
  readonly mostOpen: number;
  readonly arrived: number;
  /** Holds every slice until released. */
  holdSlices(): { release(): void; readonly held: number };
  /** Refuses every request for the file, once and for all. */
  refuse(uppy: Uppy, id: string): void;
  expectStored(uppy: Uppy, id: string): Promise<void>;
  close(): Promise<void>;
}

export async function createSetting(): Promise<Setting> {
  const root = await mkdtemp(join(tmpdir(), 'cos-slice-uppy-'));
  const counts = { open: 0, mostOpen: 0, arrived: 0 };
  const requests: Setting['requests'] = [];
  let intercept: Intercept | undefined;
  const store = createSliceServer({
    store: fileStore(root),
    accounts: [ACCOUNT],
    onRequest: ({ op, path, status }) => void requests.push({ op, path, status }),
  });
  const server = createServer(async (req, res) => {
    counts.open += 1;
    counts.arrived += 1;
    counts.mostOpen = Math.max(counts.mostOpen, counts.open);
    res.on('close', () => {
      counts.open -= 1;
    });
    if (!(await intercept?.(req, res))) void store.handle(req, res);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    root,
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/v2`,
    requests,
    get intercept() {
      return intercept;
    },
    set intercept(next) {
      intercept = next;
    },
    get open() {
      return counts.open;
    },
    get mostOpen() {
      return counts.mostOpen;
    },
    get arrived() {
      return counts.arrived;
    },
    holdSlices() {
      let open = (): void => {};
      let held = 0;
      const gate = new Promise<void>((resolve) => {
        open = resolve;
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
          open();
        },
        get held() {
          return held;
        },
      };
    },
    refuse(uppy, id) {
      const { name } = uppy.getFile(id);
      const before = intercept;
      intercept = (req, res) => {
        if (!req.url?.includes(`/${name}?`)) return before?.(req, res) ?? false;
        res.writeHead(403, { 'Content-Type': 'application/json' }).end('{"code":-97,"message":"no"}');
        return true;
      };
    },
    async expectStored(uppy, id) {
      const file = uppy.getFile(id);
      const stored = await readFile(join(root, ACCOUNT.appId, 'demobucket', file.name));
      expect(stored.equals(Buffer.from(await (file.data as Blob).arrayBuffer()))).toBe(true);
    },
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** What an uploader says of its files, in order. */
export interface Heard {
  readonly event: string;
  readonly id: string;
  readonly detail?: unknown;
}

export interface Client {
  readonly uppy: Uppy;
  readonly plugin: CosSlice<Meta, Record<string, never>>;
  readonly heard: Heard[];
}

export function setUp(setting: Setting, options: Partial<Options> = {}): Client {
  // Failures are what many of the tests are about, and each is heard as an event.
  const uppy = new Uppy({ logger: { debug() {}, warn() {}, error() {} } });
  uppy.use(CosSlice, {
    endpoint: setting.endpoint,
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
  uppy.on('upload-error', (file, error) => {
    heard.push({ event: 'upload-error', id: file?.id ?? '', detail: error.message });
  });
  uppy.on('upload-success', (file, response) => {
    heard.push({ event: 'upload-success', id: file?.id ?? '', detail: response });
  });
  const plugin = uppy.getPlugin('CosSlice');
  if (!plugin) throw new Error('the plugin is installed');
  return { uppy, heard, plugin };
}

let names = 0;

/** Adds a file of its own content. */
export function add(uppy: Uppy, slices: number, more: Partial<UppyFile<Meta, Body>> = {}): string {
  names += 1;
  const bytes = new Uint8Array(slices * SLICE).map((_, index) => (index * 31 + (index >> 8) * 7 + names) & 255);
  return uppy.addFile({
    name: `file-${names}.bin`,
    type: 'application/octet-stream',
    data: new Blob([bytes]),
    ...more,
  } as never);
}

export const of = (heard: readonly Heard[], event: string): Heard[] => heard.filter((one) => one.event === event);

export const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

export async function until(fits: () => boolean, what: string): Promise<void> {
  for (let left = 20_000; !fits(); left -= 1) {
    if (left === 0) throw new Error(`never: ${what}`);
    await pause(5);
  }
}
