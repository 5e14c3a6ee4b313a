import { lstat, mkdir, opendir, rm, rmdir, utimes } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CosSliceError, type DownloadOptions, type FileEntry, isCosSliceError } from '@cos-slice/core';
import { untilAborted } from '../waiting.ts';
import { directoryIssues, refuseDirectoryIssues, toDirectoryPath } from './check.ts';
import type { FileClient } from './file-client.ts';
import { createFilter } from './filter.ts';
import { DRY, toDownloadMoving } from './moving.ts';
import { createNameTable } from './name-table.ts';
import { isSafeName } from './safe-name.ts';
import { isSame } from './same.ts';
import { createTransfer, type Work } from './transfer.ts';
import type { DirectoryOptions, DirectoryTransfer } from './types.ts';

export interface DownloadDirectoryOptions extends DirectoryOptions, Pick<DownloadOptions, 'signed'> {}

const MAX_DEPTH = 512;

/** What `client.downloadDirectory` does. */
export function downloadDirectoryWith(
  client: FileClient,
  from: string,
  directory: string | URL,
  options: DownloadDirectoryOptions,
  filesAtOnce: number,
): DirectoryTransfer {
  refuseDirectoryIssues(directory, options, directoryIssues('from', from));
  const { include, exclude, followSymlinks = false, skip = 'unchanged', dryRun = false, signed = true } = options;
  const top = resolve(directory instanceof URL ? fileURLToPath(directory) : directory);
  const source = toDirectoryPath(from);
  const filter = createFilter(include, exclude);

  /** Makes a directory here. A link that is there could lead anywhere. @returns whether it may be used */
  const make = async (path: string, work: Work): Promise<boolean> => {
    // With the slash at its end, a link would be followed.
    const full = path === '' ? top : `${top}/${path.slice(0, -1)}`;
    const there = await lstat(full).catch(() => undefined);
    if (there?.isSymbolicLink() && !followSymlinks && path !== '') {
      work.problem(path, 'symlink');
      return false;
    }
    if (there?.isDirectory() || there?.isSymbolicLink()) return true;
    if (there)
      throw new CosSliceError('target-unwritable', `${full} is a file, and a directory is to be there: move it away`);
    if (!dryRun) await mkdir(full, { recursive: path === '' });
    if (path !== '') work.created(path);
    return true;
  };

  async function* list(
    path: string,
    depth: number,
    work: Work,
  ): AsyncGenerator<FileEntry & { at: string }, void, undefined> {
    for await (const entry of client.list(source + path, { signal: work.signal })) {
      const { name } = entry;
      const isDirectory = entry.kind === 'directory';
      const at = path + name + (isDirectory ? '/' : '');
      // Nothing that a server says may lead out of the directory.
      if (!isSafeName(name) || entry.path !== source + at) work.problem(at, 'name');
      else if (entry.kind === 'file') {
        if (filter.file(at)) yield { ...entry, at };
      } else if (!filter.directory(at)) continue;
      else if (depth >= MAX_DEPTH) work.problem(at, 'too-deep');
      else {
        let isMade = false;
        await work.attempt(at, async () => {
          isMade = await make(at, work);
        });
        if (isMade) yield* list(at, depth + 1, work);
      }
    }
  }

  async function* entries(work: Work): AsyncGenerator<FileEntry & { at: string }, void, undefined> {
    // Before anything is made here.
    if (source !== '') await client.stat(source, { signal: work.signal });
    await make('', work);
    yield* list('', 0, work);
  }

  const handle = (entry: FileEntry & { at: string }, work: Work): Promise<void> =>
    work.attempt(entry.at, async () => {
      const { at: path, sizeBytes, modifiedAt } = entry;
      work.found(sizeBytes);
      const file = `${top}/${path}`;
      const there = await lstat(file).catch(() => undefined);
      if (there?.isFile()) {
        const local = { path, file, sizeBytes: there.size, modifiedAt: there.mtime };
        const remote = { sizeBytes, modifiedAtSec: Math.floor((modifiedAt?.getTime() ?? 0) / 1000) };
        const same = await isSame(skip, 'down', local, remote, async () => entry, work.signal);
        if (same) return work.skipped(path, sizeBytes);
      }
      await work.move(path, sizeBytes, () => {
        if (dryRun) return DRY;
        const overwrite = skip !== 'existing';
        const download = client.download(source + path, file, { overwrite, signed, signal: work.signal });
        const done = download.done.then(
          async ({ resumedBytes }) => {
            // By it another run tells that the file is the object's.
            if (modifiedAt) await untilAborted(utimes(file, modifiedAt, modifiedAt), work.signal).catch(() => {});
            return { resumedBytes };
          },
          (error) => {
            if (overwrite || !isCosSliceError(error, 'exists')) throw error;
            return { resumedBytes: 0, skipped: true };
          },
        );
        return toDownloadMoving(download, done);
      });
    });

  return createTransfer({
    ...options,
    filesAtOnce,
    entries,
    handle,
    async countAll(add, signal) {
      const count = async (path: string, depth: number): Promise<void> => {
        for await (const entry of client.list(source + path, { signal })) {
          const at = `${path}${entry.name}/`;
          if (entry.kind === 'file') {
            if (filter.file(path + entry.name)) add(entry.sizeBytes);
          } else if (filter.directory(at) && depth < MAX_DEPTH) await count(at, depth + 1);
        }
      };
      await count('', 0);
    },
    removeExtra: (work) => removeExtra('', work),
  });

  /** Removes what is in a directory here and not on the server. */
  async function removeExtra(path: string, work: Work): Promise<void> {
    const names = createNameTable();
    const below: string[] = [];
    for await (const entry of client.list(source + path, { signal: work.signal })) {
      names.set(entry.name + (entry.kind === 'directory' ? '/' : ''), { sizeBytes: 0, modifiedAtSec: 0 });
    }
    for await (const entry of await opendir(`${top}/${path}`)) {
      work.signal.throwIfAborted();
      const isDirectory = entry.isDirectory();
      const at = path + entry.name + (isDirectory ? '/' : '');
      if (!(isDirectory ? filter.directory(at) : filter.file(at)) || entry.isSymbolicLink()) continue;
      if (names.get(entry.name + (isDirectory ? '/' : ''))) {
        if (isDirectory) below.push(at);
        continue;
      }
      await removeTree(at, work);
    }
    for (const at of below) await removeExtra(at, work);
  }

  async function removeTree(path: string, work: Work): Promise<void> {
    const full = `${top}/${path}`;
    await work.attempt(path, async () => {
      work.signal.throwIfAborted();
      if (!path.endsWith('/')) {
        if (!dryRun) await rm(full);
        return work.deleted(path);
      }
      let isEmpty = true;
      for await (const entry of await opendir(full)) {
        const at = path + entry.name + (entry.isDirectory() ? '/' : '');
        // What is excluded stays, and so does the directory that it is in.
        if (!(entry.isDirectory() ? filter.directory(at) : filter.file(at))) isEmpty = false;
        else await removeTree(at, work);
      }
      if (!isEmpty) return;
      if (!dryRun) await rmdir(full);
      work.deleted(path);
    });
  }
}
