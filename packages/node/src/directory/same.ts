import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { FileEntry } from '@cos-slice/core';
import type { Remembered } from './name-table.ts';
import type { LocalFile, Skip } from './types.ts';

/** Which side has what is wanted. */
export type Direction = 'up' | 'down';

/**
 * Whether a file that is on both sides need not be transferred.
 *
 * @param ask for all that is known of the object; undefined: it is gone
 */
export async function isSame(
  skip: Skip,
  direction: Direction,
  local: LocalFile,
  remote: Remembered,
  ask: () => Promise<FileEntry | undefined>,
  signal: AbortSignal,
): Promise<boolean> {
  if (skip === false) return false;
  if (skip === 'existing') return true;
  if (typeof skip === 'function') {
    const object = await ask();
    return object !== undefined && (await skip(local, object));
  }
  if (remote.sizeBytes !== local.sizeBytes) return false;
  if (skip === 'same-size') return true;
  if (skip === 'same-content') {
    const sha1 = (await ask())?.sha1;
    return sha1 !== undefined && sha1 === (await hashFile(local.file, signal));
  }
  if (remote.modifiedAtSec === 0) return true;
  const localSec = Math.floor(local.modifiedAt.getTime() / 1000);
  // An object has the time of its upload; a file that was downloaded is given the object's.
  return direction === 'up' ? localSec <= remote.modifiedAtSec : localSec === remote.modifiedAtSec;
}

async function hashFile(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha1');
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash, { signal });
  return hash.digest('hex');
}
