import { Readable } from 'node:stream';
import {
  CosSliceError,
  createUpload,
  type Hasher,
  type Integrity,
  type OptionIssue,
  type ResumeStore,
  type Source,
  type Transport,
  type Upload,
  type UploadOptions,
} from '@cos-slice/core';
import type { Dispatcher } from 'undici';
import { createDispatcherTransport } from './dispatcher-transport.ts';
import { createHasher } from './hasher.ts';
import { createNetwork, type EndpointNetwork } from './network.ts';
import { createFileResumeStore } from './resume-store.ts';
import { createBytesSource } from './source-bytes.ts';
import { openFileSource } from './source-file.ts';
import { type ByteStream, createStreamSource } from './source-stream.ts';
import { createHttpTransport } from './transport.ts';

/** A stream and how many bytes it will yield. */
export interface SizedStream {
  readonly stream: ByteStream;
  readonly sizeBytes: number;
}

/** Path or `file:` URL, bytes in memory, or a stream of known length. */
export type UploadSource = string | URL | Uint8Array | ArrayBuffer | SizedStream;

export interface UploadFileOptions extends UploadOptions {
  /** As in `UploadOptions`. Default `{ min: 1, max: 16 }`. */
  readonly concurrency?: NonNullable<UploadOptions['concurrency']>;
  /**
   * A dispatcher of undici to send through: a `ProxyAgent`, or an `Agent` with certificates of its own. It is yours to close.
   * Default: node:http.
   */
  readonly dispatcher?: Dispatcher;
}

/** Connections that stand still now and then, as far networks make them, are made up for by others. */
const CONCURRENCY = { min: 1, max: 16 };

/** What all uploads of this process share: connections, hashing workers, the place where uploads are remembered. */
interface Shared {
  readonly transport: Transport<Uint8Array>;
  readonly hasher: Hasher<Uint8Array>;
  readonly resume: ResumeStore;
}
let shared: Shared | undefined;

/**
 * Uploads a file, bytes or a stream. It starts by itself; await `done`.
 *
 * `integrity` defaults to `md5`, `resume` to files in the user's state directory. A stream is read once: it cannot be resumed
 * by another process, nor have integrity `sha1`.
 *
 * @throws CosSliceError `invalid-options`, at once, with every issue. Everything else rejects `done`.
 * @example
 * const upload = uploadFile('film.mp4', {
 *   endpoint: cosEndpoint('sh'), appId: '10055004', bucket: 'films', path: '2024/film.mp4',
 *   signer: createSigner({ appId: '10055004', bucket: 'films', secretId, secretKey }),
 * });
 * console.log((await upload.done).accessUrl);
 */
export function uploadFile(source: UploadSource, options: UploadFileOptions): Upload {
  shared ??= { transport: createHttpTransport(), hasher: createHasher(), resume: createFileResumeStore() };
  const { hasher, resume } = shared;
  const { dispatcher, ...rest } = options;
  const integrity = options.integrity ?? 'md5';
  checkSource(source, integrity);
  const open = (): Promise<Source<Uint8Array>> => openSource(source);
  const filled = {
    ...rest,
    integrity,
    concurrency: options.concurrency ?? CONCURRENCY,
    resume: options.resume ?? resume,
  };
  // A proxy may be reachable where the network interfaces say that nothing is.
  if (dispatcher) return createUpload(open, filled, { transport: createDispatcherTransport(dispatcher), hasher });
  const network = createNetwork(options.endpoint);
  return createUpload(open, filled, { transport: watched(shared.transport, network), hasher, network });
}

async function openSource(source: UploadSource): Promise<Source<Uint8Array>> {
  if (typeof source === 'string' || source instanceof URL) return openFileSource(source);
  if (isSizedStream(source)) return createStreamSource(source.stream, source.sizeBytes);
  return createBytesSource(source);
}

/** A request that fails is the moment to see whether there is a network at all. */
function watched(transport: Transport<Uint8Array>, network: EndpointNetwork): Transport<Uint8Array> {
  return {
    ...transport,
    send: (request, context) =>
      transport.send(request, context).catch((error) => {
        network.check();
        throw error;
      }),
  };
}

function isSizedStream(source: UploadSource): source is SizedStream {
  return typeof source === 'object' && source !== null && 'stream' in source;
}

function checkSource(source: UploadSource, integrity: Integrity): void {
  const issues: OptionIssue[] = [];
  if (isSizedStream(source)) {
    const { stream, sizeBytes } = source;
    if (!(stream instanceof Readable) && typeof stream?.getReader !== 'function') {
      issues.push({ option: 'stream', message: 'must be a Readable or a ReadableStream' });
    }
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      issues.push({ option: 'sizeBytes', message: 'must be the length of the stream in bytes' });
    }
    if (integrity === 'sha1') {
      issues.push({ option: 'integrity', message: 'sha1 reads the content twice, a stream can be read once: use md5' });
    }
  } else if (
    typeof source !== 'string' &&
    !(source instanceof URL || source instanceof Uint8Array || source instanceof ArrayBuffer)
  ) {
    issues.push({ option: 'source', message: 'must be a path, a file: URL, bytes, or { stream, sizeBytes }' });
  }
  if (issues.length === 0) return;
  const text = issues.map(({ option, message }) => `${option} ${message}`).join('; ');
  throw new CosSliceError('invalid-options', `invalid options: ${text}`, { issues });
}
