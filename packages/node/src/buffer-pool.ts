/** Buffers that are used again, so that memory follows what is held at once. */
export interface BufferPool {
  /** @returns exactly `length` bytes, of any content, in shared memory: a hashing worker sees them without a copy */
  take(length: number): Uint8Array;
  /** @param bytes as `take` returned them, or a view on them; no longer used */
  give(bytes: Uint8Array): void;
  /** What is taken and comes back later is not used again. */
  close(): void;
}

/** What is kept for later while nothing is open. */
const IDLE_BYTES = 32 * 1024 * 1024;
/** The smallest buffers there are. */
const LEAST_BYTES = 64 * 1024;

/**
 * All pools share their buffers: shared memory is no reason for a garbage collection, so whatever is dropped stays for long, and
 * what each of many files has kept for itself would come to many times what is in use. Least recently used first.
 */
const spare: SharedArrayBuffer[] = [];
let spareBytes = 0;
let takenBytes = 0;
/** The most that was taken at once: together with what is spare it does not become more. */
let mostBytes = 0;
let openPools = 0;

export function createBufferPool(): BufferPool {
  let ownBytes = 0;
  let isClosed = false;
  openPools += 1;
  return {
    take(length) {
      const sizeBytes = sizeFor(length);
      const index = spare.findIndex(({ byteLength }) => byteLength === sizeBytes);
      const [buffer] = index < 0 ? [] : spare.splice(index, 1);
      if (buffer) spareBytes -= sizeBytes;
      else dropUntil(mostBytes - takenBytes - sizeBytes);
      takenBytes += sizeBytes;
      ownBytes += sizeBytes;
      mostBytes = Math.max(mostBytes, takenBytes);
      return new Uint8Array(buffer ?? new SharedArrayBuffer(sizeBytes), 0, length);
    },
    give({ buffer }) {
      if (isClosed || !(buffer instanceof SharedArrayBuffer)) return;
      takenBytes -= buffer.byteLength;
      ownBytes -= buffer.byteLength;
      spareBytes += buffer.byteLength;
      spare.push(buffer);
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      takenBytes -= ownBytes;
      openPools -= 1;
      if (openPools > 0) return;
      mostBytes = 0;
      dropUntil(IDLE_BYTES);
    },
  };
}

/** Two sizes an octave: last slices of many lengths find buffers, and what is beyond their length is never touched. */
function sizeFor(length: number): number {
  const octave = 2 ** Math.ceil(Math.log2(Math.max(length, LEAST_BYTES)));
  return length <= octave * 0.75 && octave > LEAST_BYTES ? octave * 0.75 : octave;
}

function dropUntil(bytes: number): void {
  while (spareBytes > Math.max(0, bytes)) spareBytes -= spare.shift()?.byteLength ?? 0;
}
