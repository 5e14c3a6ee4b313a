import { isAnyArrayBuffer, isUint8Array } from 'node:util/types';
import type { Integrity, OptionIssue, Source } from '@cos-slice/core';
import type { Content } from './content.ts';
import { createBytesSource } from './source-bytes.ts';
import { openFileSource } from './source-file.ts';
import type { ObjectSource } from './source-object.ts';
import { openSpooledSource } from './source-spool.ts';
import { type ByteStream, createStreamSource, isByteStream } from './source-stream.ts';

/** A stream and how many bytes it will yield. */
export interface SizedStream {
  readonly stream: ByteStream;
  readonly sizeBytes: number;
}

/**
 * Path or `file:` URL, bytes in memory, a stream (of known length, or spooled until it ends), or an object of this or another
 * server (`client.object`).
 */
export type UploadSource = string | URL | Uint8Array | ArrayBuffer | SizedStream | ByteStream | ObjectSource;

/** Of a file's slices: what is larger is read as it is sent. Several of them are under way at once, whatever they hold. */
const LARGE_BYTES = 16 * 1024 * 1024;

/** While it is asked, the object of another server says so that often. */
const TELLING_MS = 200;

export interface SourceOptions {
  readonly integrity: Integrity;
  readonly mayGrow: boolean;
  /** A stream of unknown length that is no longer than this goes in one request. */
  readonly directMax: number;
  /** Most bytes of a stream of unknown length. */
  readonly spoolMax: number;
}

export async function openSource(
  source: UploadSource,
  { integrity, mayGrow, directMax, spoolMax }: SourceOptions,
  signal: AbortSignal,
  moved: () => void,
): Promise<Source<Content>> {
  const contentDecides = integrity !== 'none';
  if (isFile(source)) return openFileSource(source, { contentDecides, mayGrow, largeBytes: LARGE_BYTES, signal });
  if (isObjectSource(source)) {
    // Its requests have time limits of their own, and are tried again.
    const telling = setInterval(moved, TELLING_MS);
    return source.open(signal).finally(() => clearInterval(telling));
  }
  if (isSizedStream(source)) return createStreamSource(source.stream, source.sizeBytes);
  if (isByteStream(source)) return openSpooledSource(source, { directMax, spoolMax, signal, moved });
  return createBytesSource(source);
}

/** What is wrong with a source, as far as can be told before it is opened. */
export function sourceIssues(
  source: UploadSource,
  { integrity, mayGrow }: Pick<SourceOptions, 'integrity' | 'mayGrow'>,
): OptionIssue[] {
  const issues: OptionIssue[] = [];
  const check = (option: string, right: boolean, message: string): void => {
    if (!right) issues.push({ option, message });
  };
  if (isObjectSource(source)) {
    check('integrity', integrity !== 'sha1', 'sha1 would read the object twice: use md5');
  } else if (isSizedStream(source)) {
    const { stream, sizeBytes } = source;
    check('stream', isByteStream(stream), 'must be a Readable, a ReadableStream or an async iterable of bytes');
    check('sizeBytes', Number.isSafeInteger(sizeBytes) && sizeBytes >= 0, 'must be the length of the stream in bytes');
    check('integrity', integrity !== 'sha1', 'sha1 reads the content twice, a stream can be read once: use md5');
  } else if (!isFile(source) && !isByteStream(source)) {
    const bytes = isUint8Array(source) || isAnyArrayBuffer(source);
    check('source', bytes, 'must be a path, a file: URL, bytes, a stream, { stream, sizeBytes }, or an object');
  }
  check('mayGrow', !mayGrow || isFile(source), 'is for files: what else is uploaded does not grow');
  return issues;
}

// By what they can do and not by their class: test runners and frames have classes of their own.
function isFile(source: UploadSource): source is string | URL {
  return typeof source === 'string' || (typeof (source as URL)?.href === 'string' && 'protocol' in (source as URL));
}

function isObjectSource(source: UploadSource): source is ObjectSource {
  // A stream of a file has both, too.
  if (isByteStream(source)) return false;
  return typeof (source as ObjectSource)?.open === 'function' && 'path' in (source as ObjectSource);
}

function isSizedStream(source: UploadSource): source is SizedStream {
  return typeof source === 'object' && source !== null && 'stream' in source;
}
