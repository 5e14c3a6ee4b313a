import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import {
  CosSliceError,
  createDirect,
  createObjectClient,
  type Direct,
  type Download,
  type DownloadOptions,
  type ObjectClient,
  parseOptions,
  type Sink,
  systemClock,
  type Upload,
} from '@cos-slice/core';
import { type DownloadDirectoryOptions, downloadDirectoryWith } from './directory/download-directory.ts';
import type { UploadSettings } from './directory/file-client.ts';
import { type DirectoryTransfer, FILES_AT_ONCE } from './directory/types.ts';
import { type UploadDirectoryOptions, uploadDirectoryWith } from './directory/upload-directory.ts';
import { createFileSink } from './file-sink.ts';
import { CONCURRENCY, INTEGRITY } from './options.ts';
import { createObjectSource, type ObjectSource } from './source-object.ts';
import type { UploadSource } from './sources.ts';
import { createStreamSink } from './stream-sink.ts';
import { checked, paced, reach, type UploadFileOptions, uploadFile } from './upload-file.ts';

/** What an upload wants, without what is one file's. What uploads go by, such as `integrity`, are their defaults. */
export type ClientOptions = Omit<UploadFileOptions, OfOneFile>;

type OfOneFile = 'path' | 'attributes' | 'signal' | 'onProgress' | 'mayGrow';

/** What is one upload's, and what it does differently from the client's other ones. */
export type UploadToOptions = Pick<UploadFileOptions, Exclude<OfOneFile, 'path'>> &
  Partial<
    Pick<
      UploadFileOptions,
      'integrity' | 'overwrite' | 'onConflict' | 'resume' | 'sliceSize' | 'singleRequestMax' | 'wire'
    >
  >;

export interface DownloadFileOptions extends DownloadOptions {
  /** Replace a file of that name. Default false: error `exists`. */
  readonly overwrite?: boolean;
  /**
   * Wait until the disk has the file before it gets its name, so that it is whole when the power fails. Default false: it is
   * whole when the process is killed.
   */
  readonly fsync?: boolean;
}

export interface Client extends ObjectClient {
  /**
   * Downloads a file, several parts of a large one at once. It is written to `<file>.part`, checked, and then given its name; a
   * download that ends early goes on from there, as long as it is the same object. A stream gets the bytes in order.
   *
   * @param to path or `file:` URL of the file to be, or a stream
   * @throws CosSliceError `invalid-options`, at once. `done` rejects with `not-found`, `wrong-kind`, `exists`, `object-changed`,
   *   `integrity`, `target-unwritable` and with what requests may fail with.
   */
  download(path: string, to: string | URL | Writable, options?: DownloadFileOptions): Download;
  /** Uploads as `uploadFile` does; all uploads of a client share its places for requests. */
  upload(source: UploadSource, path: string, options?: UploadToOptions): Upload;
  /**
   * A file of the bucket as what another client uploads: `other.upload(client.object('film.mp4'), 'film.mp4')`. It is read in
   * ranges as they are sent, and keeps no more in memory than the upload has under way; run again, the upload is resumed.
   */
  object(path: string): ObjectSource;
  /**
   * Uploads what is in a directory: files, and directories that are empty, too. It is walked through as the upload goes on, so
   * memory and open files do not grow with it; run again, it sends what is missing or has changed, and nothing else.
   *
   * @throws CosSliceError `invalid-options`, at once. `done` rejects with the first failure, unless `onFailure` is `continue`.
   * @example
   * const { transferred, skipped } = await client.uploadDirectory('photos', { to: 'backup/photos', exclude: ['*.tmp'] }).done;
   */
  uploadDirectory(directory: string | URL, options?: UploadDirectoryOptions): DirectoryTransfer;
  /**
   * Downloads what is in a directory of the bucket (empty: the bucket). Files get the time of their object. Nothing is ever
   * written outside of the local directory, whatever the names are and wherever links there lead.
   *
   * @throws CosSliceError as `uploadDirectory`
   */
  downloadDirectory(from: string, directory: string | URL, options?: DownloadDirectoryOptions): DirectoryTransfer;
}

