import {
  createObjectClient,
  type Download,
  type DownloadOptions,
  type DownloadResult,
  type ObjectClient,
  type Upload,
} from '@cos-slice/core';
import { createBlobSink, createWritableSink } from './blob-sink.ts';
import { receive } from './transport/receive.ts';
import { hasherWith, reach, type UploadBlobOptions, uploadBlob } from './upload-blob.ts';

/** What an upload wants, without what is one file's. What uploads go by, such as `integrity`, are their defaults. */
export type ClientOptions = Omit<UploadBlobOptions, OfOneFile>;

type OfOneFile = 'path' | 'attributes' | 'signal' | 'onProgress';

/** What is one upload's, and what it does differently from the client's other ones. */
export type UploadToOptions = Pick<UploadBlobOptions, Exclude<OfOneFile, 'path'>> &
  Partial<
    Pick<
      UploadBlobOptions,
      'integrity' | 'overwrite' | 'onConflict' | 'resume' | 'sliceSize' | 'singleRequestMax' | 'wire'
    >
  >;

export interface BrowserDownloadOptions extends DownloadOptions {
  /**
   * Check the SHA-1, where the server tells it, in the hash worker. Default true; false where a page may have no workers: then
   * only the size is checked.
   */
  readonly verify?: boolean;
}

export interface BlobDownloadResult extends DownloadResult {
  readonly blob: Blob;
}

export interface Client extends ObjectClient {
  /** Downloads a file to a `Blob`. @throws CosSliceError `integrity` (from `done`) */
  download(path: string, options?: BrowserDownloadOptions & { readonly type?: string }): Download<BlobDownloadResult>;
  /** Downloads a file to a stream, such as one to a file of the File System Access API. It is closed when all has come, or else aborted. */
  downloadTo(stream: WritableStream<Uint8Array>, path: string, options?: BrowserDownloadOptions): Download;
  /** Uploads as `uploadBlob` does; all uploads of a client share its places for requests. */
  upload(blob: Blob, path: string, options?: UploadToOptions): Upload;
}

/**
 * Works with what is in a bucket, from a page or a worker. The signing endpoint sees what each signature is for, in `effect`
 * and `path`: `once` for what changes or removes something, `download`, and `multi`, where a path that ends in a slash is a
 * directory.
 *
 * @throws CosSliceError `invalid-options`, at once, with every issue
 * @example
 * const client = createClient({ endpoint: cosEndpoint('sh'), appId: '10055004', bucket: 'films', signer: remoteSigner('/sign') });
 * for await (const { path, kind } of client.list('2024/')) show(kind, path);
 */
export function createClient(options: ClientOptions): Client {
  const { transport: _kind, hashWorker, ...rest } = options;
  const hasher = hasherWith(hashWorker);
  const { concurrency, ...platform } = reach(
    (options.wire?.place ?? options).endpoint ?? '',
    rest.concurrency,
    rest.maxMemory,
  );
  const { config, limiter, downloadTo, ...objects } = createObjectClient(
    { ...rest, concurrency },
    { ...platform, transport: { ...platform.transport, receive } },
  );
  return {
    ...objects,
    download(path, { type = '', verify = true, ...more } = {}) {
      const sink = createBlobSink(verify ? hasher : undefined);
      const download = downloadTo(sink, path, more);
      const done = download.done.then((result) => ({ ...result, blob: sink.blob(type) }));
      done.catch(() => {});
      return {
        done,
        get state() {
          return download.state;
        },
        subscribe: download.subscribe,
        pause: download.pause,
        resume: download.resume,
      };
    },
    downloadTo: (stream, path, { verify = true, ...more } = {}) =>
      downloadTo(createWritableSink(stream, verify ? hasher : undefined), path, more),
    upload: (blob, path, more = {}) => uploadBlob(blob, { ...options, ...given(more), path, concurrency: limiter }),
  };
}

/** An option that is there but undefined counts as not given: the client's own holds. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries({ ...options }).filter(([, value]) => value !== undefined)) as T;
}
