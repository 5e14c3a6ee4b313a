import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, type FileHandle, open, rm } from 'node:fs/promises';
import { createLocker } from '../../locker.ts';

const CHUNK_BYTES = 1024 * 1024;
/** More than this is not left for one sync at the end, which would take a thread of the pool for long. */
const SYNC_EVERY_BYTES = 64 * CHUNK_BYTES;

export interface CopyOptions {
  /** Reads the bytes in any case, and holds them against this SHA-1 in lowercase hex. */
  readonly sha?: string | undefined;
  readonly signal?: AbortSignal;
}

/**
 * Copies files. All that run at a time share one thread of the pool, a chunk after another, so that neither other requests nor a
 * small copy wait until a large one is done.
 */
export interface Copier {
  /** Whether the copy has the content asked for. Leaves nothing behind otherwise. */
  copy(fromPath: string, toPath: string, options?: CopyOptions): Promise<boolean>;
}

export function createCopier(fsync: boolean): Copier {
  const { withLock } = createLocker();

  /** Runs with others' chunks in turn; answers the number of bytes copied, 0 at the end. */
  async function copyChunk(from: FileHandle, to: FileHandle, chunk: Buffer, position: number): Promise<number> {
    const { bytesRead } = await from.read(chunk, 0, chunk.length, position);
    for (let done = 0; done < bytesRead; ) {
      done += (await to.write(chunk, done, bytesRead - done, position + done)).bytesWritten;
    }
    const isSyncDue = bytesRead === 0 || (position + bytesRead) % SYNC_EVERY_BYTES === 0;
    if (fsync && isSyncDue) await to.datasync();
    return bytesRead;
  }

  async function copyBytes(from: FileHandle, to: FileHandle, { sha, signal }: CopyOptions): Promise<boolean> {
    const hash = createHash('sha1');
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (let position = 0, bytes = -1; bytes !== 0; position += bytes) {
      signal?.throwIfAborted();
      bytes = await withLock('chunk', () => copyChunk(from, to, chunk, position));
      if (sha !== undefined) hash.update(chunk.subarray(0, bytes));
    }
    return sha === undefined || hash.digest('hex') === sha;
  }

  /** Shares the blocks where the file system can: that takes no time and no space. */
  async function clone(fromPath: string, toPath: string): Promise<boolean> {
    const mode = constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL;
    return withLock('clone', () => copyFile(fromPath, toPath, mode)).then(
      () => true,
      () => false,
    );
  }

  async function copy(fromPath: string, toPath: string, options: CopyOptions): Promise<boolean> {
    const isCloned = options.sha === undefined && (await clone(fromPath, toPath));
    if (isCloned && !fsync) return true;
    const from = await open(fromPath, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const to = await open(toPath, isCloned ? 'r+' : 'w');
      try {
        if (!isCloned) return await copyBytes(from, to, options);
        await to.datasync();
        return true;
      } finally {
        await to.close();
      }
    } finally {
      await from.close();
    }
  }

  return {
    async copy(fromPath, toPath, options = {}) {
      let isRight = false;
      try {
        isRight = await copy(fromPath, toPath, options);
      } finally {
        if (!isRight) await rm(toPath, { force: true }).catch(() => {});
      }
      return isRight;
    },
  };
}