/** Uploads a directory: `createClient(options).uploadDirectory(directory, options)`. */
export function uploadDirectory(
  directory: string | URL,
  options: ClientOptions & UploadDirectoryOptions,
): DirectoryTransfer {
  return createClient(options).uploadDirectory(directory, options);
}

/** Downloads a directory: `createClient(options).downloadDirectory(from, directory, options)`. */
export function downloadDirectory(
  from: string,
  directory: string | URL,
  options: ClientOptions & DownloadDirectoryOptions,
): DirectoryTransfer {
  return createClient(options).downloadDirectory(from, directory, options);
}

/** As many as there may be requests; more could not move. */
function filesAtOnce(concurrency: ClientOptions['concurrency']): number {
  if (typeof concurrency === 'number') return concurrency;
  return concurrency !== undefined && 'max' in concurrency ? concurrency.max : FILES_AT_ONCE;
}

/**
 * Works with what is in a bucket. Its requests, those of uploads included, share connections, signatures and a limiter.
 *
 * @throws CosSliceError `invalid-options`, at once, with every issue
 * @example
 * const client = createClient({
 *   endpoint: cosEndpoint('sh'), appId: '10055004', bucket: 'films',
 *   signer: createSigner({ appId: '10055004', bucket: 'films', secretId, secretKey, bound: false }),
 * });
 * for await (const { path, kind } of client.list('2024/')) console.log(kind, path);
 */
export function createClient(options: ClientOptions): Client {
  const { dispatcher: _dispatcher, proxy: _proxy, bandwidth, ...rest } = checked(options);
  const shared = paced(bandwidth);
  const concurrency = rest.concurrency ?? CONCURRENCY;
  const platform = reach(options);
  const { limiter, downloadTo, ...objects } = createObjectClient({ ...rest, ...shared, concurrency }, platform);
  const direct = (settings: UploadSettings, life: AbortSignal): Direct<Uint8Array> | undefined => {
    const integrity = settings.integrity ?? rest.integrity ?? INTEGRITY;
    try {
      const config = parseOptions({
        ...rest,
        ...shared,
        ...settings,
        integrity,
        path: 'any',
        overwrite: true,
        concurrency: limiter,
      });
      return createDirect({ config, transport: platform.transport, clock: systemClock, random: Math.random, life });
    } catch {
      // Uploads tell what is wrong with them.
      return undefined;
    }
  };
  const client: Client = {
    ...objects,
    download: (path, to, more = {}) => downloadTo(sinkFor(to, more), path, more),
    object: (path) => createObjectSource({ ...objects, downloadTo }, path),
    upload: (source, path, more = {}) =>
      uploadFile(source, { ...options, ...shared, ...given(more), path, concurrency: limiter }),
    uploadDirectory: (directory, more = {}) =>
      uploadDirectoryWith({ ...client, direct }, directory, more, filesAtOnce(rest.concurrency)),
    downloadDirectory: (from, directory, more = {}) =>
      downloadDirectoryWith(client, from, directory, more, filesAtOnce(rest.concurrency)),
  };
  return client;
}

function sinkFor(to: string | URL | Writable, { overwrite, fsync }: DownloadFileOptions): Sink {
  if (typeof to === 'string' && to !== '' && !to.includes('\0')) return createFileSink(to, { overwrite, fsync });
  if (to instanceof URL && to.protocol === 'file:') return createFileSink(fileURLToPath(to), { overwrite, fsync });
  if (typeof (to as Writable | undefined)?.write === 'function') return createStreamSink(to as Writable);
  const issue = { option: 'to', message: 'must be the path of a file, a file: URL or a writable stream' };
  throw new CosSliceError('invalid-options', `invalid options: to ${issue.message}`, { issues: [issue] });
}

/** An option that is there but undefined counts as not given: the client's own holds. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries({ ...options }).filter(([, value]) => value !== undefined)) as T;
}
