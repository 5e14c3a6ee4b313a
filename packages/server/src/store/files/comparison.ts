import type { FileHandle } from 'node:fs/promises';
import { StoreError } from '../store.ts';
import { readRange } from './read-file.ts';

/** Holds bytes that come in order against those in a file. */
export interface Comparison {
  next(bytes: Uint8Array): Promise<void>;
  /** @throws StoreError `differs` */
  check(): Promise<void>;
}

export function createComparison(data: FileHandle, startBytes: number): Comparison {
  let position = startBytes;
  let isSame = true;
  let tail: Promise<void> = Promise.resolve();

  async function compare(bytes: Uint8Array, at: number): Promise<void> {
    let done = 0;
    for await (const stored of readRange(data, at, at + bytes.length)) {
      if (Buffer.compare(stored, bytes.subarray(done, done + stored.length)) !== 0) isSame = false;
      done += stored.length;
    }
    if (done < bytes.length) isSame = false;
  }

  return {
    next(bytes) {
      const at = position;
      position += bytes.length;
      tail = tail.then(() => compare(bytes, at));
      return tail;
    },
    async check() {
      await tail;
      if (!isSame) throw new StoreError('differs');
    },
  };
}
