import {
  createUpload,
  type Integrity,
  type ResumeStore,
  type Transport,
  type Upload,
  type UploadOptions,
} from '@cos-slice/core';
import { type BlobSource, createBlobSource } from './blob-source.ts';
import { type BrowserHasher, createWorkerHasher, type StartHashWorker } from './hash/hasher.ts';
import { createIndexedDbStore } from './indexed-db-store.ts';
import { createBrowserNetwork } from './network.ts';
import { createFetchTransport } from './transport/fetch-transport.ts';
import { createXhrTransport } from './transport/xhr-transport.ts';

export interface UploadBlobOptions extends UploadOptions {
  /**
   * `xhr` shows progress within a slice and costs one preflight per file; `fetch` costs none and shows whole slices. Default:
   * `xhr` where there is one, `fetch` in service workers.
   */
  readonly transport?: 'xhr' | 'fetch';
  /** Default `none`: anything else reads every byte into a worker. */
  readonly integrity?: Integrity;
  /** Starts the hash worker, for pages that forbid workers from `blob:` URLs. */
  readonly hashWorker?: StartHashWorker;
}

/** What the uploads of a page share. */
const transports = { xhr: createXhrTransport(), fetch: createFetchTransport() };
const network = createBrowserNetwork();
let sharedHasher: BrowserHasher | undefined;
let sharedStore: ResumeStore | undefined;

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
  const { transport: wanted, hashWorker, ...rest } = options;
  const integrity = options.integrity ?? 'none';
  sharedStore ??= createIndexedDbStore();
  sharedHasher ??= createWorkerHasher();
  const hasher = hashWorker ? createWorkerHasher(hashWorker) : sharedHasher;
  const source = createBlobSource(blob);
  const kind = wanted ?? (typeof XMLHttpRequest === 'function' ? 'xhr' : 'fetch');
  return createUpload(
    async () => {
      // Before anything is sent, not after the session has been opened.
      if (integrity !== 'none') await hasher.ready();
      return source;
    },
    { ...rest, integrity, resume: options.resume ?? sharedStore },
    { transport: distrusting(transports[kind], source), hasher, network },
  );
}

/** Some browsers stall on slices of files: after a timeout, the slice is read into memory and sent from there. */
function distrusting(transport: Transport<Blob>, source: BlobSource): Transport<Blob> {
  return {
    reportsProgress: transport.reportsProgress,
    async send(request, context) {
      try {
        return await transport.send(request, context);
      } catch (error) {
        if (request.content && (error as { code?: unknown })?.code === 'timeout') source.distrust(request.content.body);
        throw error;
      }
    },
  };
}
