// @ts-check
import { randomBytes } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const BLOCK_BYTES = 8 * 1024 * 1024;

/**
 * Makes a file whose slices all differ, and leaves it in the page cache.
 *
 * @param {string} path
 * @param {number} sizeBytes
 */
export async function makeTestFile(path, sizeBytes) {
  const block = randomBytes(BLOCK_BYTES);
  const handle = await open(path, 'w');
  try {
    for (let offset = 0; offset < sizeBytes; offset += block.length) {
      for (let at = 0; at < block.length; at += 64 * 1024) block.writeUIntBE(offset + at, at, 6);
      await handle.write(block, 0, Math.min(block.length, sizeBytes - offset), offset);
    }
    // Written out now and not during a measurement.
    await handle.sync();
  } finally {
    await handle.close();
  }
  return path;
}

/** Of each of many small files. */
export const SMALL_BYTES = 16 * 1024;

/** @param {string} dir is made @param {number} count @returns {Promise<string>} the directory */
export async function makeSmallFiles(dir, count) {
  await mkdir(dir, { recursive: true });
  for (let index = 0; index < count; index += 1) await writeFile(join(dir, `f${index}.bin`), randomBytes(SMALL_BYTES));
  return dir;
}
