// What the tests' page can do. Bundled and loaded into Chromium, in the page or in a worker of it.
import {
  type ContractCase,
  type HasherSubject,
  hasherContract,
  resumeStoreContract,
  sourceContract,
  transportContract,
} from '@cos-slice/core/testing';
import { createLimiter, remoteSigner, type Upload, type UploadBlobOptions, uploadBlob } from '../index.ts';
import {
  createBlobSource,
  createFetchTransport,
  createIndexedDbStore,
  createWorkerHasher,
  createXhrTransport,
} from '../ports.ts';
import { contentBlocks } from './content.ts';

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
  readonly options?: Partial<UploadBlobOptions>;
}

export interface UploadOutcome {
  readonly result?: { readonly [name: string]: unknown };
  readonly error?: { readonly code: string; readonly message: string };
  readonly progress: Upload['state']['progress'];
  readonly fractions: readonly number[];
}

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
  const transport = kind === 'xhr' ? createXhrTransport() : createFetchTransport();
  return outcomes(transportContract<Blob>(), async () => ({
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
  const block = new Blob(contentBlocks(1024 * 1024));
  return new Blob(Array.from({ length: sizeBytes / block.size }, () => block));
}

const running = new Map<string, { upload: Upload; fractions: number[] }>();

function start(order: UploadOrder, blob: Blob = makeBlob(order)): void {
  const { endpoint, path, signUrl, options } = order;
  const fractions: number[] = [];
  const upload = uploadBlob(blob, {
    endpoint,
    path,
    appId: '10055004',
    bucket: 'demobucket',
    signer: remoteSigner(signUrl),
    ...options,
  });
  upload.subscribe((state) => fractions.push(state.progress.fraction));
  running.set(path, { upload, fractions });
}

async function outcome(path: string): Promise<UploadOutcome> {
  const entry = running.get(path);
  if (!entry) throw new Error(`no upload to ${path}`);
  const { upload, fractions } = entry;
  try {
    const result = { ...(await upload.done) };
    return { result, progress: upload.state.progress, fractions };
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { error: { code, message }, progress: upload.state.progress, fractions };
  }
}

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
  storedSlices: (path: string) => running.get(path)?.upload.state.progress.slices.stored ?? 0,
  pause: (path: string) => running.get(path)?.upload.pause(),
  resume: (path: string) => running.get(path)?.upload.resume(),
  createLimiter,
};

export type PageApi = typeof api;

declare global {
  // The tests call it by this name.
  var cosSlice: PageApi;
}
globalThis.cosSlice = api;

// In a worker, orders come as messages.
if (typeof document === 'undefined') {
  addEventListener('message', async ({ data, ports }: MessageEvent<UploadOrder>) => {
    const reply = await api.upload(data);
    (ports[0] ?? globalThis).postMessage(reply);
  });
}
