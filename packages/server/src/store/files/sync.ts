import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode, ifPresent } from './fs-errors.ts';

/** Forces the names in these directories to the disk: files made, moved or removed there. */
export async function syncDirectories(...paths: string[]): Promise<void> {
  for (const path of new Set(paths)) {
    const directory = await open(path, 'r');
    try {
      // Some file systems have nothing to force there, and say so.
      await directory.sync().catch((error) => {
        if (!hasCode(error, 'EINVAL', 'ENOTSUP')) throw error;
      });
    } finally {
      await directory.close();
    }
  }
}

/** The same for one that somebody may have removed meanwhile: then that is what has to be on the disk, in the lowest above it. */
export async function syncLowest(path: string): Promise<void> {
  const isThere = await ifPresent(syncDirectories(path).then(() => true));
  if (!isThere && dirname(path) !== path) await syncLowest(dirname(path));
}
