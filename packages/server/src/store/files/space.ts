import { statfs } from 'node:fs/promises';
import { StoreError } from '../store.ts';

const MIN_FREE_BYTES = 64 * 1024 * 1024;
/** Disks do not fill much faster than that. */
const KNOWN_FOR_MS = 1000;

/** Room on the disk that is left for what is under way. */
export interface Space {
  /** @throws StoreError `busy` when nothing more should begin */
  check(path: string): Promise<void>;
}

export function createSpace(minFreeBytes: number = MIN_FREE_BYTES): Space {
  let known = { atMs: Number.NEGATIVE_INFINITY, freeBytes: 0 };
  return {
    async check(path) {
      if (minFreeBytes === 0) return;
      const nowMs = performance.now();
      if (nowMs - known.atMs > KNOWN_FOR_MS) {
        const { bavail, bsize } = await statfs(path);
        known = { atMs: nowMs, freeBytes: bavail * bsize };
      }
      if (known.freeBytes >= minFreeBytes) return;
      throw new StoreError('busy', { detail: `the disk is full: ${known.freeBytes} bytes are free` });
    },
  };
}
