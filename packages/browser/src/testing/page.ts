// What the tests' page can do. Bundled and loaded into Chromium, in the page or in a worker of it.
import type { HashCheckpoint } from '@cos-slice/core';
import {
  type ContractCase,
  type HasherSubject,
  hasherContract,
  receivingContract,
  resumeStoreContract,
  sourceContract,
  transportContract,
} from '@cos-slice/core/testing';
import {
  isCosSliceError,
  type ResumeRecord,
  remoteSigner,
  type Upload,
  type UploadBlobOptions,
  uploadBlob,
} from '../index.ts';
import {
  createBlobSource,
  createFetchTransport,
  createIndexedDbStore,
  createWorkerHasher,
  createXhrTransport,
} from '../ports.ts';
import { receive } from '../transport/receive.ts';
import { contentBlocks } from './content.ts';
import { clientApi } from './page-client.ts';

export interface ContractOutcome {
  readonly name: string;
  readonly error?: string;
}

export interface UploadOrder {
  readonly endpoint: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** One block, repeated: as large as you like without the memory. */
  readonly repeated?: boolean;
  readonly signUrl: string;
  /** URLs of scripts to hash in, one after the other, instead of the one from a `blob:` URL. */
  readonly hashWorkers?: readonly string[];
  readonly options?: Partial<UploadBlobOptions>;
}

export interface UploadOutcome {
  readonly result?: { readonly [name: string]: unknown };
  readonly error?: { readonly code: string; readonly message: string };
  readonly progress: Upload['state']['progress'];
  readonly fractions: readonly number[];
  /** Bytes hashed, as shown while hashing. */
  readonly hashed: readonly number[];
}

const MIB = 1024 * 1024;
const bytesOf = async (blob: Blob): Promise<Uint8Array> => new Uint8Array(await blob.arrayBuffer());
const toBlob = (bytes: Uint8Array): Blob => new Blob([bytes.slice()]);

const suites: Record<string, (urls: { reflectorUrl: string; refusedUrl: string }) => Promise<ContractOutcome[]>> = {
  xhr: (urls) => transportOutcomes('xhr', urls),
  fetch: (urls) => transportOutcomes('fetch', urls),
  source: () =>
    outcomes(sourceContract<Blob>(), async (bytes: Uint8Array) => ({
      source: createBlobSource(toBlob(bytes)),
      read: bytesOf,
    })),
  hasher: () => outcomes(hasherContract<Blob>(), async () => hasherSubject()),
  store: () =>
    outcomes(resumeStoreContract, async () => {
      const name = `contract-${Math.random()}`;
      return () => createIndexedDbStore({ name });
    }),
};

function hasherSubject(): HasherSubject<Blob> {
  return {
    hasher: createWorkerHasher(),
    source: async (bytes) => createBlobSource(toBlob(bytes)),
    content: toBlob,
    read: bytesOf,
  };
}

function transportOutcomes(
  kind: 'xhr' | 'fetch',
  urls: { reflectorUrl: string; refusedUrl: string },
): Promise<ContractOutcome[]> {
  const transport = { ...(kind === 'xhr' ? createXhrTransport() : createFetchTransport()), receive };
  return outcomes([...transportContract<Blob>(), ...receivingContract<Blob>()], async () => ({
    transport,
    ...urls,
    content: (bytes) => new Blob([bytes]),
  }));
}

async function outcomes<M>(cases: readonly ContractCase<M>[], makeSubject: M): Promise<ContractOutcome[]> {
  const list: ContractOutcome[] = [];
  for (const { name, run } of cases) {
    try {
      await run(makeSubject);
      list.push({ name });
    } catch (error) {
      list.push({ name, error: error instanceof Error ? error.message : String(error) });
    }
  }
  return list;
}

function makeBlob({ sizeBytes, repeated }: UploadOrder): Blob {
  if (!repeated) return new Blob(contentBlocks(sizeBytes));
  const block = new Blob(contentBlocks(MIB));
  return new Blob(Array.from({ length: sizeBytes / block.size }, () => block));
}

interface Running {
  readonly upload: Upload;
  readonly controller: AbortController;
  readonly fractions: number[];
  readonly hashed: number[];
}

const running = new Map<string, Running>();

function entryOf(path: string): Running {
  const entry = running.get(path);
  if (!entry) throw new Error(`no upload to ${path}`);
  return entry;
}

