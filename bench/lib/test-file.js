// @ts-check
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';

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
