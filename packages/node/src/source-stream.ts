import type { Readable } from 'node:stream';
import { isUint8Array } from 'node:util/types';
import { type ByteRange, CosSliceError, type Source } from '@cos-slice/core';
import { createBufferPool } from './buffer-pool.ts';
import { atMost, untilAborted } from './waiting.ts';

/** Slices may be asked a little out of order; a longer way ahead means that the bytes between are not wanted. */
const MAX_GAP_BYTES = 64 * 1024 * 1024;
/** A stream may take its time to be cancelled, and an upload does not wait for it. */
const CANCEL_MS = 1000;

/** A web `ReadableStream` of bytes. */
export interface WebByteStream {
  getReader(): {
    read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
    cancel(reason?: unknown): Promise<void>;
  };
}

/** A `Readable`, a web stream, or anything else that yields bytes. */
export type ByteStream = Readable | WebByteStream | AsyncIterable<Uint8Array>;

/** By what it can do: streams of other copies of their class are as good. */
export function isByteStream(value: unknown): value is ByteStream {
  const stream = (value ?? {}) as Partial<Readable & WebByteStream>;
  if (typeof stream.getReader === 'function') return true;
  return typeof stream[Symbol.asyncIterator] === 'function';
}

/** Reads a stream chunk by chunk. */
export interface ByteReader {
  /**
   * @param position bytes read before, for messages
   * @param sizeBytes of the whole, where it is known
   * @returns undefined at the end. @throws CosSliceError `source-unreadable`
   */
  next(position: number, sizeBytes?: number): Promise<Uint8Array | undefined>;
  cancel(): Promise<void>;
}

export function readerOf(stream: ByteStream): ByteReader {
  const reader = toReader(stream);
  return {
    async next(position, sizeBytes) {
      const { done, value } = await reader.read().catch((error) => {
        const why = error instanceof Error ? error.message : String(error);
        const of = sizeBytes === undefined ? '' : ` of ${sizeBytes}`;
        const what = `the stream failed after ${position}${of} bytes: ${firstLine(why)}`;
        throw new CosSliceError('source-unreadable', what, { cause: error });
      });
      if (done) return undefined;
      if (isUint8Array(value)) return value;
      const what = 'the stream yields something other than bytes: give a binary stream';
      throw new CosSliceError('source-unreadable', what);
    },
    cancel: reader.cancel,
  };
}

/** Bytes that were read. They are given up when all are stored and nobody uses them. */
interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
  unstoredBytes: number;
  /** Slices that are views on it and have not been released. */
  users: number;
}

/**
 * Uploads a stream of known length, in one pass. A slice's bytes are kept until the server has stored them, so that it can
 * be sent again; memory follows the concurrency. Such an upload cannot be resumed by another process.
 *
 * @param sizeBytes what the stream will yield; more or less fails with `source-changed`
 */
