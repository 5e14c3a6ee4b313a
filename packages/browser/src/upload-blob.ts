import {
  CosSliceError,
  createUpload,
  type Hasher,
  type Integrity,
  isCosSliceError,
  type ResumeStore,
  type Transport,
  type Upload,
  type UploadOptions,
} from '@cos-slice/core';
import { type BlobSource, createBlobSource } from './blob-source.ts';
import type { BrowserHasher, StartHashWorker } from './hash/hasher.ts';
import { createBrowserNetwork } from './network.ts';
import { createFetchTransport } from './transport/fetch-transport.ts';
import { createXhrTransport } from './transport/xhr-transport.ts';

export interface UploadBlobOptions extends UploadOptions {
  /**
   * `xhr` shows progress within a slice and costs one preflight per file; `fetch` costs none and shows whole slices. Default:
   * `xhr` where there is one, `fetch` in service workers.
   */
  readonly transport?: 'xhr' | 'fetch';
  /** In bytes, as in `UploadOptions`. Default 2 MiB: a request costs a browser some milliseconds, whatever it carries. */
  readonly sliceSize?: number;
  /** As in `UploadOptions`. Default `{ min: 1, max: 6 }`: browsers open six connections to a host, the rest would wait. */
  readonly concurrency?: NonNullable<UploadOptions['concurrency']>;
  /** Default `none`: anything else reads every byte into a worker. */
  readonly integrity?: Integrity;
  /** Starts the hash worker, for pages that forbid workers from `blob:` URLs. */
  readonly hashWorker?: StartHashWorker;
}

const SLICE_BYTES = 2 * 1024 * 1024;
const CONCURRENCY = { min: 1, max: 6 };

/** What the uploads of a page share. */
const transports = { xhr: createXhrTransport(), fetch: createFetchTransport() };
const network = createBrowserNetwork();
const sharedHasher = lazily(() => loadHasher());
const sharedStore = lazily(async () => (await import('./indexed-db-store.ts')).createIndexedDbStore());

/**
 * Uploads a `Blob` or `File` from a page or a worker. It starts by itself; await `done`. After a reload, call it again with the
 * same file and options: it continues from what the server has.
 *
 * @throws CosSliceError `invalid-options`, at once, with every issue. Everything else rejects `done`.
 * @example
 * const upload = uploadBlob(file, {
 *   endpoint: cosEndpoint('sh'), appId: '10055004', bucket: 'films', path: `inbox/${file.name}`,
 *   signer: remoteSigner('/sign'),
 * });
 * upload.subscribe(({ progress }) => show(progress.fraction));
 */
export function uploadBlob(blob: Blob, options: UploadBlobOptions): Upload {
  const { transport, hashWorker, ...rest } = options;
  const { integrity = 'none', sliceSize = SLICE_BYTES, concurrency = CONCURRENCY, resume = lazyStore } = options;
  const hasher = hashWorker ? lazily(() => loadHasher(hashWorker)) : sharedHasher;
  const source = createBlobSource(blob);
  const kind = transport ?? (typeof XMLHttpRequest === 'function' ? 'xhr' : 'fetch');
  return createUpload(
    async () => {
      // Before anything is sent, not after the session has been opened.
      if (integrity !== 'none') await (await hasher()).ready();
      return source;
    },
    { ...rest, integrity, sliceSize, concurrency, resume },
    { transport: watching(transports[kind], source), hasher: lazyHasher(hasher), network },
  );
}

/** What the failure of a request says about the file that it sent a slice of. */
function watching({ reportsProgress, send }: Transport<Blob>, source: BlobSource): Transport<Blob> {
  return {
    reportsProgress,
    send: (request, context) =>
      send(request, context).catch(async (error) => {
        // Some browsers stall on slices of files: the next attempt reads the slice into memory and sends it from there.
        if (request.content && isCosSliceError(error, 'timeout')) source.distrust(request.content.body);
        // Browsers call a file that has changed a network error: it must not be tried again and again.
        if (request.content && isCosSliceError(error, 'network')) await source.verify?.();
        throw error;
      }),
  };
}

/** Pages that neither hash nor resume do not load the code for it. A load that fails is tried again when next needed. */
function lazily<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () => {
    loading ??= load().catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
}

async function loadHasher(startWorker?: StartHashWorker): Promise<BrowserHasher> {
  try {
    return (await import('./hash/hasher.ts')).createWorkerHasher(startWorker);
  } catch (cause) {
    const what = "the code for hashing cannot be loaded: check the network, or use integrity 'none'";
    throw new CosSliceError('hashing-failed', what, { cause });
  }
}

function lazyHasher(hasher: () => Promise<BrowserHasher>): Hasher<Blob> {
  return {
    digest: async (...args) => (await hasher()).digest(...args),
    uploadParts: async (...args) => (await hasher()).uploadParts(...args),
  };
}

/** Without the code for it, an upload is forgetful. Service workers, for one, must not load code late. */
const lazyStore: ResumeStore = {
  load: async (key) => (await sharedStore()).load(key),
  save: async (key, record) => (await sharedStore()).save(key, record),
  remove: async (key) => (await sharedStore()).remove(key),
  lock: (key) =>
    sharedStore().then(
      (store) => store.lock(key),
      () => async () => {},
    ),
};
