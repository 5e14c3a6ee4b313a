import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that is gone after `use`. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'cos-slice-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const BLOCK_BYTES = 4 * 1024 * 1024;

/** Writes a file no two blocks of which are alike, so that a slice in the wrong place shows. @returns its path */
export async function makeFile(path: string, sizeBytes: number): Promise<string> {
  const block = randomBytes(Math.min(sizeBytes, BLOCK_BYTES));
  const file = await open(path, 'w');
  try {
    for (let offset = 0; offset < sizeBytes; offset += block.length) {
      block.writeUInt8((offset / BLOCK_BYTES) & 255, 0);
      if (block.length > 8) block.writeUInt32LE(offset / BLOCK_BYTES, Math.min(4, block.length - 4));
      await file.write(block, 0, Math.min(block.length, sizeBytes - offset), offset);
    }
  } finally {
    await file.close();
  }
  return path;
}

/** SHA-256 of a file's content, in hex. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk);
  return hash.digest('hex');
}
