import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../store/files/fs-errors.ts';
import { syncDirectories } from '../store/files/sync.ts';
import { createOnceRegister, type OnceRegister } from './once.ts';

/** Signatures are forgotten this often, and not at each use. */
const TIDY_EVERY_SEC = 600;

/**
 * Keeps an empty file for each used signature: that outlasts a restart, and servers on one folder share it. The folder is made
 * when it is needed. While the disk is full, signatures are remembered in memory, so that deleting goes on.
 *
 * @param fsync what was used is on the disk before anybody acts upon it. Default false
 */
export function fileOnceRegister(place: () => Promise<string>, fsync = false): OnceRegister {
  const inMemory = createOnceRegister();
  let tidyAtSec = 0;
  let isPlaceForced = !fsync;

  async function tidy(dir: string, nowSec: number, keptSec: number): Promise<void> {
    for (const id of await readdir(dir)) {
      const file = join(dir, id);
      const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
      if (mtimeMs / 1000 + keptSec < nowSec) await rm(file, { force: true });
    }
  }

  async function isFirst(path: string, nowSec: number): Promise<boolean> {
    let file: FileHandle;
    try {
      file = await open(path, 'wx');
    } catch (error) {
      // Of this file alone it says that the signature was used: a folder that is a file is there, too.
      if (hasCode(error, 'EEXIST')) return false;
      throw error;
    }
    // The time of the server's own clock, which the next ones will be compared with.
    try {
      await file.utimes(nowSec, nowSec);
      if (fsync) await file.sync();
    } finally {
      await file.close();
    }
    return true;
  }

  return {
    async use(id, nowSec, forgetAtSec) {
      const dir = await place();
      if (nowSec >= tidyAtSec) {
        tidyAtSec = nowSec + TIDY_EVERY_SEC;
        // What cannot be removed is only a file too many.
        await tidy(dir, nowSec, forgetAtSec - nowSec).catch(() => {});
      }
      try {
        if ((await mkdir(dir, { recursive: true })) !== undefined) isPlaceForced = !fsync;
        if (!(await isFirst(join(dir, id), nowSec))) return false;
        if (fsync) await syncDirectories(dir);
        if (!isPlaceForced) await syncDirectories(dirname(dir));
        isPlaceForced = true;
      } catch (error) {
        if (!hasCode(error, 'ENOSPC', 'EDQUOT')) throw error;
      }
      return inMemory.use(id, nowSec, forgetAtSec);
    },
  };
}
