import { open } from 'node:fs/promises';
import { hasCode } from './fs-errors.ts';

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
