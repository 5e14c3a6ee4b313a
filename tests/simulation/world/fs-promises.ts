import { constants } from 'node:fs';
import { diskError } from '@cos-slice/testkit/simulated/disk';
import { current } from './current.ts';
import { type Facts, factsOf } from './facts.ts';
import { SimulatedFile } from './file-handle.ts';
import type { Storage } from './storage.ts';

// What client and server see instead of `node:fs/promises`.

export function storage(): Storage {
  const { storage } = current() as { readonly storage?: Storage };
  if (!storage) throw new Error('this world has no disk');
  return storage;
}

const disk = () => storage().disk;
type StatOptions = { bigint?: boolean };
type RemoveOptions = { recursive?: boolean; force?: boolean };

export const stat = (path: string, options?: StatOptions): Promise<Facts> =>
  storage().call('stat', path, () => factsOf(disk().at(path, 'stat'), options));
/** There are no links that it could not follow. */
export const lstat = (path: string, options?: StatOptions): Promise<Facts> => stat(path, options);

export const realpath = (path: string): Promise<string> =>
  storage().call('realpath', path, () => {
    const { isDirectory } = disk().at(path, 'realpath');
    if (path.endsWith('/') && !isDirectory) throw diskError('ENOTDIR', 'realpath', path);
    return path.length > 1 ? path.replace(/\/$/, '') : path;
  });

export const access = (path: string): Promise<void> =>
  storage().call('access', path, () => void disk().at(path, 'access'));

/** Disks are full by chance and for a while: that is noticed when something is written. */
export const statfs = async (): Promise<{ bavail: number; bsize: number }> => ({ bavail: 2 ** 30, bsize: 4096 });

export const mkdir = (path: string, options: { recursive?: boolean } = {}): Promise<string | undefined> =>
  storage().call('mkdir', path, () => {
    if (!options.recursive) return void disk().create(path, true);
    let first: string | undefined;
    for (let cut = path.indexOf('/', 1); ; cut = path.indexOf('/', cut + 1)) {
      const part = cut < 0 ? path : path.slice(0, cut);
      const there = disk().find(part);
      if (!there) {
        disk().create(part, true);
        first ??= part;
      } else if (!there.isDirectory) throw diskError(cut < 0 ? 'EEXIST' : 'ENOTDIR', 'mkdir', path);
      if (cut < 0) return first;
    }
  });

export const rename = (from: string, to: string): Promise<void> =>
  storage().call('rename', from, () => disk().rename(from, to));

export const link = (from: string, to: string): Promise<void> =>
  storage().call('link', from, () => {
    if (!storage().troubles.hasLinks) throw diskError('EPERM', 'link', from);
    disk().link(from, to);
  });

export const unlink = (path: string): Promise<void> => storage().call('unlink', path, () => disk().unlink(path));
export const rmdir = (path: string): Promise<void> => storage().call('rmdir', path, () => disk().rmdir(path));

export const rm = (path: string, { recursive = false, force = false }: RemoveOptions = {}): Promise<void> =>
  storage().call('rm', path, () => {
    const there = disk().find(path);
    if (!there) {
      if (force) return;
      throw diskError('ENOENT', 'rm', path);
    }
    remove(path, recursive);
  });

function remove(path: string, recursive: boolean): void {
  const inode = disk().at(path, 'rm');
  if (!inode.isDirectory) return disk().unlink(path);
  if (!recursive) throw diskError('EISDIR', 'rm', path);
  for (const name of [...inode.entries.keys()]) remove(`${path}/${name}`, true);
  disk().rmdir(path);
}

export const readFile = (path: string, encoding?: BufferEncoding): Promise<string | Buffer> =>
  storage().call('readFile', path, () => {
    const inode = disk().at(path, 'readFile');
    if (inode.isDirectory) throw diskError('EISDIR', 'read', path);
    return encoding ? inode.bytes.toString(encoding) : Buffer.from(inode.bytes);
  });

/** In two steps, as it is: the file is there, empty, before its bytes are. */
export async function writeFile(
  path: string,
  content: string | Uint8Array,
  { flush = false, flag = 'w' }: { flush?: boolean; flag?: string } = {},
): Promise<void> {
  const file = await open(path, flag);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    for (let done = 0; done < bytes.length; ) {
      done += (await file.write(bytes, done, bytes.length - done, done)).bytesWritten;
    }
    if (flush) await file.sync();
  } finally {
    await file.close();
  }
}

export const copyFile = (from: string, to: string): Promise<void> =>
  storage().call('copyFile', from, () => {
    if (!storage().troubles.canClone) throw diskError('ENOTSUP', 'copyFile', from);
    const source = disk().at(from, 'copyFile');
    disk().write(disk().create(to, false), source.bytes, 0);
  });

export const open = (path: string, flags: string | number): Promise<SimulatedFile> =>
  storage().call('open', path, () => {
    const mode = typeof flags === 'number' ? 'r' : flags;
    const there = disk().find(path);
    if (there && mode.includes('x')) throw diskError('EEXIST', 'open', path);
    if (!there && mode.startsWith('r')) throw diskError('ENOENT', 'open', path);
    if (there?.isDirectory && mode !== 'r') throw diskError('EISDIR', 'open', path);
    const inode = there ?? disk().create(path, false);
    if (there && mode.startsWith('w')) disk().truncate(there);
    return new SimulatedFile(storage(), inode, path, mode.startsWith('a'));
  });

interface Entry {
  readonly name: string;
  isDirectory(): boolean;
  isFile(): boolean;
}

const list = (path: string): Promise<Entry[]> =>
  storage().call('readdir', path, () => {
    const inode = disk().at(path, 'readdir');
    if (!inode.isDirectory) throw diskError('ENOTDIR', 'readdir', path);
    return [...inode.entries].map(([name, { isDirectory }]) => ({
      name,
      isDirectory: () => isDirectory,
      isFile: () => !isDirectory,
    }));
  });

export async function readdir(path: string): Promise<string[]> {
  return (await list(path)).map(({ name }) => name);
}

/** Entries that were there at the beginning; some of them may be gone by the time they come. */
export async function opendir(path: string): Promise<AsyncIterable<Entry>> {
  const entries = await list(path);
  return (async function* () {
    yield* entries;
  })();
}

export { constants };
