import type { Random } from './random.ts';

/** A file or a directory, whatever its names. */
export interface Inode {
  readonly number: number;
  readonly isDirectory: boolean;
  bytes: Buffer;
  /** What a power failure cannot take back. */
  durable: Buffer;
  isDirty: boolean;
  readonly entries: Map<string, Inode>;
  links: number;
  modifiedAtMs: number;
  /** The change that gave it its first name. */
  made: NameChange | undefined;
}

/** A name that has come, gone or changed its meaning. Undefined stands for no such name. */
interface NameChange {
  readonly directory: Inode;
  readonly name: string;
  readonly before: Inode | undefined;
  readonly after: Inode | undefined;
  /** The other half of a rename: both are there or neither is, as file systems with a journal have it. */
  other?: NameChange | undefined;
  isForced: boolean;
}

/** Told whenever a name has come, gone or changed its meaning, and before the bytes of a file change. */
export interface DiskObserver {
  renamed?(path: string, before: Inode | undefined, after: Inode | undefined): void;
  written?(file: Inode): void;
}

const NOTHING = Buffer.alloc(0);
/** Bytes that reach a disk together or not at all. */
const SECTOR_BYTES = 64;

/** A failure as node:fs has them. */
export function diskError(code: string, call: string, path?: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated, ${call} ${path ?? ''}`), { code, syscall: call, path });
}

/**
 * A file system in memory that knows what would be left of it after a power failure: bytes and names count as written only once
 * they have been forced. All its calls happen at once; whoever simulates has them take their time, and fail.
 */
export interface Disk {
  /** No room for anything more. */
  isFull: boolean;
  observer: DiskObserver;
  find(path: string): Inode | undefined;
  /** @throws ENOENT, ENOTDIR */
  at(path: string, call: string): Inode;
  /** @throws EEXIST, ENOENT, ENOTDIR, ENOSPC */
  create(path: string, isDirectory: boolean): Inode;
  rename(from: string, to: string): void;
  link(from: string, to: string): void;
  unlink(path: string): void;
  rmdir(path: string): void;
  read(file: Inode, position: number, length: number): Buffer;
  /** @returns how many bytes were written, fewer where the disk got full. @throws ENOSPC when there is no room for any */
  write(file: Inode, bytes: Uint8Array, position: number): number;
  truncate(file: Inode): void;
  /** Forces a file's bytes, or a directory's names. */
  sync(inode: Inode): void;
  /** Takes back what was not forced, or a part of it. */
  losePower(random: Random): void;
  /** Every file below a directory with its path. */
  files(path: string): [path: string, file: Inode][];
}

export function createDisk(nowMs: () => number): Disk {
  let numbers = 1;
  const newInode = (isDirectory: boolean): Inode => ({
    number: ++numbers,
    isDirectory,
    bytes: NOTHING,
    durable: NOTHING,
    isDirty: false,
    entries: new Map(),
    links: 0,
    modifiedAtMs: nowMs(),
    made: undefined,
  });
  const root = newInode(true);
  let changes: NameChange[] = [];

  function find(path: string): Inode | undefined {
    let inode = root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      if (!inode.isDirectory) throw diskError('ENOTDIR', 'lookup', path);
      const next = inode.entries.get(name);
      if (!next) return undefined;
      inode = next;
    }
    return inode;
  }

  function at(path: string, call: string): Inode {
    const inode = find(path);
    if (!inode) throw diskError('ENOENT', call, path);
    return inode;
  }

  function directoryOf(path: string, call: string): { directory: Inode; name: string } {
    const cut = path.lastIndexOf('/');
    const directory = at(path.slice(0, cut), call);
    if (!directory.isDirectory) throw diskError('ENOTDIR', call, path);
    return { directory, name: path.slice(cut + 1) };
  }

  function setName(path: string, directory: Inode, name: string, after: Inode | undefined): NameChange {
    const before = directory.entries.get(name);
    if (after) directory.entries.set(name, after);
    else directory.entries.delete(name);
    if (after) after.links += 1;
    if (before) before.links -= 1;
    directory.modifiedAtMs = nowMs();
    const change: NameChange = { directory, name, before, after, isForced: false };
    changes.push(change);
    if (after && !after.made) after.made = change;
    disk.observer.renamed?.(path, before, after);
    return change;
  }

  /** What makes a change last: those before it in its directory, the directory itself, and the other half of a rename. */
  function force(change: NameChange): void {
    if (change.isForced) return;
    for (const earlier of changes) {
      if (earlier.directory === change.directory && !earlier.isForced) {
        earlier.isForced = true;
        if (earlier.other) force(earlier.other);
      }
      if (earlier === change) break;
    }
    if (change.directory.made) force(change.directory.made);
  }

  const disk: Disk = {
    isFull: false,
    observer: {},
    find,
    at,
    create(path, isDirectory) {
      const { directory, name } = directoryOf(path, 'create');
      if (directory.entries.has(name)) throw diskError('EEXIST', 'create', path);
      if (disk.isFull) throw diskError('ENOSPC', 'create', path);
      const inode = newInode(isDirectory);
      setName(path, directory, name, inode);
      return inode;
    },
    rename(from, to) {
      const source = directoryOf(from, 'rename');
      const target = directoryOf(to, 'rename');
      const inode = source.directory.entries.get(source.name);
      if (!inode) throw diskError('ENOENT', 'rename', from);
      const standing = target.directory.entries.get(target.name);
      if (standing === inode) return;
      if (standing?.isDirectory && !inode.isDirectory) throw diskError('EISDIR', 'rename', to);
      if (standing && !standing.isDirectory && inode.isDirectory) throw diskError('ENOTDIR', 'rename', to);
      if (standing && standing.entries.size > 0) throw diskError('ENOTEMPTY', 'rename', to);
      const arrival = setName(to, target.directory, target.name, inode);
      const departure = setName(from, source.directory, source.name, undefined);
      departure.other = arrival;
      arrival.other = departure;
    },
    link(from, to) {
      const inode = at(from, 'link');
      const { directory, name } = directoryOf(to, 'link');
      if (directory.entries.has(name)) throw diskError('EEXIST', 'link', to);
      if (disk.isFull) throw diskError('ENOSPC', 'link', to);
      setName(to, directory, name, inode);
    },
    unlink(path) {
      const { directory, name } = directoryOf(path, 'unlink');
      const inode = directory.entries.get(name);
      if (!inode) throw diskError('ENOENT', 'unlink', path);
      if (inode.isDirectory) throw diskError('EISDIR', 'unlink', path);
      setName(path, directory, name, undefined);
    },
    rmdir(path) {
      const { directory, name } = directoryOf(path, 'rmdir');
      const inode = directory.entries.get(name);
      if (!inode) throw diskError('ENOENT', 'rmdir', path);
      if (!inode.isDirectory) throw diskError('ENOTDIR', 'rmdir', path);
      if (inode.entries.size > 0) throw diskError('ENOTEMPTY', 'rmdir', path);
      setName(path, directory, name, undefined);
    },
    read: (file, position, length) => file.bytes.subarray(position, position + length),
    write(file, bytes, position) {
      if (bytes.length === 0) return 0;
      const room = disk.isFull ? Math.max(0, file.bytes.length - position) : bytes.length;
      const count = Math.min(bytes.length, room);
      if (count === 0) throw diskError('ENOSPC', 'write');
      disk.observer.written?.(file);
      const end = position + count;
      // Never in place where somebody may still hold a view of what was read.
      const next = Buffer.alloc(Math.max(file.bytes.length, end));
      next.set(file.bytes);
      next.set(bytes.subarray(0, count), position);
      file.bytes = next;
      file.isDirty = true;
      file.modifiedAtMs = nowMs();
      return count;
    },
    truncate(file) {
      if (file.bytes.length > 0) disk.observer.written?.(file);
      file.bytes = NOTHING;
      file.isDirty = true;
      file.modifiedAtMs = nowMs();
    },
    sync(inode) {
      if (!inode.isDirectory) {
        inode.durable = inode.bytes;
        inode.isDirty = false;
        return;
      }
      const last = changes.findLast((change) => change.directory === inode && !change.isForced);
      if (last) force(last);
      changes = changes.filter((change) => !change.isForced);
    },
    losePower(random) {
      for (const directory of new Set(changes.map((change) => change.directory))) {
        const own = changes.filter((change) => change.directory === directory);
        const kept = random.below(own.length + 1);
        const last = own[kept - 1];
        if (last) force(last);
      }
      for (const { directory, name, before, after } of changes.filter((change) => !change.isForced).reverse()) {
        if (before) directory.entries.set(name, before);
        else directory.entries.delete(name);
        if (after) after.links -= 1;
        if (before) before.links += 1;
      }
      changes = [];
      for (const [, file] of disk.files('/')) tear(file, random);
    },
    files(path) {
      const found: [string, Inode][] = [];
      const visit = (at: string, inode: Inode): void => {
        if (!inode.isDirectory) found.push([at, inode]);
        for (const [name, below] of inode.entries) visit(`${at}/${name}`, below);
      };
      const top = find(path);
      if (top) visit(path.replace(/\/$/, ''), top);
      return found;
    },
  };
  return disk;
}

/** Of bytes that were not forced, each sector is there or not; where the file has grown, what is missing reads as zeros. */
function tear(file: Inode, random: Random): void {
  if (!file.isDirty) return;
  const { bytes, durable } = file;
  const shorter = Math.min(bytes.length, durable.length);
  const sizeBytes = random.chance(0.5)
    ? bytes.length
    : shorter + random.below(Math.abs(bytes.length - durable.length) + 1);
  const left = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at += SECTOR_BYTES) {
    const from = random.chance(0.5) ? bytes : durable;
    left.set(from.subarray(at, Math.min(at + SECTOR_BYTES, sizeBytes)), at);
  }
  file.bytes = left;
  file.durable = left;
  file.isDirty = false;
}
