import { createHash } from 'node:crypto';
import { type BigIntStats, read } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ByteRange, CosSliceError, type Source } from '@cos-slice/core';
import { createBufferPool } from './buffer-pool.ts';

/** Up to this size, all bytes are in the identity. */
const WHOLE_BYTES = 1024 * 1024;
const EDGE_BYTES = 64 * 1024;
const MIDDLE_SAMPLES = 4;
const MIDDLE_SAMPLE_BYTES = 16 * 1024;
/**
 * A check that is younger counts for the next slice too, since it costs as much as reading one. What it does not see, the one
 * before finish does.
 */
const RECENT_MS = 20;

/** A file, read where the slices are. A hasher that runs elsewhere may open `path` itself. */
export interface FileSource extends Source<Uint8Array> {
  /** Absolute. */
  readonly path: string;
}

/**
 * Opens a regular file for uploading. Slices are read into buffers that `release` hands to the next ones, so that memory
 * follows the concurrency and not the file; they lie in shared memory, where a hashing worker sees them without a copy.
 *
 * `identity` covers size, time of modification, both ends and a few places in the middle (all of a file up to 1 MiB). The
 * time is in it because an edit in the middle of a file of the same size is otherwise invisible: touching a file costs a new
 * upload, never a mixed one.
 *
 * @param file path, or `file:` URL
 * @throws CosSliceError `source-unreadable`
 */
export async function openFileSource(file: string | URL): Promise<FileSource> {
  const path = toPath(file);
  const handle = await open(path).catch((error) => {
    throw unreadable(path, error);
  });
  let opened: BigIntStats;
  try {
    opened = await handle.stat({ bigint: true });
    if (!opened.isFile()) {
      throw new CosSliceError(
        'source-unreadable',
        `${path} is ${opened.isDirectory() ? 'a directory' : 'not a regular file'}: give a file, or a stream and its size`,
      );
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  const sizeBytes = Number(opened.size);

  const changed = (what: string, cause?: unknown): CosSliceError =>
    new CosSliceError(
      'source-changed',
      `${path} ${what} while it was uploaded: upload it again when it no longer changes`,
      {
        cause,
      },
    );

  const buffers = createBufferPool();
  let verifiedAtMs = 0;
  const verify = async (): Promise<void> => {
    // By path: a file that was replaced by another one keeps its old inode, and its old content, only for our handle.
    const now = await stat(path, { bigint: true }).catch((error) => {
      throw isMissing(error) ? changed('was removed', error) : unreadable(path, error);
    });
    if (now.size !== opened.size) throw changed(`went from ${opened.size} to ${now.size} bytes`);
    if (now.ino !== opened.ino || now.dev !== opened.dev) throw changed('was replaced by another file');
    if (now.mtimeNs !== opened.mtimeNs) throw changed('was modified');
    verifiedAtMs = performance.now();
  };

  const fill = async (target: Uint8Array, offset: number): Promise<void> => {
    if (!(await readFully(handle, path, target, offset))) throw changed('became shorter');
  };

  return {
    path,
    sizeBytes,
    async slice(range, signal) {
      signal.throwIfAborted();
      const content = buffers.take(range.length);
      try {
        await fill(content, range.offset);
        if (performance.now() - verifiedAtMs > RECENT_MS) await verify();
        signal.throwIfAborted();
        return content;
      } catch (error) {
        buffers.give(content);
        throw error;
      }
    },
    release: buffers.give,
    async identity(signal) {
      const hash = createHash('sha256').update(`${sizeBytes} ${opened.mtimeNs}\n`);
      const buffer = new Uint8Array(Math.min(sizeBytes, WHOLE_BYTES));
      for (const { offset, length } of samples(sizeBytes)) {
        signal.throwIfAborted();
        const part = buffer.subarray(0, length);
        await fill(part, offset);
        hash.update(part);
      }
      await verify();
      return `file-1:${hash.digest('hex')}`;
    },
    verify,
    close: () => handle.close(),
  };
}

function toPath(file: string | URL): string {
  if (typeof file === 'string') return resolve(file);
  if (file.protocol === 'file:') return fileURLToPath(file);
  throw new CosSliceError('source-unreadable', `a ${file.protocol} URL cannot be uploaded: give a path or a file: URL`);
}

/** Head, tail and a few places between; all of a small file. */
function samples(sizeBytes: number): ByteRange[] {
  if (sizeBytes <= WHOLE_BYTES) return [{ offset: 0, length: sizeBytes }];
  const at = (offset: number, length: number): ByteRange => ({
    offset: Math.min(Math.floor(offset), sizeBytes - length),
    length,
  });
  const middle = Array.from({ length: MIDDLE_SAMPLES }, (_, index) =>
    at((sizeBytes * (index + 1)) / (MIDDLE_SAMPLES + 1), MIDDLE_SAMPLE_BYTES),
  );
  return [at(0, EDGE_BYTES), ...middle, at(sizeBytes, EDGE_BYTES)];
}

/**
 * Reads with callbacks, which take less CPU than a promise for every piece.
 *
 * @returns false when the file ends before the buffer is full
 */
function readFully(handle: FileHandle, path: string, target: Uint8Array, offset: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let done = 0;
    const next = (): void => {
      read(handle.fd, target, done, target.length - done, offset + done, (error, bytesRead) => {
        if (error) return reject(unreadable(path, error));
        done += bytesRead;
        if (bytesRead === 0 || done === target.length) return resolve(done === target.length);
        next();
      });
    };
    next();
  });
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function unreadable(path: string, error: unknown): CosSliceError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  const advice: Record<string, string> = {
    ENOENT: `there is no file ${path}: check the path`,
    ENOTDIR: `there is no file ${path}: check the path`,
    EACCES: `${path} may not be read (EACCES): check its permissions and its directory's`,
    EPERM: `${path} may not be read (EPERM): check its permissions`,
    EMFILE: 'too many files are open (EMFILE): upload fewer at once, or raise the limit (ulimit -n)',
    EISDIR: `${path} is a directory: give a file`,
  };
  return new CosSliceError('source-unreadable', advice[code] ?? `${path} cannot be read (${code}): check the disk`, {
    cause: error,
  });
}