function start(order: UploadOrder, blob: Blob = makeBlob(order)): void {
  const { endpoint, path, signUrl, options } = order;
  const fractions: number[] = [];
  const hashed: number[] = [];
  const controller = new AbortController();
  const hashWorkers = [...(order.hashWorkers ?? [])];
  const [lastWorker = ''] = hashWorkers.slice(-1);
  const upload = uploadBlob(blob, {
    endpoint,
    path,
    appId: '10055004',
    bucket: 'demobucket',
    signer: remoteSigner(signUrl),
    signal: controller.signal,
    ...(lastWorker ? { hashWorker: () => new Worker(hashWorkers.shift() ?? lastWorker) } : {}),
    ...options,
  });
  upload.subscribe(({ phase, progress }) => {
    fractions.push(progress.fraction);
    if (phase === 'hashing') hashed.push(progress.hashedBytes);
  });
  running.set(path, { upload, controller, fractions, hashed });
}

async function outcome(path: string): Promise<UploadOutcome> {
  const { upload, fractions, hashed } = entryOf(path);
  try {
    const result = { ...(await upload.done) };
    return { result, progress: upload.state.progress, fractions, hashed };
  } catch (error) {
    const { message } = error as Error;
    const code = isCosSliceError(error) ? error.code : (error as Error).name;
    return { error: { code, message }, progress: upload.state.progress, fractions, hashed };
  }
}

/** Hashes up to the first checkpoint, then the rest, and once more in one go. */
async function hashInTwoRuns(sizeBytes: number, change: (data: string) => string) {
  const { hasher } = hasherSubject();
  const source = createBlobSource(makeBlob({ sizeBytes, repeated: true } as UploadOrder));
  const controller = new AbortController();
  const checkpoint = await new Promise<HashCheckpoint>((resolve) => {
    const context = { signal: controller.signal, onProgress() {}, onCheckpoint: resolve };
    hasher.uploadParts(source, MIB, context).catch(() => {});
  });
  controller.abort();
  const run = async (from?: HashCheckpoint) => {
    const progress: number[] = [];
    const hash = await hasher.uploadParts(source, MIB, {
      signal: new AbortController().signal,
      ...(from ? { from } : {}),
      onProgress: (bytes) => progress.push(bytes),
      onCheckpoint() {},
    });
    return { hash: JSON.stringify(hash), firstBytes: progress[0] };
  };
  const resumed = await run({ hashedBytes: checkpoint.hashedBytes, data: change(checkpoint.data) });
  const whole = await run();
  return { checkpointBytes: checkpoint.hashedBytes, firstBytes: resumed.firstBytes, same: resumed.hash === whole.hash };
}

/** As applications do at logout. */
function deleteDatabase(name: string): Promise<'deleted' | 'blocked'> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve('deleted');
    request.onblocked = () => resolve('blocked');
  });
}

const record = (savedAtMs: number, dataLength = 0): ResumeRecord => ({
  version: 1,
  identity: 'i',
  sizeBytes: 1,
  sliceSizeBytes: MIB,
  savedAtMs,
  hash: { hashedBytes: 1, data: 'x'.repeat(dataLength) },
});

