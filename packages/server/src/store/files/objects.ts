import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { access, link, lstat, open, realpath, rename, rm, stat as statFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { type ObjectInfo, type ObjectLabels, type OpenObject, StoreError, type Target } from '../store.ts';
import { createCopier } from './copier.ts';
import { createDirectories } from './directories.ts';
import { hasCode, ifPresent } from './fs-errors.ts';
import { writeJson } from './json-file.ts';
import type { KnownContent } from './known-copies.ts';
import { createLabels, type FileFacts, revisionOf } from './labels.ts';
import type { Layout } from './layout.ts';
import { readRange } from './read-file.ts';

/** What file systems without hard links say when they are asked for one. */
const NO_LINKS = ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

/**
 * The finished files. The operator may have made the folder of an appid or a bucket a link; below a bucket symbolic links
 * are never followed: on the way to an object they count as a conflict when writing and as absence when reading, so
 * nothing in a bucket can lead out of it.
 *
 * The methods that change something expect the caller to hold the target's lock.
 */
export interface Objects {
  /** Fails where putting an object could not succeed, as far as a look can tell. */
  checkVacant(target: Target, overwrite: boolean): Promise<void>;
  /** Moves a finished file into place. When it fails the file is still where it was. */
  place(sourcePath: string, target: Target, labels: ObjectLabels, overwrite: boolean): Promise<ObjectInfo>;
  /** Where an object with this content may be found, in the target's bucket. */
  holderOf(target: Target, sha: string): Promise<Target | undefined>;
  /** Copies known content to a new file. Takes as long as that takes. Undefined when the source does not have it. */
  copyKnown(content: KnownContent, signal?: AbortSignal): Promise<string | undefined>;
  stat(target: Target): Promise<ObjectInfo | undefined>;
  open(target: Target): Promise<OpenObject | undefined>;
  delete(target: Target): Promise<boolean>;
}

export function createObjects(layout: Layout, fsync: boolean): Objects {
  const labels = createLabels(layout, fsync);
  const directories = createDirectories(layout.root, fsync);
  const copier = createCopier(fsync);

  /** The file that an object would replace. @throws StoreError `exists`, `path-conflict` */
  async function standingAt(target: Target, overwrite: boolean): Promise<FileFacts | undefined> {
    const path = layout.objectPath(target);
    const entry = await ifPresent(lstat(path, { bigint: true }));
    if (!entry) return undefined;
    if (!entry.isFile()) throw new StoreError('path-conflict');
    if (!overwrite) throw new StoreError('exists');
    return entry;
  }

  /** The deepest directory that exists on the way; what is below it gets created. It must be reached without links. */
  async function deepestAbove(target: Target): Promise<string> {
    const bucketDir = layout.bucketDir(target);
    for (let dir = dirname(layout.objectPath(target)); dir.length > layout.root.length; dir = dirname(dir)) {
      // The entry itself first: asked in any other order, one that somebody makes meanwhile looks like a dangling link.
      const entry = await ifPresent(lstat(dir)).catch(asConflict('ELOOP'));
      if (!entry) continue;
      const isOperators = dir.length <= bucketDir.length;
      const isDirectory = isOperators ? (await statFile(dir)).isDirectory() : entry.isDirectory();
      if (!isDirectory) throw new StoreError('path-conflict');
      const real = await ifPresent(realpath(dir));
      if (real === undefined) continue;
      if (!isOperators && !(await isReached(target, dir, real))) throw new StoreError('path-conflict');
      return dir;
    }
    return layout.root;
  }

  /** Whether a directory below a bucket's is where it seems to be. */
  async function isReached(target: Target, dir: string, real: string): Promise<boolean> {
    if (real === dir) return true;
    const bucketDir = layout.bucketDir(target);
    const realBucket = await ifPresent(realpath(bucketDir));
    return realBucket !== undefined && real === realBucket + dir.slice(bucketDir.length);
  }

  async function place(
    sourcePath: string,
    target: Target,
    ownLabels: ObjectLabels,
    overwrite: boolean,
  ): Promise<ObjectInfo> {
    await deepestAbove(target);
    const standing = await standingAt(target, overwrite);
    const path = layout.objectPath(target);

    /** Moves a file that is on the target's file system. */
    async function settle(from: string): Promise<ObjectInfo> {
      const facts = await lstat(from, { bigint: true });
      await labels.prepare(target, facts, ownLabels, standing);
      try {
        await move(from, path, overwrite);
      } catch (error) {
        if (!(await ifPresent(lstat(path)))) await labels.forget(target).catch(() => {});
        throw error;
      }
      return infoOf(facts, ownLabels);
    }

    const info = await directories
      .within(dirname(path), async () => {
        try {
          return await settle(sourcePath);
        } catch (error) {
          if (!hasCode(error, 'EXDEV')) throw error;
        }
        return copyBeside(sourcePath, path, settle);
      })
      .catch(async (error) => {
        if (hasCode(error, 'EEXIST') && (await ifPresent(lstat(path)))?.isFile()) {
          throw new StoreError('exists', { cause: error });
        }
        return asConflict('EEXIST', 'EISDIR', 'ENOTDIR', 'ENOTEMPTY')(error);
      });
    // The file is in place already; without the note, its content is uploaded once more some day.
    if (ownLabels.sha !== undefined) await labels.noteHolder(target, ownLabels.sha).catch(() => {});
    await directories.sync(dirname(path));
    return info;
  }

  async function move(from: string, to: string, overwrite: boolean): Promise<void> {
    if (overwrite) return rename(from, to);
    try {
      await link(from, to);
    } catch (error) {
      if (!hasCode(error, ...NO_LINKS)) throw error;
      // The target's lock keeps everybody out who keeps to it.
      if (await ifPresent(lstat(to))) throw new StoreError('exists', { cause: error });
      return rename(from, to);
    }
    // A second name of a file that is in place already: whoever owns it removes it, too.
    await unlink(from).catch(() => {});
  }

  /** For a bucket, or a folder in one, that is a mount of its own. */
  async function copyBeside<T>(from: string, to: string, use: (copy: string) => Promise<T>): Promise<T> {
    const aside = layout.newAside(to);
    try {
      // Known before it is there: then nothing that a crash leaves is without an owner.
      await writeJson(aside.notePath, layout.newSpoolPath(), aside.note, fsync);
      await copier.copy(from, aside.path);
      const result = await use(aside.path);
      await rm(from, { force: true }).catch(() => {});
      return result;
    } finally {
      await rm(aside.path, { force: true }).catch(() => {});
      await rm(aside.notePath, { force: true }).catch(() => {});
    }
  }

  async function openFile(
    target: Target,
  ): Promise<{ file: FileHandle; info: ObjectInfo; isCertain: boolean } | undefined> {
    const path = layout.objectPath(target);
    const real = await ifPresent(realpath(dirname(path)));
    if (real === undefined || !(await isReached(target, dirname(path), real))) return undefined;
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(path, flags).catch((error) => {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return undefined;
      throw error;
    });
    if (!file) return undefined;
    try {
      const facts = await file.stat({ bigint: true });
      if (facts.isFile()) {
        const known = await labels.of(target, facts);
        return { file, info: infoOf(facts, known.labels), isCertain: known.isCertain };
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }

  async function look(target: Target): Promise<{ info: ObjectInfo; isCertain: boolean } | undefined> {
    const opened = await openFile(target);
    await opened?.file.close();
    return opened;
  }

  return {
    async checkVacant(target, overwrite) {
      const above = await deepestAbove(target);
      await standingAt(target, overwrite);
      await access(above, constants.W_OK | constants.X_OK);
    },
    place,
    holderOf: labels.holderOf,
    async copyKnown({ source, sha, sizeBytes }, signal) {
      const before = await look(source);
      if (before?.info.sha !== sha || before.info.sizeBytes !== sizeBytes) return undefined;
      const copyPath = layout.newSpoolPath();
      const isRight = await copier.copy(layout.objectPath(source), copyPath, {
        sha: before.isCertain ? undefined : sha,
        ...(signal && { signal }),
      });
      if (!isRight) return undefined;
      const after = await look(source);
      const copied = await lstat(copyPath);
      if (after?.info.revision === before.info.revision && copied.size === sizeBytes) return copyPath;
      await rm(copyPath, { force: true });
      return undefined;
    },
    stat: async (target) => (await look(target))?.info,
    async open(target) {
      const opened = await openFile(target);
      if (!opened) return undefined;
      const { file, info } = opened;
      return {
        info,
        stream: (start, end) => Readable.from(readExactly(file, start, end + 1), { objectMode: false }),
        close: () => file.close(),
      };
    },
    async delete(target) {
      if (!(await look(target))) return false;
      const path = layout.objectPath(target);
      await unlink(path);
      await labels.forget(target);
      await directories.prune(dirname(path), layout.bucketDir(target));
      return true;
    },
  };
}

/** Fails when the file ends early: somebody has cut it, and what was promised of it cannot be kept. */
async function* readExactly(file: FileHandle, startBytes: number, endBytes: number): AsyncGenerator<Uint8Array> {
  let missingBytes = endBytes - startBytes;
  try {
    for await (const chunk of readRange(file, startBytes, endBytes)) {
      missingBytes -= chunk.length;
      yield chunk;
    }
    if (missingBytes > 0) throw new Error(`the file ended ${missingBytes} bytes early`);
  } finally {
    await file.close();
  }
}

function asConflict(...codes: string[]): (error: unknown) => never {
  return (error) => {
    throw hasCode(error, ...codes) ? new StoreError('path-conflict', { cause: error }) : error;
  };
}

function infoOf(facts: FileFacts, { sha, session, signedBy, attributes }: ObjectLabels): ObjectInfo {
  return {
    sizeBytes: Number(facts.size),
    modifiedAtMs: Number(facts.mtimeNs / 1_000_000n),
    revision: revisionOf(facts),
    sha,
    session,
    signedBy,
    attributes,
  };
}
