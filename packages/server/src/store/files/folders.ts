import { lstat, opendir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isName } from '../../protocol/path.ts';
import type {
  DirectoryInfo,
  DirectoryLabels,
  DirectoryStore,
  Entry,
  ListPage,
  ListRequest,
} from '../directory-store.ts';
import { StoreError, type Target } from '../store.ts';
import { hasCode, ifPresent } from './fs-errors.ts';
import { hasFields, isOriginOrNothing, isTextOrNothing, readJson, writeJson } from './json-file.ts';
import { isAsideName } from './layout.ts';
import { createNameIndexes, type NameIndex } from './name-index.ts';
import type { Ground, Objects } from './objects.ts';
import { asConflict } from './reach.ts';
import { syncDirectories } from './sync.ts';

/** How many entries are looked at side by side. */
const AT_ONCE = 16;

/**
 * The directories of the buckets are the file system's. That somebody has created one, and what is said of it, is noted in a
 * marker beside; a marker without its directory means nothing.
 *
 * The methods that change something expect the caller to hold the locks of their targets.
 */
export function createFolders({ layout, labels, directories, reach, fsync }: Ground, objects: Objects): DirectoryStore {
  const indexes = createNameIndexes();

  /** Where the directory is, if it is there. The bucket's own may be a link. */
  async function find(target: Target): Promise<{ path: string; modifiedAtMs: number } | undefined> {
    const path = layout.objectPath(target);
    const facts = await ifPresent(target.path === '' ? stat(path) : lstat(path));
    if (!facts?.isDirectory() || !(await reach.isReached(target, path))) return undefined;
    return { path, modifiedAtMs: Math.floor(facts.mtimeMs) };
  }

  const readMarker = (target: Target) => readJson(layout.markerPath(target), isMarker);
  const writeMarker = (target: Target, marker: DirectoryLabels) =>
    writeJson(layout.markerPath(target), layout.newSpoolPath(), marker, fsync);
  const removeMarker = (target: Target) => rm(layout.markerPath(target), { force: true });

  async function infoOf(target: Target, modifiedAtMs: number): Promise<DirectoryInfo> {
    const marker = await readMarker(target);
    return { ...marker, isCreated: marker !== undefined, modifiedAtMs };
  }

  async function entryAt(directory: Target, key: string): Promise<Entry | undefined> {
    const name = decodeName(key.replace(/\/$/, ''));
    if (name === undefined) return undefined;
    const target = { ...directory, path: directory.path === '' ? name : `${directory.path}/${name}` };
    if (!key.endsWith('/')) {
      const info = await objects.statIn(target);
      return info && { kind: 'object', name, info };
    }
    const facts = await ifPresent(lstat(layout.objectPath(target)));
    if (!facts?.isDirectory()) return undefined;
    return { kind: 'directory', name, info: await infoOf(target, Math.floor(facts.mtimeMs)) };
  }

  /** What is still there of the keys, up to one more than the page has. */
  async function look(directory: Target, keys: Generator<string>, limit: number): Promise<Entry[]> {
    const found: Entry[] = [];
    while (found.length <= limit) {
      const some: string[] = [];
      while (some.length < Math.min(AT_ONCE, limit + 1 - found.length)) {
        const { done, value } = keys.next();
        if (done) break;
        some.push(value);
      }
      if (some.length === 0) break;
      const entries = await Promise.all(some.map((key) => entryAt(directory, key)));
      for (const entry of entries) if (entry) found.push(entry);
    }
    return found;
  }

  async function list(target: Target, request: ListRequest): Promise<ListPage | undefined> {
    const directory = await find(target);
    if (!directory) return undefined;
    const index = await indexes.of(directory.path, request.after === undefined ? 'now' : 'to go on');
    const found = await look(target, keysOf(index, request), request.limit);
    return {
      entries: found.slice(0, request.limit),
      hasMore: found.length > request.limit,
      counts: { directories: index.directories, objects: index.count - index.directories },
    };
  }

  /** Everything below a directory that has a name, those that lead to it first. */
  async function* below(target: Target): AsyncGenerator<{ target: Target; isDirectory: boolean }> {
    for await (const entry of await opendir(layout.objectPath(target), { encoding: 'latin1' })) {
      const name = decodeName(entry.name);
      if (name === undefined) continue;
      const inside = { ...target, path: `${target.path}/${name}` };
      yield { target: inside, isDirectory: entry.isDirectory() };
      if (entry.isDirectory()) yield* below(inside);
    }
  }

  async function move(source: Target, target: Target, signedBy: string): Promise<boolean> {
    const from = await find(source);
    if (!from) return false;
    const to = layout.objectPath(target);
    await reach.deepestAbove(target);
    if (await ifPresent(lstat(to))) throw new StoreError('path-conflict');
    const moved = ({ path }: Target) => ({ ...target, path: target.path + path.slice(source.path.length) });
    // What is known of everything is at both places while it is at either.
    await eachOf(below(source), async (each) => {
      const marker = each.isDirectory ? await readMarker(each.target) : undefined;
      if (marker) await writeMarker(moved(each.target), marker);
      else if (!each.isDirectory) await labels.share(each.target, moved(each.target));
    });
    await labels.sync();
    const attributes = (await readMarker(source))?.attributes;
    await writeMarker(target, { attributes, signedBy, origin: { path: source.path, revision: '' } });
    try {
      await directories.within(dirname(to), false, () => rename(from.path, to));
    } catch (error) {
      await removeMarker(target);
      return asConflict('EEXIST', 'ENOTEMPTY', 'ENOTDIR')(error);
    }
    await directories.sync(dirname(to));
    if (fsync) await syncDirectories(dirname(from.path));
    await removeMarker(source);
    const left = ({ path }: Target) => ({ ...source, path: source.path + path.slice(target.path.length) });
    await eachOf(below(target), async ({ target: now, isDirectory }) => {
      const before = left(now);
      // Other processes do not wait for this one.
      if (isDirectory) {
        const marker = await readMarker(before);
        if (marker && !(await readMarker(now))) await writeMarker(now, marker);
        return removeMarker(before);
      }
      const facts = await ifPresent(lstat(layout.objectPath(now), { bigint: true }));
      if (facts) await labels.follow(before, now, facts);
      if (!(await ifPresent(lstat(layout.objectPath(before))))) await labels.forget(before);
    });
    await labels.sync();
    if (fsync) await syncDirectories(layout.directories);
    await directories.prune(dirname(from.path), layout.bucketDir(source));
    return true;
  }

  return {
    list,
    move,
    async stat(target) {
      const directory = await find(target);
      return directory && infoOf(target, directory.modifiedAtMs);
    },
    async create(target, marker) {
      await reach.deepestAbove(target);
      if ((await find(target)) && (await readMarker(target))) throw new StoreError('exists');
      // Said first: whoever is about to remove it because it is empty looks after that.
      await writeMarker(target, marker);
      try {
        await directories.within(layout.objectPath(target), false, async () => {});
      } catch (error) {
        await removeMarker(target);
        return asConflict('EEXIST', 'ENOTDIR')(error);
      }
      await directories.sync(layout.objectPath(target));
    },
    async describe(target, attributes) {
      if (!(await find(target))) return false;
      await writeMarker(target, { ...(await readMarker(target)), attributes });
      return true;
    },
    async delete(target) {
      const directory = await find(target);
      if (!directory) return false;
      try {
        await rmdir(directory.path);
      } catch (error) {
        if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw new StoreError('not-empty', { cause: error });
        if (!hasCode(error, 'ENOENT')) throw error;
      }
      await removeMarker(target);
      if (fsync) await syncDirectories(layout.directories);
      await directories.prune(dirname(directory.path), layout.bucketDir(target));
      return true;
    },
  };
}

