import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../store/files/fs-errors.ts';
import { createOnceRegister, type OnceRegister } from './once.ts';

/** Signatures are forgotten this often, and not at each use. */
const TIDY_EVERY_SEC = 600;

/**
 * Keeps an empty file for each used signature: that outlasts a restart, and servers on one folder share it. The folder is made
 * when it is needed. While the disk is full, signatures are remembered in memory, so that deleting goes on.
 */
export function fileOnceRegister(place: () => Promise<string>): OnceRegister {
  const inMemory = createOnceRegister();
  let tidyAtSec = 0;

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
    await file.utimes(nowSec, nowSec).finally(() => file.close());
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
        await mkdir(dir, { recursive: true });
        if (!(await isFirst(join(dir, id), nowSec))) return false;
      } catch (error) {
        if (!hasCode(error, 'ENOSPC', 'EDQUOT')) throw error;
      }
      return inMemory.use(id, nowSec, forgetAtSec);
    },
  };
}
