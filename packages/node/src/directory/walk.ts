import { isUtf8 } from 'node:buffer';
import type { Dir, Dirent, Stats } from 'node:fs';
import { lstat, opendir, stat } from 'node:fs/promises';
import { whenOpenable } from '../waiting.ts';
import type { Filter } from './filter.ts';

/** Why an entry is left out. */
export type ProblemReason =
  /** A symbolic link, and these are not followed. */
  | 'symlink'
  /** A symbolic link to a directory that leads to it. */
  | 'symlink-loop'
  /** A socket, a pipe, a device. */
  | 'special'
  /** A name that cannot be on the other side: not UTF-8, or one that would lead elsewhere. */
  | 'name'
  /** It may not be read, or the disk fails. */
  | 'unreadable'
  /** It was there a moment ago. */
  | 'vanished'
  /** More than 512 directories in each other. */
  | 'too-deep';

export interface Problem {
  readonly kind: 'problem';
  /** From the top, with `/`. Bytes that are no UTF-8 show as U+FFFD. */
  readonly path: string;
  readonly reason: ProblemReason;
  /** The system's code, where it has one. */
  readonly code?: string | undefined;
}

export interface FoundFile<Here> {
  readonly kind: 'file';
  /** From the top, with `/`. */
  readonly path: string;
  /** As the system has it. */
  readonly file: string;
  readonly here: Here;
}

export interface FoundDirectory<Here> {
  readonly kind: 'directory';
  /** From the top, with `/` at its end. */
  readonly path: string;
  readonly here: Here;
}

export type Found<Here> = FoundFile<Here> | FoundDirectory<Here> | Problem;

export interface WalkOptions<Here, Below> {
  readonly filter: Filter;
  readonly followSymlinks: boolean;
  /**
   * A directory is entered.
   *
   * @param path from the top, empty for the top itself
   * @param above what was returned as `below` for the directory that it is in
   * @returns `here` goes with every entry that is directly in it; `below` to the directories in it
   */
  enter(path: string, above: Below | undefined): { readonly here: Here; readonly below: Below };
}

const MAX_DEPTH = 512;
/** Entries that are read from the system at once. */
const BUFFERED = 256;

/** Directories in each other that are being walked, for telling loops. */
type Trail = readonly string[];

/**
 * Walks through a directory as it is asked to go on, and keeps nothing of what it has passed: of each directory first the files,
 * in the order that the system has them, then the directories. One handle is open for each directory on the way down. What
 * comes or goes meanwhile is found or not; everything else is, once.
 */
export async function* walk<Here, Below>(
  top: string,
  options: WalkOptions<Here, Below>,
): AsyncGenerator<Found<Here>, void, undefined> {
  const facts = await stat(top);
  yield* walkDirectory(top, '', [idOf(facts)], undefined, options);
}

async function* walkDirectory<Here, Below>(
  directory: string,
  path: string,
  trail: Trail,
  above: Below | undefined,
  options: WalkOptions<Here, Below>,
): AsyncGenerator<Found<Here>, void, undefined> {
  const { filter, followSymlinks } = options;
  const isTop = path === '';
  let entries: Dir;
  try {
    entries = await open(directory);
  } catch (error) {
    if (isTop) throw error;
    return yield problem(path, error);
  }
  let below: Below;
  let directories = 0;
  {
    // Not kept while what is below is walked: it may be large.
    const entered = options.enter(path, above);
    ({ below } = entered);
    const { here } = entered;
    if (!isTop) yield { kind: 'directory', path, here };
    try {
      for await (const entry of entries) {
        const name = textOf(entry);
        if (name === undefined) {
          yield { kind: 'problem', path: path + String(entry.name), reason: 'name' };
          continue;
        }
        const kind = await kindOf(entry, `${directory}/${name}`, followSymlinks);
        if (kind === 'directory') directories += 1;
        else if (!filter.file(path + name)) continue;
        else if (kind === 'file') yield { kind, path: path + name, file: `${directory}/${name}`, here };
        else yield { ...kind, path: path + name };
      }
    } catch (error) {
      yield problem(path, error);
    }
  }
  if (directories > 0) yield* walkBelow(directory, path, trail, below, options);
}

async function* walkBelow<Here, Below>(
  directory: string,
  path: string,
  trail: Trail,
  below: Below,
  options: WalkOptions<Here, Below>,
): AsyncGenerator<Found<Here>, void, undefined> {
  const { filter, followSymlinks } = options;
  try {
    for await (const entry of await open(directory)) {
      const name = textOf(entry);
      if (name === undefined || !filter.directory(`${path}${name}/`)) continue;
      const inside = `${directory}/${name}`;
      if ((await kindOf(entry, inside, followSymlinks)) !== 'directory') continue;
      const id = idOf(await stat(inside).catch(() => undefined));
      const reason = trail.includes(id) ? 'symlink-loop' : trail.length >= MAX_DEPTH ? 'too-deep' : undefined;
      if (reason) yield { kind: 'problem', path: `${path}${name}/`, reason };
      else yield* walkDirectory(inside, `${path}${name}/`, [...trail, id], below, options);
    }
  } catch (error) {
    yield problem(path, error);
  }
}

/** Names as bytes: what is not UTF-8 would otherwise be read as something that is not there. */
function open(directory: string): Promise<Dir> {
  return whenOpenable(() => opendir(directory, { encoding: 'buffer' as BufferEncoding, bufferSize: BUFFERED }));
}

function textOf(entry: Dirent): string | undefined {
  const bytes = entry.name as unknown as Buffer;
  return isUtf8(bytes) ? bytes.toString() : undefined;
}

async function kindOf(
  entry: Dirent,
  path: string,
  follow: boolean,
): Promise<'file' | 'directory' | Omit<Problem, 'path'>> {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  try {
    // Not every file system says what an entry is.
    const facts = follow ? await stat(path) : await lstat(path);
    if (facts.isFile()) return 'file';
    if (facts.isDirectory()) return 'directory';
    return { kind: 'problem', reason: facts.isSymbolicLink() ? 'symlink' : 'special' };
  } catch (error) {
    const { path: _path, ...rest } = problem('', error);
    return rest;
  }
}

function idOf(facts: Stats | undefined): string {
  return facts ? `${facts.dev}:${facts.ino}` : '';
}

function problem(path: string, error: unknown): Problem {
  const { code } = error as NodeJS.ErrnoException;
  const reason =
    code === 'ENOENT' || code === 'ENOTDIR' ? 'vanished' : code === 'ELOOP' ? 'symlink-loop' : 'unreadable';
  return { kind: 'problem', path, reason, code };
}
