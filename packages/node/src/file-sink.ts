import { createHash } from 'node:crypto';
import { type FileHandle, link, lstat, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { type ByteRange, CosSliceError, type ObjectFacts, type Sink } from '@cos-slice/core';
import { bootId, createFileLocks } from './file-lock.ts';
import { readRegularText } from './state-files.ts';
import { untilAborted } from './waiting.ts';

/** What is kept beside a download that is not complete, of whose object which bytes are there. */
interface PartRecord {
  readonly version: 1;
  readonly facts: ObjectFacts;
  readonly etag?: string | undefined;
  readonly kept: readonly ByteRange[];
  /** Of the machine that wrote it, as long as the disk may not have all of it yet: another one has lost that. */
  readonly boot?: string | undefined;
}

export interface FileSinkOptions {
  readonly overwrite?: boolean | undefined;
  readonly fsync?: boolean | undefined;
}

const SAVE_EVERY_MS = 500;
const HASH_BYTES = 1024 * 1024;

/** What downloads of this process that have been given up still have to do with a file, by its path. A slow disk makes it long. */
const leaving = new Map<string, Promise<void>>();

/**
 * Writes a download to `<file>.part`, with `<file>.part.json` beside it, which says what of it is there; when all is there and
 * is what the server has, it gets its name. One download at a time does so.
 */
export function createFileSink(file: string, { overwrite = false, fsync = false }: FileSinkOptions): Sink {
  const part = `${file}.part`;
  const note = `${part}.json`;
  const place = resolve(file);
  const locks = createFileLocks(dirname(place));
  let handle: FileHandle | undefined;
  let facts: ObjectFacts | undefined;
  let etag: string | undefined;
  let kept: ByteRange[] = [];
  let saving: Promise<void> = Promise.resolve();
  let savedAtMs = Number.NEGATIVE_INFINITY;
  let hash = createHash('sha1');
  let hashedBytes = 0;
  let following: Promise<void> | undefined;
  let unlock: (() => Promise<void>) | undefined;

  const failing = <T>(act: Promise<T>): Promise<T> =>
    act.catch((error) => {
      throw (error as NodeJS.ErrnoException).syscall === undefined ? error : unwritable(file, error);
    });
  const close = async (): Promise<void> => {
    const open = handle;
    handle = undefined;
    await open?.close();
  };
  const release = async (): Promise<void> => {
    const held = unlock;
    unlock = undefined;
    await held?.();
  };
  /** @param synced the disk has all that is said to be there */
  const save = (synced = false): Promise<void> => {
    savedAtMs = performance.now();
    // One note that could not be written keeps no later one from it.
    saving = saving
      .catch(() => {})
      .then(async () => {
        const boot = synced ? undefined : await bootId();
        // Where nobody can tell one run of the machine from the next, the disk must have what is said to be there.
        if (!synced && boot === undefined && facts?.sha1 === undefined) await handle?.datasync();
        const record: PartRecord = { version: 1, facts: facts as ObjectFacts, etag, kept, boot };
        await writeFile(`${note}.new`, JSON.stringify(record));
        await rename(`${note}.new`, note);
      });
    return saving;
  };

  /** Hashes what is there from the start on, while the rest comes. */
  const follow = async (signal?: AbortSignal): Promise<void> => {
    const buffer = Buffer.allocUnsafe(HASH_BYTES);
    const [first] = kept;
    for (let end = first?.offset === 0 ? first.length : 0; handle && hashedBytes < end; ) {
      signal?.throwIfAborted();
      const wanted = Math.min(buffer.length, end - hashedBytes);
      const { bytesRead } = await handle.read(buffer, 0, wanted, hashedBytes);
      if (bytesRead === 0) return;
      hash.update(buffer.subarray(0, bytesRead));
      hashedBytes += bytesRead;
      end = kept[0]?.length ?? 0;
    }
  };

  return {
    ordered: false,
    async open(given, signal) {
      facts = given;
      hash = createHash('sha1');
      hashedBytes = 0;
      await untilAborted(leaving.get(place) ?? Promise.resolve(), signal);
      unlock ??= await locks.acquire(basename(part), `downloading to ${file}`, signal);
      await refuseTarget(file, overwrite);
      const earlier = await readRecord(note, part, given, await bootId());
      handle = await failing(open(part, earlier ? 'r+' : 'w+'));
      kept = [...(earlier?.kept ?? [])];
      etag = earlier?.etag;
      // A `.part` without its note, which may be of anything, has been emptied.
      if (!earlier) await rm(note, { force: true });
      return { kept, etag };
    },
    async write(offset, pieces) {
      const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
      if (!handle) throw closed(part);
      let { bytesWritten: at } = await failing(handle.writev(pieces, offset));
      if (at === bytes) return;
      // Rarely less is written than was asked for, when the disk is nearly full for example.
      for (const rest = Buffer.concat(pieces); at < bytes; ) {
        if (!handle) throw closed(part);
        const { bytesWritten } = await failing(handle.write(rest, at, bytes - at, offset + at));
        at += bytesWritten;
      }
    },
    keep(range, seen) {
      etag = seen;
      kept = joined([...kept, range]);
      if (facts?.sha1 !== undefined) {
        // What cannot be read is told at the end.
        following ??= follow()
          .catch(() => {})
          .finally(() => {
            following = undefined;
          });
      }
      // It is kept, or not: what cannot be noted is downloaded again.
      if (performance.now() - savedAtMs > SAVE_EVERY_MS) save().catch(() => {});
    },
    async discard() {
      await close();
      await saving.catch(() => {});
      await Promise.all([part, note].map((one) => rm(one, { force: true })));
    },
    async finish(signal) {
      const { sizeBytes, sha1 } = facts as ObjectFacts;
      await saving.catch(() => {});
      if (fsync) await failing(handle?.sync() ?? Promise.resolve());
      if (sha1 !== undefined) {
        await following;
        await failing(follow(signal));
      }
      await failing(close());
      const size = (await failing(stat(part))).size;
      if (size !== sizeBytes) {
        throw new CosSliceError('integrity', `${part} has ${size} bytes and not ${sizeBytes}: download it again`);
      }
      if (sha1 !== undefined && (hashedBytes !== sizeBytes || hash.digest('hex') !== sha1)) {
        throw new CosSliceError('integrity', `what came to ${part} is not what the server has: download it again`);
      }
      await failing(overwrite ? rename(part, file) : linkTo(part, file));
      if (fsync) await failing(syncFolder(dirname(file)));
      await rm(note, { force: true });
      await release();
    },
    leave() {
      const left = async (): Promise<void> => {
        // Now that nobody waits for it, it can be made to last.
        const isSynced = await handle?.datasync().then(
          () => true,
          () => false,
        );
        if (handle) await save(isSynced).catch(() => {});
        await close();
        await release();
      };
      // One that was refused the file has nothing to leave.
      if (!unlock) return left();
      const leave = left().finally(() => leaving.get(place) === over && leaving.delete(place));
      const over = leave.catch(() => {});
      leaving.set(place, over);
      return leave;
    },
  };
}

/** @throws CosSliceError `exists` */
async function refuseTarget(file: string, overwrite: boolean): Promise<void> {
  const there = await lstat(file).catch(() => undefined);
  if (there?.isDirectory()) {
    throw new CosSliceError('target-unwritable', `${file} is a directory: give the path of a file in it`);
  }
  if (there && !overwrite) throw exists(file);
}

/** Gives a file its name, and never takes it from another one that has come there. */
async function linkTo(part: string, file: string): Promise<void> {
  try {
    await link(part, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw exists(file);
    // Not every file system has links.
    await refuseTarget(file, false);
    return rename(part, file);
  }
  await rm(part);
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  await folder.sync().finally(() => folder.close());
}

function closed(part: string): CosSliceError {
  return new CosSliceError('target-unwritable', `${part} is closed`);
}

function exists(file: string): CosSliceError {
  return new CosSliceError('exists', `${file} is there already: choose another name, or turn overwrite on`);
}

async function readRecord(
  note: string,
  part: string,
  facts: ObjectFacts,
  boot: string | undefined,
): Promise<PartRecord | undefined> {
  try {
    const record: PartRecord = JSON.parse(await readRegularText(note));
    const { size } = await stat(part);
    const isSame =
      record.version === 1 &&
      (['path', 'sizeBytes', 'sha1', 'modifiedAtMs'] as const).every((name) => record.facts[name] === facts[name]) &&
      (record.etag !== undefined || facts.sha1 !== undefined) &&
      // What a machine that stopped has lost is found out by the SHA-1, and only by that.
      (record.boot === undefined || record.boot === boot || facts.sha1 !== undefined) &&
      record.kept.every(
        ({ offset, length }) =>
          Number.isSafeInteger(offset) &&
          Number.isSafeInteger(length) &&
          offset >= 0 &&
          length > 0 &&
          offset + length <= size,
      );
    return isSame && size <= facts.sizeBytes ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Ranges in order, those that touch made one. */
function joined(ranges: readonly ByteRange[]): ByteRange[] {
  const result: ByteRange[] = [];
  for (const { offset, length } of [...ranges].sort((one, other) => one.offset - other.offset)) {
    const last = result.at(-1);
    if (last && last.offset + last.length >= offset) {
      const end = Math.max(last.offset + last.length, offset + length);
      result[result.length - 1] = { offset: last.offset, length: end - last.offset };
    } else result.push({ offset, length });
  }
  return result;
}

function unwritable(file: string, cause: unknown): CosSliceError {
  const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
  const kept = `what has come is kept in ${file}.part`;
  const advice: Record<string, string> = {
    ENOSPC: `the disk is full (ENOSPC): ${kept}; make room and download it again`,
    EDQUOT: `the quota is used up (EDQUOT): ${kept}; make room and download it again`,
    EFBIG: `${file}.part would become larger than files may be here (EFBIG): choose another place`,
    ENOENT: `there is no folder for ${file} (ENOENT): make it first`,
    EACCES: `${file}.part may not be written (EACCES): check the permissions of the folder`,
    EROFS: `${file} is on a file system that is read only (EROFS): choose another place`,
  };
  const message = advice[code] ?? `${file}.part cannot be written (${code}): check the disk`;
  return new CosSliceError('target-unwritable', message, { cause });
}
