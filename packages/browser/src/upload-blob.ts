import {
  type AdaptiveLimiter,
  type Config,
  createLimiter,
  type Hasher,
  type Integrity,
  isCosSliceError,
  type Limiter,
  type Platform,
  type Transport,
  type Upload,
  type UploadOptions,
} from '@cos-slice/core';
import {
  leanJsonApi,
  parseOptionsFor,
  type Recorded,
  type Recorder,
  startUpload,
  type WhenTaken,
} from '@cos-slice/core/lean';
import { type BlobSource, createBlobSource } from './blob-source.ts';
import type { BrowserHasher, StartHashWorker } from './hash/hasher.ts';
import { loadLate } from './load-late.ts';
import { createBrowserNetwork } from './network.ts';
import { CONCURRENCY, INTEGRITY, SLICE_BYTES } from './options.ts';
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
  /**
   * As in `UploadOptions`; a number and bounds are for this upload alone. Default: all uploads of the page to a host share a
   * limiter with bounds `{ min: 1, max: 6 }`, since browsers open six connections to a host and the rest would wait.
   */
  readonly concurrency?: NonNullable<UploadOptions['concurrency']>;
  /** Default `none`: anything else reads every byte into a worker. */
  readonly integrity?: Integrity;
  /** Starts the hash worker, for pages that forbid workers from `blob:` URLs. */
  readonly hashWorker?: StartHashWorker;
}

/** What the uploads of a page share. */
const transports = { xhr: createXhrTransport(), fetch: createFetchTransport() };
const network = createBrowserNetwork();
const sharedHasher = lazily(() => loadHasher());
const loadDetours = lazily(() => loadLate(() => import('./detours.ts'), 'detours'));
const wire = leanJsonApi(loadDetours);
const loadResuming = lazily(async () => {
  const { createIndexedDbStore, createRecorder } = await loadLate(() => import('./resuming.ts'), 'identityOf');
  return { createRecorder, store: createIndexedDbStore() };
});
const limiters = new Map<string, AdaptiveLimiter>();
let late: WhenTaken | undefined;

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
  const { integrity = INTEGRITY, resume } = options;
  const { endpoint = '' } = options.wire?.place ?? options;
  // Where the server has the last word, ours is the first one.
  const isOurs = options.wire?.traits.sliceSize.chosenBy === 'client';
  const { sliceSize = isOurs ? undefined : SLICE_BYTES } = options;
  const hasher = hasherWith(hashWorker);
  const source = createBlobSource(blob);
  const concurrency = options.concurrency ?? sharedLimiter(endpoint, options.maxMemory);
  const kind = transport ?? (typeof XMLHttpRequest === 'function' ? 'xhr' : 'fetch');
  const recorder = async (recorded: Recorded): Promise<Recorder> => {
    const { createRecorder, store } = await loadResuming();
    return createRecorder(resume || store, recorded);
  };
  return startUpload(
    async (_signal, moved) => {
      // Before anything is sent, not after the session has been opened.
      if (integrity !== 'none') await (await hasher()).ready(moved);
      if (typeof options.overwrite === 'string') {
        ({ whenTaken: late } = await loadLate(() => import('@cos-slice/core/when-taken'), 'whenTaken'));
      }
      return source;
    },
    { ...rest, integrity, concurrency, ...(sliceSize && { sliceSize }) },
    {
      transport: watching(transports[kind], source),
      hasher: lazyHasher(hasher),
      ...(NEAR.test(endpoint) ? {} : { network }),
    },
    { wire, detours: loadDetours, whenTaken: () => late, recorder: resume === false ? undefined : recorder },
    blob.size,
  );
}

/**
 * Checks and fills in options, as `uploadBlob` does before anything else.
 *
 * @throws CosSliceError `invalid-options` with every issue found, not just the first
 */
export function parseOptions(options: UploadOptions): Config {
  return parseOptionsFor(options, wire);
}

/** What loads the hasher when it is first needed: the page's, or one of a worker of its own. */
export function hasherWith(startWorker: StartHashWorker | undefined): () => Promise<BrowserHasher> {
  return startWorker ? lazily(() => loadHasher(startWorker)) : sharedHasher;
}

/** What the failure of a request says about the file that it sent a slice of. */
function watching(transport: Transport<Blob>, source: BlobSource): Transport<Blob> {
  return {
    ...transport,
    send: (request, context) =>
      transport.send(request, context).catch(async (error) => {
        // Some browsers stall on slices of files: the next attempt reads the slice into memory and sends it from there.
        if (request.content && isCosSliceError(error, 'timeout')) source.distrust(request.content.body);
        // Browsers call a file that has changed a network error: it must not be tried again and again.
        if (request.content && isCosSliceError(error, 'network')) await source.verify?.();
        throw error;
      }),
  };
}

/** What requests about objects go through: a request that shows no progress needs no preflight. */
export function reach(
  endpoint: string,
  concurrency: UploadBlobOptions['concurrency'],
  maxMemory?: number,
): Omit<Platform<Blob>, 'hasher'> & Pick<Required<UploadBlobOptions>, 'concurrency'> {
  return {
    transport: transports.fetch,
    concurrency: concurrency ?? sharedLimiter(endpoint, maxMemory),
    ...(NEAR.test(endpoint) ? {} : { network }),
  };
}

/** The browser's connections to a host are a page's: its uploads share them, instead of queueing up behind each other. */
function sharedLimiter(endpoint: string, maxMemory: number | undefined): Limiter {
  const [origin = ''] = /^\w+:\/\/[^/]*/.exec(endpoint) ?? [];
  const limiter = limiters.get(origin) ?? createLimiter(CONCURRENCY);
  limiters.set(origin, limiter);
  // What is no number of bytes is refused with everything else that is wrong.
  if (maxMemory && maxMemory > 0) limiter.maxMemory = maxMemory;
  return limiter;
}

/** Hosts that are reached without the network that browsers mean by being online: loopback, private ones, names without a dot. */
const NEAR =
  /^\w+:\/\/(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|\[|[^/:.]+[/:]|[^/:]+\.(local|localhost|lan|internal)[/:])/i;

/** Makes something when it is first needed. What fails is tried again the next time. */
function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let making: Promise<T> | undefined;
  return () => {
    making ??= make().catch((error) => {
      making = undefined;
      throw error;
    });
    return making;
  };
}

async function loadHasher(startWorker?: StartHashWorker): Promise<BrowserHasher> {
  return (await loadLate(() => import('./hash/hasher.ts'), 'createWorkerHasher', 'hashing-failed')).createWorkerHasher(
    startWorker,
  );
}

function lazyHasher(hasher: () => Promise<BrowserHasher>): Hasher<Blob> {
  return {
    digest: async (...args) => (await hasher()).digest(...args),
    combine: async (...args) => (await hasher()).combine(...args),
    uploadParts: async (...args) => (await hasher()).uploadParts(...args),
  };
}
