import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { access, link, lstat, open, rename, rm, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import {
  type ObjectInfo,
  type ObjectLabels,
  type ObjectProperties,
  type OpenObject,
  StoreError,
  type Target,
} from '../store.ts';
import { createCopier } from './copier.ts';
import type { Directories } from './directories.ts';
import { hasCode, ifPresent, NO_LINKS } from './fs-errors.ts';
import { writeJson } from './json-file.ts';
import type { KnownContent } from './known-copies.ts';
import type { Labels } from './labels.ts';
import type { Layout } from './layout.ts';
import { asConflict, type Reach } from './reach.ts';
import { readRange } from './read-file.ts';
import { type FileFacts, revisionOf } from './revision.js';

/** The finished files. The methods that change something expect the caller to hold the target's lock. */
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
  /** The same, and with fsync its name is on the disk then, whoever has put it in place. */
  confirm(target: Target): Promise<ObjectInfo | undefined>;
  /** The same for one that is in a directory known to be where it seems, which makes it cheaper. */
  statIn(target: Target): Promise<ObjectInfo | undefined>;
  describe(target: Target, change: ObjectProperties): Promise<ObjectInfo | undefined>;
  /** What a copy of the object has to be, and what is said of it. */
  heritage(source: Target, signedBy: string): Promise<Heritage | undefined>;
  /** The caller holds both locks. */
  move(source: Target, target: Target, signedBy: string, overwrite: boolean): Promise<ObjectInfo | undefined>;
  open(target: Target): Promise<OpenObject | undefined>;
  delete(target: Target): Promise<boolean>;
}

/** While another process, or directories above, come and go. */
const MAX_LOOKS = 10;

export interface Heritage {
  readonly content: KnownContent;
  readonly labels: ObjectLabels;
}

/** What it takes to keep files in their places. */
export interface Ground {
  readonly layout: Layout;
  readonly labels: Labels;
  readonly directories: Directories;
  readonly reach: Reach;
  readonly fsync: boolean;
}

export function createObjects({ layout, labels, directories, reach, fsync }: Ground): Objects {
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

  async function place(
    sourcePath: string,
    target: Target,
    ownLabels: ObjectLabels,
    overwrite: boolean,
  ): Promise<ObjectInfo> {
    const above = await reach.deepestAbove(target);
    const standing = await standingAt(target, overwrite);
    const path = layout.objectPath(target);
    let replacedSha: string | undefined;

    /** Moves a file that is on the target's file system. */
    async function settle(from: string): Promise<ObjectInfo> {
      const facts = await lstat(from, { bigint: true });
      try {
        const { replaced, settle } = await labels.prepare(target, facts, ownLabels, standing);
        replacedSha = replaced?.sha;
        await move(from, path, overwrite);
        return infoOf(facts, await settle());
      } catch (error) {
        if (!(await ifPresent(lstat(path)))) await labels.forget(target).catch(() => {});
        throw error;
      }
    }

    const info = await directories
      .within(dirname(path), above === dirname(path), async () => {
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
    if (replacedSha !== undefined && replacedSha !== ownLabels.sha) {
      await labels.forgetHolder(target, replacedSha).catch(() => {});
    }
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
    if (!(await reach.isReached(target, dirname(path)))) return undefined;
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

  async function heritage(source: Target, signedBy: string): Promise<Heritage | undefined> {
    const found = await look(source);
    if (!found) return undefined;
    const { attributes, authority, headers, sha, revision, sizeBytes } = found.info;
    const origin = { path: source.path, revision };
    return {
      content: { source, sha: undefined, revision, sizeBytes },
      labels: { attributes, authority, headers, sha: found.isCertain ? sha : undefined, signedBy, origin },
    };
  }

  async function remove(target: Target): Promise<void> {
    const path = layout.objectPath(target);
    await ifPresent(unlink(path));
    await directories.prune(dirname(path), layout.bucketDir(target));
    // Only now: a file that a power failure brings back is what it was.
    await labels.forget(target);
    await labels.sync();
  }

  return {
    async checkVacant(target, overwrite) {
      for (let look = 1; ; look += 1) {
        const above = await reach.deepestAbove(target);
        await standingAt(target, overwrite);
        try {
          return await access(above, constants.W_OK | constants.X_OK);
        } catch (error) {
          // It has gone with the last object in it; what is above that is next.
          if (!hasCode(error, 'ENOENT') || look === MAX_LOOKS) throw error;
        }
      }
    },
    place,
    holderOf: labels.holderOf,
    async copyKnown({ source, sha, revision, sizeBytes }, signal) {
      const before = await look(source);
      const isIt = revision === undefined ? before?.info.sha === sha : before?.info.revision === revision;
      if (!before || !isIt || before.info.sizeBytes !== sizeBytes) return undefined;
      const copyPath = layout.newSpoolPath();
      const isRight = await copier.copy(layout.objectPath(source), copyPath, {
        sha: before.isCertain || revision !== undefined ? undefined : sha,
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
    async confirm(target) {
      const found = await look(target);
      if (!found) return undefined;
      const isForced = await ifPresent(directories.sync(dirname(layout.objectPath(target))).then(() => true));
      // Where the directory has gone meanwhile, so has the object.
      return isForced ? found.info : (await look(target))?.info;
    },
    async statIn(target) {
      const facts = await ifPresent(lstat(layout.objectPath(target), { bigint: true }));
      return facts?.isFile() ? infoOf(facts, (await labels.of(target, facts)).labels) : undefined;
    },
    async describe(target, change) {
      const factsNow = () => ifPresent(lstat(layout.objectPath(target), { bigint: true }));
      for (let attempt = 0; attempt < MAX_LOOKS; attempt++) {
        const facts = (await look(target)) && (await factsNow());
        if (!facts) return undefined;
        const info = infoOf(facts, await labels.change(target, facts, change));
        const after = await factsNow();
        if (after && revisionOf(after) === info.revision) return info;
        // Another process has replaced it meanwhile.
      }
      throw new StoreError('busy');
    },
    heritage,
    async move(source, target, signedBy, overwrite) {
      const inherited = await heritage(source, signedBy);
      if (!inherited) return undefined;
      const [from, to] = [layout.objectPath(source), layout.objectPath(target)];
      // What a crash has left half way: one file of two names.
      const isThere = !overwrite && (await isSameFile(from, to));
      const info = isThere ? (await look(target))?.info : await place(from, target, inherited.labels, overwrite);
      await remove(source);
      return info;
    },
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
      if (await look(target)) {
        await remove(target);
        return true;
      }
      // What a crash in the middle of this has left.
      if ((await labels.has(target)) && !(await ifPresent(lstat(layout.objectPath(target))))) await remove(target);
      return false;
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

async function isSameFile(...paths: [string, string]): Promise<boolean> {
  const [one, other] = await Promise.all(paths.map((path) => ifPresent(lstat(path, { bigint: true }))));
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

export function infoOf(facts: FileFacts, { sha, session, signedBy, origin, ...properties }: ObjectLabels): ObjectInfo {
  const { attributes, authority, headers } = properties;
  return {
    sizeBytes: Number(facts.size),
    modifiedAtMs: Number(facts.mtimeNs / 1_000_000n),
    revision: revisionOf(facts),
    sha,
    session,
    signedBy,
    origin,
    attributes,
    authority,
    headers,
  };
}
