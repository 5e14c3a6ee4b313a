import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ByteRange, CosSliceError, type Source } from '@cos-slice/core';
import { createBufferPool } from './buffer-pool.ts';
import { createBytesSource } from './source-bytes.ts';
import type { FileSource } from './source-file.ts';
import { type ByteStream, readerOf } from './source-stream.ts';
import { untilAborted } from './waiting.ts';

export interface SpoolOptions {
  /** A stream of no more is kept in memory, and goes in one request. In bytes. */
  readonly directMax: number;
  /** Most bytes that may go to the temporary file. */
  readonly spoolMax: number;
  readonly signal: AbortSignal;
  /** The stream may take its time: called so that nobody takes it to hang. */
  moved(): void;
}

/** How often it is said that a stream is still waited for. */
const WAITING_MS = 1_000;

/**
 * Uploads a stream of unknown length, since the size is sent first: what fits one request is kept in memory, anything else goes
 * to a temporary file (in `os.tmpdir()`) until the stream ends. The file has no name while it is there, so nothing stays of it,
 * however the process ends; where files in use cannot lose their names (Windows), it is removed in the end.
 *
 * @throws CosSliceError `source-unreadable`: the stream fails, is longer than `spoolMax`, or the disk is full
 */
export async function openSpooledSource(stream: ByteStream, options: SpoolOptions): Promise<Source<Uint8Array>> {
  const { directMax, spoolMax, signal } = options;
  const reader = readerOf(stream);
  const ticking = setInterval(options.moved, WAITING_MS);
  let chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  let spool: Spool | undefined;
  const flush = async (): Promise<void> => {
    spool ??= await openSpool();
    for (const chunk of chunks) await spool.write(chunk);
    chunks = [];
  };
  try {
    for (;;) {
      const chunk = await untilAborted(reader.next(sizeBytes), signal);
      if (chunk === undefined) break;
      options.moved();
      sizeBytes += chunk.length;
      if (sizeBytes > Math.max(spoolMax, directMax)) throw tooLong(spoolMax);
      chunks.push(chunk);
      if (sizeBytes > directMax) await flush();
    }
    return spool ? createSpoolSource(spool, sizeBytes) : createBytesSource(Buffer.concat(chunks, sizeBytes));
  } catch (error) {
    // Whoever writes to it must not be left waiting.
    reader.cancel().catch(() => {});
    await spool?.close();
    throw error;
  } finally {
    clearInterval(ticking);
  }
}

function tooLong(spoolMax: number): CosSliceError {
  const what = `the stream has more than ${spoolMax} bytes, and its length is not known: raise spoolMax, or give its sizeBytes`;
  return new CosSliceError('source-unreadable', what);
}

interface Spool {
  readonly handle: FileHandle;
  write(chunk: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

async function openSpool(): Promise<Spool> {
  const failed = (error: unknown): CosSliceError => {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
    const what = isFull
      ? `${tmpdir()} has no room for the stream (${code}): set TMPDIR to a folder that has, or give its sizeBytes`
      : `${tmpdir()} cannot be written (${code}): set TMPDIR to a folder that can`;
    return new CosSliceError('source-unreadable', what, { cause: error });
  };
  const folder = await mkdtemp(join(tmpdir(), 'cos-slice-')).catch((error) => {
    throw failed(error);
  });
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true }).catch(() => {});
  try {
    const handle = await open(join(folder, 'stream'), 'wx+', 0o600);
    let position = 0;
    if (process.platform !== 'win32') await remove();
    return {
      handle,
      async write(chunk) {
        try {
          for (let at = 0; at < chunk.length; ) {
            const { bytesWritten } = await handle.write(chunk, at, chunk.length - at, position);
            at += bytesWritten;
            position += bytesWritten;
          }
        } catch (error) {
          throw failed(error);
        }
      },
      async close() {
        await handle.close().catch(() => {});
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw failed(error);
  }
}

/** Nobody else can get at the file: it cannot change. A later process cannot either, so nothing is remembered of it. */
function createSpoolSource({ handle, close }: Spool, sizeBytes: number): FileSource {
  const buffers = createBufferPool();
  const read = async (content: Uint8Array, { offset, length }: ByteRange): Promise<void> => {
    for (let at = 0; at < length; ) {
      const { bytesRead } = await handle.read(content, at, length - at, offset + at);
      if (bytesRead === 0) throw new CosSliceError('source-unreadable', 'the temporary file of the stream was cut off');
      at += bytesRead;
    }
  };
  return {
    path: 'the stream',
    fd: handle.fd,
    hashed() {},
    sizeBytes,
    async slice(range, signal) {
      signal.throwIfAborted();
      const content = buffers.take(range.length);
      const reading = read(content, range);
      try {
        await untilAborted(reading, signal);
      } catch (error) {
        const give = (): void => buffers.give(content);
        reading.then(give, give);
        throw error;
      }
      return content;
    },
    release: buffers.give,
    identity: async () => undefined,
    close() {
      buffers.close();
      return close();
    },
  };
}
