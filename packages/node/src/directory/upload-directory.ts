import type { Stats } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CosSliceError, type Entry, type FileEntry, isCosSliceError } from '@cos-slice/core';
import { codeOf } from '../state-files.ts';
import type { UploadFileOptions } from '../upload-file.ts';
import { directoryIssues, refuseDirectoryIssues, toDirectoryPath } from './check.ts';
import type { SendingClient, UploadSettings } from './file-client.ts';
import { createFilter } from './filter.ts';
import { DRY, toUploadMoving } from './moving.ts';
import type { Remembered } from './name-table.ts';
import { listNames, NOTHING, type RemoteNames } from './remote-names.ts';
import { isSafeName } from './safe-name.ts';
import { isSame } from './same.ts';
import { createStraight, type Straight } from './straight.ts';
import { createTransfer, type Moving, type Work } from './transfer.ts';
import type { DirectoryOptions, DirectoryTransfer } from './types.ts';
import { type Found, walk } from './walk.ts';

/** Before there are as many, a worker for them would cost more than it saves. */
const FEW_FILES = 32;

export interface UploadDirectoryOptions extends DirectoryOptions, UploadSettings {
  /** The directory in the bucket that gets what is in the local one. Default: the bucket itself. */
  readonly to?: string;
}

/** What `client.uploadDirectory` does. */
export function uploadDirectoryWith(
  client: SendingClient,
  directory: string | URL,
  options: UploadDirectoryOptions,
  filesAtOnce: number,
): DirectoryTransfer {
  refuseDirectoryIssues(directory, options, directoryIssues('to', options?.to));
  const { to = '', include, exclude, followSymlinks = false, skip = 'unchanged', dryRun = false } = options;
  const { integrity, onConflict, resume, sliceSize, singleRequestMax, mayGrow } = options;
  const top = resolve(directory instanceof URL ? fileURLToPath(directory) : directory);
  const target = toDirectoryPath(to);
  const filter = createFilter(include, exclude);
  const own = {
    ...(integrity !== undefined && { integrity }),
    ...(onConflict !== undefined && { onConflict }),
    ...(resume !== undefined && { resume }),
    ...(sliceSize !== undefined && { sliceSize }),
    ...(singleRequestMax !== undefined && { singleRequestMax }),
    ...(mayGrow !== undefined && { mayGrow }),
  };

  /** Finds out what is in a directory on the server, and makes it where there is none. */
  const prepare = async (path: string, above: Promise<void> | undefined, work: Work): Promise<RemoteNames> => {
    await above;
    const remotePath = target + path;
    const listing = listNames(client, remotePath, path === '' ? top : `${top}/${path}`, work.signal);
    const names = await (path === '' ? listing.catch((error) => Promise.reject(ofTarget(error))) : listing);
    if (names.exists || remotePath === '') return names;
    if (!dryRun) {
      await client.createDirectory(remotePath, { signal: work.signal }).catch((error) => {
        // Somebody else has made it.
        if (!isCosSliceError(error, 'exists')) throw error;
      });
    }
    work.created(path);
    return NOTHING;
  };

  const objectAt = async (path: string, signal: AbortSignal): Promise<FileEntry | undefined> => {
    try {
      const entry = await client.stat(target + path, { signal });
      return entry.kind === 'file' ? entry : undefined;
    } catch (error) {
      if (isCosSliceError(error, 'not-found')) return undefined;
      throw error;
    }
  };

  /** Ends with the transfer. */
  const life = new AbortController();
  let straight: Straight | undefined;
  let files = 0;
  /** Small files that replace what is there go straight. One that may grow, an upload watches. */
  const straightWay = (signal: AbortSignal): Straight | undefined => {
    files += 1;
    if (dryRun || skip === 'existing' || mayGrow || files < FEW_FILES) return undefined;
    if (files === FEW_FILES) {
      const direct = client.direct(own, life.signal);
      straight = direct && createStraight(direct, filesAtOnce, signal);
    }
    return straight;
  };

  type Here = Promise<RemoteNames>;
  const handle = async (entry: Found<Here>, work: Work): Promise<void> => {
    const { path } = entry;
    if (entry.kind === 'problem') return work.problem(path, entry.reason, entry.code);
    if (entry.kind === 'directory') return work.attempt(path, async () => void (await entry.here));
    await work.attempt(path, async () => {
      const { table } = await entry.here;
      const upload = (more: Pick<UploadFileOptions, 'overwrite' | 'retry'>): Moving =>
        toUploadMoving(client.upload(entry.file, target + path, { ...own, ...more, signal: work.signal }));
      const isNew = table !== undefined && table.get(nameOf(path)) === undefined;
      const small = isNew ? await straightWay(work.signal)?.read(entry.file, target + path) : undefined;
      if (small) {
        work.found(small.sizeBytes);
        await work.move(path, small.sizeBytes, () => small.send((retry) => upload({ overwrite: true, retry })));
        return;
      }
      const facts = await stat(entry.file);
      work.found(facts.size);
      const file = { path, file: entry.file, sizeBytes: facts.size, modifiedAt: facts.mtime };
      let asked: FileEntry | undefined;
      const ask = async (): Promise<FileEntry | undefined> => {
        asked ??= await objectAt(path, work.signal);
        return asked;
      };
      const remote = table
        ? table.get(nameOf(path))
        : skip === 'existing' || !skip
          ? undefined
          : toRemembered(await ask());
      if (remote && (await isSame(skip, 'up', file, remote, ask, work.signal))) return work.skipped(path, facts.size);
      await work.move(path, facts.size, () => {
        return dryRun ? DRY : upload({ overwrite: skip === 'existing' ? 'skip' : true });
      });
    });
  };

  const transfer = createTransfer<Found<Here>>({
    ...options,
    filesAtOnce,
    entries: (work) =>
      walk<Here, Promise<void>>(top, {
        filter,
        followSymlinks,
        enter(path, above) {
          const here = prepare(path, above, work);
          const below = here.then(() => {});
          // Whoever needs it is told.
          below.catch(() => {});
          return { here, below };
        },
      }),
    handle,
    async countAll(add, signal) {
      const enter = (): { here: undefined; below: undefined } => ({ here: undefined, below: undefined });
      for await (const entry of walk<undefined, undefined>(top, { filter, followSymlinks, enter })) {
        signal.throwIfAborted();
        if (entry.kind === 'file') add((await stat(entry.file).catch(() => undefined))?.size ?? 0);
      }
    },
    removeExtra: (work) => removeExtra('', work),
  });
  const end = (): void => life.abort();
  transfer.done.then(end, end);
  return transfer;

  /** Removes what is in a directory on the server and not here. */
  async function removeExtra(path: string, work: Work): Promise<void> {
    for await (const entry of client.list(target + path, { signal: work.signal })) {
      const here = path + entry.name + (entry.kind === 'directory' ? '/' : '');
      if (!(entry.kind === 'directory' ? filter.directory(here) : filter.file(here))) continue;
      if (!isSafeName(entry.name)) {
        work.problem(here, 'name');
        continue;
      }
      const local = await lookAt(`${top}/${path}${entry.name}`).catch((error) => {
        const code = codeOf(error);
        work.problem(here, code === 'ENAMETOOLONG' ? 'name' : 'unreadable', code);
        return 'unknown' as const;
      });
      if (local === 'unknown' || local?.isSymbolicLink()) continue;
      if (entry.kind === 'directory' && local?.isDirectory()) await removeExtra(here, work);
      else if (entry.kind === 'directory' ? !local?.isDirectory() : !local?.isFile())
        await removeTree(entry, here, work);
    }
  }

  async function removeTree(entry: Entry, path: string, work: Work): Promise<void> {
    if (entry.kind === 'directory') {
      for await (const inside of client.list(target + path, { signal: work.signal })) {
        const name = inside.name + (inside.kind === 'directory' ? '/' : '');
        // What is excluded here stays there, and so does the directory that it is in.
        const isWanted = inside.kind === 'directory' ? filter.directory(path + name) : filter.file(path + name);
        if (isWanted) await removeTree(inside, path + name, work);
      }
    }
    await work.attempt(path, async () => {
      try {
        if (!dryRun) await client.remove(target + path, { signal: work.signal });
      } catch (error) {
        if (isCosSliceError(error, 'not-empty')) return;
        // Some servers have directories for as long as something is in them.
        if (!isCosSliceError(error, 'not-found')) throw error;
      }
      work.deleted(path);
    });
  }
}

/** @returns undefined only for what is not there; what the system refuses to look at may be, and must keep its copy */
async function lookAt(file: string): Promise<Stats | undefined> {
  try {
    return await lstat(file);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function toRemembered(entry: FileEntry | undefined): Remembered | undefined {
  if (!entry) return undefined;
  return { sizeBytes: entry.sizeBytes, modifiedAtSec: Math.floor((entry.modifiedAt?.getTime() ?? 0) / 1000) };
}

/** A name that cannot be is left out with what is below it; where it is the target's own, there is nothing that could arrive. */
function ofTarget(error: unknown): unknown {
  if (!isCosSliceError(error, 'invalid-options') || !error.issues) return error;
  const issues = error.issues.map(({ message }) => ({ option: 'to', message }));
  return new CosSliceError('invalid-options', error.message, { issues, cause: error });
}