const api = {
  contract: (suite: string, urls: { reflectorUrl: string; refusedUrl: string }) => suites[suite]?.(urls),
  start,
  outcome,
  upload(order: UploadOrder) {
    start(order);
    return outcome(order.path);
  },
  /** Uploads what the page's file input holds. */
  startPicked(order: UploadOrder) {
    const [file] = document.querySelector<HTMLInputElement>('#file')?.files ?? [];
    if (!file) throw new Error('no file was picked');
    start(order, file);
  },
  /** Plays a browser whose requests get no further than their first byte when they carry a slice of a file. Counts them. */
  stallOnFileSlices() {
    const stalled = { count: 0 };
    const slices = new WeakSet<Blob>();
    const forms = new WeakSet<object>();
    const { slice } = Blob.prototype;
    Blob.prototype.slice = function (...args) {
      const made = slice.apply(this, args);
      slices.add(made);
      return made;
    };
    const { append } = FormData.prototype;
    FormData.prototype.append = function (...args: unknown[]) {
      if (slices.has(args[1] as Blob)) forms.add(this);
      append.apply(this, args as never);
    };
    const { send } = XMLHttpRequest.prototype;
    XMLHttpRequest.prototype.send = function (body) {
      if (!(body instanceof FormData) || !forms.has(body)) return send.call(this, body ?? null);
      stalled.count += 1;
      const { upload } = this;
      setTimeout(() => upload.dispatchEvent(new ProgressEvent('progress', { loaded: 1, total: MIB })));
    };
    Object.assign(globalThis, { stalled });
  },
  /** Timers of these lengths go off ten times as early: what is waited for so long is not to be waited for in tests. */
  hurry(...lengthsMs: number[]) {
    const { setTimeout: real } = globalThis;
    const hurried = (act: () => void, ms = 0) => real(act, lengthsMs.includes(ms) ? ms / 10 : ms);
    Object.assign(globalThis, { setTimeout: hurried });
  },
  /** Plays a browser whose reads of blobs never end. */
  breakReads(how: 'promises' | 'all') {
    Blob.prototype.arrayBuffer = () => new Promise(() => {});
    if (how === 'all') FileReader.prototype.readAsArrayBuffer = () => {};
  },
  /** Plays a browser whose locks never answer. */
  breakLocks() {
    LockManager.prototype.request = () => new Promise(() => {});
  },
  /** Uploads a file that was made in another window, which is closed at once or when the upload is under way. */
  async uploadFromFrame(order: UploadOrder, closed: 'before' | 'during') {
    const frame = document.body.appendChild(document.createElement('iframe'));
    const { File: OtherFile } = frame.contentWindow as unknown as { File: typeof File };
    const file = new OtherFile(contentBlocks(order.sizeBytes), 'other.bin', { lastModified: 1 });
    if (closed === 'before') frame.remove();
    start(order, file);
    await new Promise((resolve) => setTimeout(resolve, 20));
    frame.remove();
    return outcome(order.path);
  },
  /** @returns what `uploadBlob` says at once of something that is no blob */
  refusal(kind: 'text' | 'nothing' | 'bytes' | 'lookalike') {
    const things = {
      text: 'text',
      nothing: null,
      bytes: new Uint8Array(3),
      lookalike: { [Symbol.toStringTag]: 'File', size: 5 },
    };
    try {
      start(
        { endpoint: 'http://127.0.0.1:9', path: 'x', sizeBytes: 0, signUrl: '/sign' },
        things[kind] as unknown as Blob,
      );
      return undefined;
    } catch (error) {
      return isCosSliceError(error) ? error.code : String(error);
    }
  },
  /** Plays a browser whose database fails or never answers. */
  breakDatabase(how: 'throws' | 'hangs') {
    IDBFactory.prototype.open = () => {
      if (how === 'throws') throw new DOMException('not here', 'SecurityError');
      return new EventTarget() as IDBOpenDBRequest;
    };
  },
  /** @returns which of the records saved one after the other are still there */
  async recordsLeft(options: { maxAgeMs?: number; maxRecords?: number }, records: [ageMs: number, length?: number][]) {
    const store = createIndexedDbStore({ name: `bounds-${Math.random()}`, ...options });
    for (const [index, [ageMs, length]] of records.entries()) {
      await store.save(`${index}`, record(Date.now() - ageMs, length));
    }
    const left = await Promise.all(records.map((_, index) => store.load(`${index}`)));
    return left.map((one) => one !== undefined);
  },
  deleteDatabase,
  /** @returns whether the store has a record: saved, after its database was deleted, saved again */
  async recordsAroundDeletion() {
    const name = `deleted-${Math.random()}`;
    const store = createIndexedDbStore({ name });
    const has = async () => (await store.load('key')) !== undefined;
    await store.save('key', record(Date.now()));
    const saved = await has();
    await deleteDatabase(name);
    const left = await has();
    await store.save('key', record(Date.now()));
    return [saved, left, await has()];
  },
  hashInTwoRuns: (sizeBytes: number, version?: number) =>
    hashInTwoRuns(sizeBytes, (data) => (version === undefined ? data : data.replace(/^\d+/, String(version)))),
  storedSlices: (path: string) => running.get(path)?.upload.state.progress.slices.stored ?? 0,
  ...clientApi,
  concurrency: (path: string) => entryOf(path).upload.state.progress.concurrency,
  hashedBytes: (path: string) => running.get(path)?.upload.state.progress.hashedBytes ?? 0,
  pause: (path: string) => entryOf(path).upload.pause(),
  resume: (path: string) => entryOf(path).upload.resume(),
  cancel: (path: string) => entryOf(path).controller.abort(),
};

export type PageApi = typeof api;

declare global {
  // The tests call it by this name.
  var cosSlice: PageApi;
}
globalThis.cosSlice = api;

// In a worker, of a page or of a site, orders come as messages.
if (typeof document === 'undefined') {
  addEventListener('message', async ({ data, ports }: MessageEvent<UploadOrder>) => {
    const reply = await api.upload(data);
    (ports[0] ?? globalThis).postMessage(reply);
  });
}
