import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { copyFile, link, lstat, mkdir, open, realpath, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ObjectInfo, type ObjectLabels, type OpenObject, StoreError, type Target } from '../store.ts';
import { hasCode, ifPresent } from './fs-errors.ts';
import { hasFields, isText, isTextOrNothing, readJson, writeJson } from './json-file.ts';
import type { Layout } from './layout.ts';
import { syncDirectories } from './sync.ts';

/**
 * The finished files. Symbolic links below a bucket are never followed: on the way to an object they count as a
 * conflict when writing and as absence when reading, so nothing in a bucket can lead out of it.
 *
 * The methods that change something expect the caller to hold the target's lock.
 */
export interface Objects {
  checkVacant(target: Target, overwrite: boolean): Promise<void>;
  /** Moves a finished file into place. When it fails the file is still where it was. */
  place(sourcePath: string, target: Target, labels: ObjectLabels, overwrite: boolean): Promise<ObjectInfo>;
  /** Copies known content to a new file. */
  copyKnown(target: Target, content: { sha: string; sizeBytes: number }): Promise<string | undefined>;
  stat(target: Target): Promise<ObjectInfo | undefined>;
  open(target: Target): Promise<OpenObject | undefined>;
  delete(target: Target): Promise<boolean>;
}

type FileStat = { size: bigint; mtimeNs: bigint; ino: bigint; isFile(): boolean };
type LabelsFile = ObjectLabels & { revision: string };

