import { createHash } from 'node:crypto';
import { type BigIntStats, read } from 'node:fs';
import { type FileHandle, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type ByteRange, CosSliceError, type Source } from '@cos-slice/core';
import { createBufferPool } from './buffer-pool.ts';
import type { Content, LargeContent } from './content.ts';
import { toPath } from './file-url.ts';
import { type FilePath, isMissing, nameOf, openRegular, unreadable } from './regular-file.ts';
import { atMost, untilAborted } from './waiting.ts';
import { createWitness } from './witness.ts';

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
/** What a slice that is not held in memory takes of it on its way. */
const LARGE_HELD_BYTES = 1024 * 1024;
/** A piece of such a slice is read in less time, or never: it is told before the server is taken to be what hangs. */
const READ_MS = 20_000;
/** Closing waits for the disk, and for no dead mount. */
const CLOSE_MS = 1000;

/** A file, read where the slices are. */
export interface FileSource<C extends Content = Uint8Array> extends Source<C> {
  /** Absolute, for messages. */
  readonly path: string;
  /** File descriptor, open until `close`: a hasher in another thread reads through it. */
  readonly fd: number;
  /** A hasher has found all of it to have this SHA-1, in hex. */
  hashed(sha: string): void;
}

export interface FileSourceOptions {
  /**
   * The hasher takes a digest of every slice, or of the whole, so that content can decide: when the file's times or its inode
   * have moved, what was handed out is read again and compared. Without it, such a file has changed. Default false.
   */
  readonly contentDecides?: boolean;
  /** The file may grow meanwhile, as logs do: what it holds when it is opened is uploaded. Default false. */
  readonly mayGrow?: boolean;
  /** Gives up opening. */
  readonly signal?: AbortSignal;
}

export interface LargeFileOptions extends FileSourceOptions {
  /**
   * Slices of more bytes are not held in memory: they are read piece by piece as they are sent, and again for a retry, by a
   * transport and a hasher that know how.
   */
  readonly largeBytes: number;
}

/**
 * Opens a regular file for uploading. Slices are read into buffers that `release` hands to the next ones, so that memory
 * follows the concurrency and not the file; they lie in shared memory, where a hashing worker sees them without a copy.
 *
 * `identity` covers size, times of modification and of change, both ends and a few places in the middle (all of a file up to
 * 1 MiB). The times are in it because an edit in the middle of a file of the same size is otherwise invisible, and the time
 * of modification alone can be set back: touching a file costs a new upload, never a mixed one.
 *
 * @param file path, or `file:` URL
 * @throws CosSliceError `source-unreadable`
 */
