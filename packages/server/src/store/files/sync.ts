import { open } from 'node:fs/promises';

/** Forces the names in these directories to the disk: files made, moved or removed there. */
export async function syncDirectories(...paths: string[]): Promise<void> {
  for (const path of new Set(paths)) {
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}
