import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { CosSliceError } from '@cos-slice/core';
import { untilAborted, whenOpenable } from './waiting.ts';

/** A path as the system has it: names need not be UTF-8. */
export type FilePath = string | Buffer;

export interface OpenFile {
  readonly handle: FileHandle;
  readonly facts: BigIntStats;
}

/**
 * Opens a file for reading, and nothing that could wait for ever (a pipe) or act when it is opened (a device).
 *
 * @throws CosSliceError `source-unreadable`; `signal.reason` when aborted
 */
export async function openRegular(path: FilePath, signal?: AbortSignal): Promise<OpenFile> {
  const opening = whenOpenable(async () => {
    refuseIrregular(path, await stat(path, { bigint: true }));
    // It may have become a pipe since; Windows has neither pipes in folders nor the flag.
    const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const facts = await handle.stat({ bigint: true });
      refuseIrregular(path, facts);
      return { handle, facts };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }, signal).catch((error) => {
    throw error instanceof CosSliceError || signal?.aborted ? error : unreadable(path, error);
  });
  return untilAborted(opening, signal, ({ handle }) => handle.close());
}

function refuseIrregular(path: FilePath, facts: BigIntStats): void {
  if (facts.isFile()) return;
  const what = facts.isDirectory() ? 'a directory' : facts.isFIFO() ? 'a pipe' : 'not a regular file';
  throw new CosSliceError('source-unreadable', `${nameOf(path)} is ${what}: give a file, or a stream and its size`);
}

/** For messages. */
export function nameOf(path: FilePath): string {
  return path.toString();
}

export function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** What a system call on a file failed with, as something to act on. */
export function unreadable(path: FilePath, error: unknown): CosSliceError {
  const name = nameOf(path);
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  const advice: Record<string, string> = {
    EACCES: `${name} may not be read (EACCES): check its permissions and its directory's`,
    EPERM: `${name} may not be read (EPERM): check its permissions`,
    EMFILE: 'too many files are open (EMFILE): upload fewer at once, or raise the limit (ulimit -n)',
    ENFILE: 'too many files are open on this machine (ENFILE): upload fewer at once, or raise its limit',
    EISDIR: `${name} is a directory: give a file`,
    ERR_INVALID_ARG_VALUE: `${JSON.stringify(name)} is not a path: paths hold no null bytes`,
  };
  const message = isMissing(error) ? missing(name) : advice[code];
  return new CosSliceError('source-unreadable', message ?? `${name} cannot be read (${code}): check the disk`, {
    cause: error,
  });
}

function missing(name: string): string {
  if (!name.includes('\uFFFD')) return `there is no file ${name}: check the path`;
  return `there is no file ${name}: if its name is not UTF-8, rename it or make a link to it (ln -s), or give a file: URL`;
}