export function createStreamSource(stream: ByteStream, sizeBytes: number): Source<Uint8Array> {
  const reader = readerOf(stream);
  const buffers = createBufferPool();
  let pieces: Piece[] = [];
  /** Bytes read so far. */
  let position = 0;
  let rest: Uint8Array = new Uint8Array(0);
  let endSeen = false;
  let failure: unknown;
  /** Reads go one after another; one that was asked for goes on when its slice is aborted, and is kept. */
  let reading: Promise<void> = Promise.resolve();

  const nextChunk = async (): Promise<Uint8Array | undefined> => {
    if (rest.length > 0) return rest;
    return reader.next(position, sizeBytes);
  };

  const take = async (length: number): Promise<Uint8Array> => {
    const bytes = buffers.take(length);
    let filled = 0;
    while (filled < length) {
      const chunk = await nextChunk();
      if (chunk === undefined) {
        throw new CosSliceError(
          'source-changed',
          `the stream ended after ${position} of ${sizeBytes} bytes: give its true size`,
        );
      }
      const part = chunk.subarray(0, length - filled);
      rest = chunk.subarray(part.length);
      bytes.set(part, filled);
      filled += part.length;
      position += part.length;
    }
    return bytes;
  };

  const keep = async (length: number): Promise<void> => {
    const offset = position;
    const bytes = await take(length);
    // `pieces` may have been replaced meanwhile.
    pieces.push({ offset, bytes, unstoredBytes: length, users: 0 });
  };

  const dropUnused = (): void => {
    pieces = pieces.filter((piece) => {
      const used = piece.unstoredBytes > 0 || piece.users > 0;
      if (!used) buffers.give(piece.bytes);
      return used;
    });
  };

  const readUpTo = async ({ offset, length }: ByteRange): Promise<void> => {
    if (offset - position > MAX_GAP_BYTES) {
      while (position < offset) buffers.give(await take(Math.min(offset - position, 1024 * 1024)));
    }
    if (position < offset) await keep(offset - position);
    if (position < offset + length) await keep(offset + length - position);
    if (position < sizeBytes || endSeen) return;
    let more = await nextChunk();
    // Empty chunks say nothing of the end.
    while (more?.length === 0) more = await nextChunk();
    if (more !== undefined) {
      throw new CosSliceError('source-changed', `the stream has more than ${sizeBytes} bytes: give its true size`);
    }
    endSeen = true;
  };

  return {
    sizeBytes,
    // Whoever writes to the stream sets the pace.
    unhurried: true,
    async slice(range, signal) {
      signal.throwIfAborted();
      reading = reading.then(async () => {
        if (failure === undefined) await readUpTo(range);
      });
      reading = reading.catch((error) => {
        failure ??= error;
      });
      await untilAborted(reading, signal);
      const bytes = cut(pieces, range);
      if (bytes !== undefined && (failure === undefined || range.offset + range.length < sizeBytes)) return bytes;
      if (failure !== undefined) throw failure;
      throw new CosSliceError(
        'source-not-replayable',
        `the stream is past byte ${range.offset}, which is needed again: start over with a new stream, or upload a file`,
      );
    },
    release(content) {
      const piece = pieces.find(({ bytes }) => bytes.buffer === content.buffer);
      if (piece !== undefined) piece.users -= 1;
      dropUnused();
    },
    stored({ offset, length }) {
      for (const piece of pieces) {
        const start = Math.max(offset, piece.offset);
        const end = Math.min(offset + length, piece.offset + piece.bytes.length);
        piece.unstoredBytes -= Math.max(0, end - start);
      }
      dropUnused();
    },
    async identity() {
      return undefined;
    },
    async close() {
      pieces = [];
      buffers.close();
      await atMost(CANCEL_MS, reader.cancel());
    },
  };
}

/** @returns the bytes of a range, as a view when they lie in one piece; undefined when some are not kept */
function cut(pieces: readonly Piece[], { offset, length }: ByteRange): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  let last: Piece | undefined;
  for (let at = offset; at < offset + length; at += parts.at(-1)?.length ?? 0) {
    last = pieces.find((each) => each.unstoredBytes > 0 && each.offset <= at && at < each.offset + each.bytes.length);
    if (last === undefined) return undefined;
    parts.push(last.bytes.subarray(at - last.offset, offset + length - last.offset));
  }
  const [only] = parts;
  if (last === undefined || only === undefined || parts.length > 1) return Buffer.concat(parts);
  last.users += 1;
  return only;
}

interface Reader {
  read(): Promise<{ done?: boolean | undefined; value?: unknown }>;
  cancel(): Promise<void>;
}

function toReader(stream: ByteStream): Reader {
  if ('getReader' in stream) {
    const reader = stream.getReader();
    return { read: () => reader.read(), cancel: () => reader.cancel() };
  }
  const { destroy, on } = stream as Partial<Readable>;
  // It may fail before anybody reads; the reader then hears of it.
  on?.call(stream, 'error', () => {});
  const iterator = stream[Symbol.asyncIterator]();
  return {
    read: () => iterator.next(),
    async cancel() {
      if (destroy) destroy.call(stream);
      else await iterator.return?.();
    },
  };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