export function createObjects(layout: Layout, fsync: boolean): Objects {
  async function checkVacant(target: Target, overwrite: boolean): Promise<void> {
    await checkParents(target);
    const stat = await ifPresent(lstat(layout.objectPath(target)));
    if (stat && !stat.isFile()) throw new StoreError('path-conflict');
    if (stat && !overwrite) throw new StoreError('exists');
  }

  /** The deepest directory that exists on the way must be reached without links; what is below it gets created. */
  async function checkParents(target: Target): Promise<void> {
    const bucketDir = layout.bucketDir(target);
    for (let dir = dirname(layout.objectPath(target)); dir.length >= bucketDir.length; dir = dirname(dir)) {
      // The entry itself first: asked in any other order, one that somebody makes meanwhile looks like a dangling link.
      const entry = await ifPresent(lstat(dir)).catch(asConflict('ELOOP'));
      if (!entry) continue;
      if (!entry.isDirectory()) throw new StoreError('path-conflict');
      const real = await ifPresent(realpath(dir));
      if (real === undefined) continue;
      if (real !== dir) throw new StoreError('path-conflict');
      return;
    }
  }

  async function place(
    sourcePath: string,
    target: Target,
    labels: ObjectLabels,
    overwrite: boolean,
  ): Promise<ObjectInfo> {
    await checkVacant(target, overwrite);
    const path = layout.objectPath(target);
    const stat = await lstat(sourcePath, { bigint: true });
    const revision = revisionOf(stat);
    // Before the file itself: labels that are early are ignored, since they name another revision.
    const labelsFile: LabelsFile = { ...labels, revision };
    await writeJson(layout.labelsPath(target), layout.newSpoolPath(), labelsFile, fsync);
    const firstMade = await moveTo(path, async () => {
      if (overwrite) return rename(sourcePath, path);
      await link(sourcePath, path);
      // A second name of a file that is in place already: whoever owns it removes it, too.
      await unlink(sourcePath).catch(() => {});
    });
    if (labels.sha !== undefined) {
      const entry = { path: target.path };
      // The file is in place already; without the entry, its content is uploaded once more some day.
      await writeJson(layout.contentPath(target, labels.sha), layout.newSpoolPath(), entry, fsync).catch(() => {});
    }
    if (fsync) await syncDirectories(dirname(path), dirname(firstMade ?? path));
    return infoOf(stat, labels);
  }

  /** Makes the directories on the way, runs `move`, and answers the topmost directory made. */
  async function moveTo(path: string, move: () => Promise<void>, attemptsLeft = 5): Promise<string | undefined> {
    let firstMade: string | undefined;
    try {
      firstMade = await mkdir(dirname(path), { recursive: true });
      await move();
      return firstMade;
    } catch (error) {
      await removeMade(dirname(path), firstMade);
      // Somebody whose own move failed has just removed the directories it had made.
      if (hasCode(error, 'ENOENT') && attemptsLeft > 1) return moveTo(path, move, attemptsLeft - 1);
      if (hasCode(error, 'EEXIST') && (await ifPresent(lstat(path)))?.isFile()) {
        throw new StoreError('exists', { cause: error });
      }
      return asConflict('EEXIST', 'EISDIR', 'ENOTDIR', 'ENOTEMPTY')(error);
    }
  }

  async function removeMade(deepest: string, first: string | undefined): Promise<void> {
    if (first === undefined) return;
    for (let dir = deepest; dir.length >= first.length; dir = dirname(dir)) {
      const removed = await rmdir(dir).then(
        () => true,
        () => false,
      );
      if (!removed) return;
    }
  }

  async function labelsOf(target: Target, stat: FileStat): Promise<ObjectLabels> {
    const labels = await readJson(layout.labelsPath(target), isLabels);
    return labels?.revision === revisionOf(stat) ? labels : {};
  }

  async function openFile(target: Target): Promise<{ file: FileHandle; info: ObjectInfo } | undefined> {
    const path = layout.objectPath(target);
    if ((await ifPresent(realpath(dirname(path)))) !== dirname(path)) return undefined;
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(path, flags).catch((error) => {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return undefined;
      throw error;
    });
    if (!file) return undefined;
    try {
      const stat = await file.stat({ bigint: true });
      if (stat.isFile()) return { file, info: infoOf(stat, await labelsOf(target, stat)) };
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }

  async function stat(target: Target): Promise<ObjectInfo | undefined> {
    const opened = await openFile(target);
    await opened?.file.close();
    return opened?.info;
  }

  return {
    checkVacant,
    place,
    stat,
    async copyKnown(target, { sha, sizeBytes }) {
      const known = await readJson(layout.contentPath(target, sha), isEntry);
      if (!known) return undefined;
      const source = { ...target, path: known.path };
      const before = await stat(source);
      if (before?.sha !== sha || before.sizeBytes !== sizeBytes) return undefined;
      const copyPath = layout.newSpoolPath();
      await copyFile(layout.objectPath(source), copyPath, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      const after = await stat(source);
      const copied = await lstat(copyPath);
      if (after?.revision === before.revision && copied.size === sizeBytes) return copyPath;
      await rm(copyPath, { force: true });
      return undefined;
    },
    async open(target) {
      const opened = await openFile(target);
      if (!opened) return undefined;
      return {
        info: opened.info,
        stream: (start, end) => opened.file.createReadStream({ start, end, highWaterMark: 256 * 1024 }),
        close: () => opened.file.close(),
      };
    },
    async delete(target) {
      if (!(await stat(target))) return false;
      await unlink(layout.objectPath(target));
      await rm(layout.labelsPath(target), { force: true });
      return true;
    },
  };
}

function asConflict(...codes: string[]): (error: unknown) => never {
  return (error) => {
    throw hasCode(error, ...codes) ? new StoreError('path-conflict', { cause: error }) : error;
  };
}

function revisionOf({ size, mtimeNs, ino }: FileStat): string {
  return [size, mtimeNs, ino].map((value) => value.toString(36)).join('-');
}

function infoOf(stat: FileStat, { sha, session, attributes }: ObjectLabels): ObjectInfo {
  return {
    sizeBytes: Number(stat.size),
    modifiedAtMs: Number(stat.mtimeNs / 1_000_000n),
    revision: revisionOf(stat),
    sha,
    session,
    attributes,
  };
}

function isLabels(value: unknown): value is LabelsFile {
  return hasFields(value, {
    revision: isText,
    sha: isTextOrNothing,
    session: isTextOrNothing,
    attributes: isTextOrNothing,
  });
}

function isEntry(value: unknown): value is { path: string } {
  return hasFields(value, { path: isText });
}