export function openFileSource(file: string | URL, options?: FileSourceOptions): Promise<FileSource>;
export function openFileSource(file: string | URL, options: LargeFileOptions): Promise<FileSource<Content>>;
export async function openFileSource(
  file: string | URL,
  options: FileSourceOptions & Partial<LargeFileOptions> = {},
): Promise<FileSource<Content>> {
  const { contentDecides = false, mayGrow = false, largeBytes = Number.POSITIVE_INFINITY } = options;
  const path: FilePath = typeof file === 'string' ? resolve(file) : toPath(file);
  const name = nameOf(path);
  const { handle: opened, facts: atStart } = await openRegular(path, options.signal);
  const sizeBytes = Number(atStart.size);
  const witness = contentDecides ? createWitness(sizeBytes) : undefined;
  const buffers = createBufferPool();
  /** The last one is read from. */
  const handles: FileHandle[] = [opened];
  const underWay = new Set<Promise<unknown>>();
  /** What the file looked like when it was last found to be unchanged. */
  let known = atStart;
  let lookedAtMs = performance.now();
  /** Times or inode have moved: from then on content decides. */
  let doubted = false;
  let comparing: Promise<void> | undefined;
  let closed = false;
  /** It has been read to its end, and there was no more. */
  let endSeen = false;

  const changed = (what: string, cause?: unknown): CosSliceError =>
    new CosSliceError('source-changed', `${name} ${what} while it was uploaded: upload it again when it is at rest`, {
      cause,
    });

  const track = <T>(work: Promise<T>): Promise<T> => {
    underWay.add(work);
    const forget = (): boolean => underWay.delete(work);
    work.then(forget, forget);
    return work;
  };

  const lookAt = async (): Promise<BigIntStats> => {
    // By path: a file that was replaced by another one keeps its old inode, and its old content, only for our handle.
    const now = await stat(path, { bigint: true }).catch((error) => {
      throw isMissing(error) ? changed('was removed', error) : unreadable(path, error);
    });
    if (now.size < atStart.size) throw changed(`went from ${atStart.size} to ${now.size} bytes`);
    if (now.size > atStart.size && !mayGrow) throw changed(`grew from ${atStart.size} to ${now.size} bytes`);
    return now;
  };

  /** Reads again what was handed out, from what is at the path now. */
  const compare = async (witnessed: NonNullable<typeof witness>): Promise<void> => {
    const { handle, facts } = await openRegular(path);
    const readAgain = async (target: Uint8Array, offset: number): Promise<void> => {
      if (!(await readFully(handle, path, target, offset))) throw changed('became shorter');
    };
    let same = false;
    try {
      same = await witnessed.compare(readAgain, () => !closed);
    } finally {
      if (same && !closed) handles.push(handle);
      else await handle.close();
    }
    if (!same) throw changed('was modified');
    known = facts;
  };

  const decide = async (moved: string, last: boolean): Promise<void> => {
    // Growing says nothing of what was there before, and without digests there is nothing to tell it by.
    if (!witness && mayGrow) return;
    if (!witness || (last && !witness.complete)) throw changed(moved);
    // Once at the first doubt, so that a file which did change is not sent to its end, and once at the end.
    if (doubted && !last) return;
    doubted = true;
    comparing ??= track(compare(witness)).finally(() => {
      comparing = undefined;
    });
    await comparing;
  };

  const check = async (last: boolean): Promise<void> => {
    const now = await lookAt();
    const moved =
      now.ino !== known.ino || now.dev !== known.dev
        ? 'was replaced by another file'
        : now.mtimeNs !== known.mtimeNs || now.ctimeNs !== known.ctimeNs
          ? 'was modified'
          : undefined;
    if (moved !== undefined || (doubted && last)) await decide(moved ?? 'was modified', last);
    lookedAtMs = performance.now();
  };

  /** A file that says less than it yields (below /proc, some mounts) must not be cut off at what it says. */
  const checkEnd = async (): Promise<void> => {
    if (endSeen || !(await readFully(current(), path, new Uint8Array(1), sizeBytes))) return;
    const { size } = await lookAt();
    // One that has grown says so.
    if (size === atStart.size) throw odd('more');
  };
  const odd = (yields: 'more' | 'less'): CosSliceError =>
    new CosSliceError(
      'source-unreadable',
      `${name} says that it has ${sizeBytes} bytes and yields ${yields}: save what it yields to a file, and upload that`,
    );

  const current = (): FileHandle => handles.at(-1) ?? opened;
  const fill = async (target: Uint8Array, offset: number): Promise<void> => {
    if (await readFully(current(), path, target, offset)) return;
    await lookAt();
    throw odd('less');
  };
  /** All of a small file, and one byte more to see that it ends there, in one go. */
  const readAll = async (content: Uint8Array): Promise<void> => {
    const readBytes = await readOnce(current(), path, content);
    if (readBytes < sizeBytes) await fill(content.subarray(0, sizeBytes), 0);
    // What has more is looked at in the end.
    else endSeen = readBytes === sizeBytes;
  };
  const checkNowAndThen = async (): Promise<void> => {
    if (performance.now() - lookedAtMs > RECENT_MS) await check(false);
  };
  const readSlice = async (content: Uint8Array, offset: number): Promise<void> => {
    if (content.length > sizeBytes) await readAll(content);
    else await fill(content, offset);
    await checkNowAndThen();
  };
  /** What it is when its last piece goes out, the server has: until then a change breaks it off. */
  const largeSlice = ({ offset, length }: ByteRange): LargeContent => ({
    offset,
    length,
    get fd() {
      return current().fd;
    },
    async read(target, start) {
      const reading = track(fill(target, offset + start).then(checkNowAndThen));
      if (await atMost(READ_MS, reading)) return;
      const stuck = `reading ${name} came to no end within ${READ_MS / 1000} s: something hangs`;
      throw new CosSliceError('source-unreadable', stuck, { remedy: 'backoff' });
    },
  });
  const verify = async (signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    await untilAborted(track(check(true).then(checkEnd)), signal);
  };

  return {
    path: name,
    sizeBytes,
    get fd() {
      return current().fd;
    },
    hashed: (sha) => witness?.followAll(sha),
    async slice(range, signal) {
      signal.throwIfAborted();
      if (range.length > largeBytes) {
        const large = largeSlice(range);
        witness?.follow(large, range);
        return large;
      }
      const isWhole = range.length === sizeBytes && !doubted;
      const room = buffers.take(range.length + (isWhole ? 1 : 0));
      const content = room.subarray(0, range.length);
      const reading = track(readSlice(room, range.offset));
      try {
        await untilAborted(reading, signal);
      } catch (error) {
        // Given up, but perhaps still being filled.
        const give = (): void => buffers.give(content);
        reading.then(give, give);
        throw error;
      }
      witness?.follow(content, range);
      return content;
    },
    tellsChanges: true,
    heldBytes: ({ length }) => (length > largeBytes ? LARGE_HELD_BYTES : length),
    release(content) {
      if (content instanceof Uint8Array) buffers.give(content);
    },
    stored: (range) => witness?.stored(range),
    async identity(signal) {
      const hash = createHash('sha256').update(`${sizeBytes} ${atStart.mtimeNs} ${atStart.ctimeNs}\n`);
      const buffer = new Uint8Array(Math.min(sizeBytes, WHOLE_BYTES));
      for (const { offset, length } of samples(sizeBytes)) {
        signal.throwIfAborted();
        const part = buffer.subarray(0, length);
        await untilAborted(track(fill(part, offset)), signal);
        hash.update(part);
      }
      await verify(signal);
      return `file-2:${hash.digest('hex')}`;
    },
    verify,
    async close() {
      closed = true;
      buffers.close();
      const closing = Promise.allSettled(underWay).then(() => Promise.allSettled(handles.map((each) => each.close())));
      await atMost(CLOSE_MS, closing);
    },
  };
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

/** @returns how many bytes there were, up to what the buffer holds */
function readOnce(handle: FileHandle, path: FilePath, target: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    read(handle.fd, target, 0, target.length, 0, (error, bytesRead) => {
      if (error) reject(unreadable(path, error));
      else resolve(bytesRead);
    });
  });
}

/**
 * Reads with callbacks, which take less CPU than a promise for every piece.
 *
 * @returns false when the file ends before the buffer is full
 */
function readFully(handle: FileHandle, path: FilePath, target: Uint8Array, offset: number): Promise<boolean> {
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
