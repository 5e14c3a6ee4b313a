/** Buffers that are used again, so that memory follows what is held at once. */
export interface BufferPool {
  /** @returns exactly `length` bytes, of any content, in shared memory: a hashing worker sees them without a copy */
  take(length: number): Uint8Array;
  /** @param bytes as `take` returned them, or a view on them; no longer used */
  give(bytes: Uint8Array): void;
}

export function createBufferPool(): BufferPool {
  const free: Uint8Array[] = [];
  return {
    take(length) {
      const index = free.findIndex((buffer) => buffer.length >= length);
      const [buffer] = index < 0 ? [] : free.splice(index, 1);
      // None is large enough: the slice size has grown, and the old buffers are of no more use.
      if (buffer === undefined) free.length = 0;
      return (buffer ?? new Uint8Array(new SharedArrayBuffer(length))).subarray(0, length);
    },
    give(bytes) {
      free.push(new Uint8Array(bytes.buffer));
    },
  };
}