/** A few at a time. */
async function eachOf<T>(items: AsyncIterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  let some: T[] = [];
  for await (const item of items) {
    some.push(item);
    if (some.length < AT_ONCE) continue;
    await Promise.all(some.map(act));
    some = [];
  }
  await Promise.all(some.map(act));
}

/** The keys that a request asks for, in its order. */
function* keysOf(index: NameIndex, { kind, prefix, order, after }: ListRequest): Generator<string> {
  const begins = encodeKey(prefix);
  const first = index.rank(begins);
  // No byte of a name is as high as this.
  const end = index.rank(`${begins}\u0100`);
  const isWanted = (at: number) => kind === undefined || index.isDirectoryAt(at) === (kind === 'directory');
  if (order === 'ascending') {
    const from = after === undefined ? first : Math.max(first, index.rank(`${encodeKey(after)}\0`));
    for (let at = from; at < end; at++) if (isWanted(at)) yield index.keyAt(at);
  } else {
    const from = after === undefined ? end : Math.min(end, index.rank(encodeKey(after)));
    for (let at = from - 1; at >= first; at--) if (isWanted(at)) yield index.keyAt(at);
  }
}

function encodeKey(key: string): string {
  return Buffer.from(key, 'utf8').toString('latin1');
}

/** Undefined for names that no request can say, and for what is on its way. */
function decodeName(name: string): string | undefined {
  const text = Buffer.from(name, 'latin1').toString('utf8');
  return encodeKey(text) === name && isName(text) && !isAsideName(text) ? text : undefined;
}

function isMarker(value: unknown): value is DirectoryLabels {
  return hasFields(value, { attributes: isTextOrNothing, signedBy: isTextOrNothing, origin: isOriginOrNothing });
}

/** Whether somebody has created the directory at this path, so that it stays when it is empty. */
export function isCreated(layout: Ground['layout'], dir: string): Promise<boolean> {
  return readJson(layout.markerPath(layout.targetAt(dir)), isMarker).then((marker) => marker !== undefined);
}
