import type { ByteRange, Source } from '@cos-slice/core';
import { readBlob } from './read-blob.ts';

export interface BlobSource extends Source<Blob> {
  /** A request with this slice made no progress: from now on it is read into memory before it is sent. */
  distrust(content: Blob): void;
}

const SAMPLE_BYTES = 64 * 1024;
const SAMPLES = 16;

/**
 * A `Blob` or `File`, cut with `Blob.slice`: nothing is read here but the samples of its identity.
 */
export function createBlobSource(blob: Blob): BlobSource {
  const { size: sizeBytes } = blob;
  const distrusted = new Set<number | undefined>();
  const offsets = new WeakMap<Blob, number>();
  const cut = ({ offset, length }: ByteRange): Blob => blob.slice(offset, offset + length);
  const read = (range: ByteRange): Promise<ArrayBuffer> => readBlob(cut(range));

  return {
    sizeBytes,
    async slice(range, signal) {
      signal.throwIfAborted();
      const slice = distrusted.has(range.offset) ? new Blob([await read(range)]) : cut(range);
      signal.throwIfAborted();
      offsets.set(slice, range.offset);
      return slice;
    },
    distrust(content) {
      distrusted.add(offsets.get(content));
    },
    // Head, tail, and samples in between: all of a small blob, about a megabyte of a large one. Two hashes in the manner of
    // FNV-1a: to notice another file, not to resist one made on purpose.
    async identity(signal) {
      const length = Math.min(SAMPLE_BYTES, Math.ceil(sizeBytes / SAMPLES));
      let a = 0x811c9dc5;
      let b = a;
      for (let sample = 0; sample < SAMPLES; sample += 1) {
        signal.throwIfAborted();
        const offset = Math.floor(((sizeBytes - length) * sample) / (SAMPLES - 1));
        for (const byte of new Uint8Array(await read({ offset, length }))) {
          a = Math.imul(a ^ byte, 0x01000193);
          b = Math.imul(b ^ byte, 0x85ebca6b);
        }
      }
      // A file's date tells of an edit between the samples; it never stands for the content.
      return ['b2', sizeBytes, (blob as File).lastModified, a, b].join(':');
    },
    async verify() {
      if (sizeBytes > 0) await read({ offset: sizeBytes - 1, length: 1 });
    },
  };
}
