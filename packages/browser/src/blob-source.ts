import { type ByteRange, CosSliceError, type Source } from '@cos-slice/core';

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
  const distrusted = new Set<number>();
  const offsets = new WeakMap<Blob, number>();
  const read = async (range: ByteRange): Promise<ArrayBuffer> => {
    const { offset, length } = range;
    try {
      return await blob.slice(offset, offset + length).arrayBuffer();
    } catch (error) {
      throw unreadable(error);
    }
  };

  return {
    sizeBytes: blob.size,
    async slice(range, signal) {
      signal.throwIfAborted();
      const { offset, length } = range;
      const slice = distrusted.has(offset) ? new Blob([await read(range)]) : blob.slice(offset, offset + length);
      signal.throwIfAborted();
      offsets.set(slice, offset);
      return slice;
    },
    distrust(content) {
      const offset = offsets.get(content);
      if (offset !== undefined) distrusted.add(offset);
    },
    async identity(signal) {
      const hash = createSampleHash();
      for (const range of sampleRanges(blob.size)) {
        signal.throwIfAborted();
        hash.update(new Uint8Array(await read(range)));
      }
      // A file's date tells of an edit between the samples; it never stands for the content.
      const modifiedMs = typeof File !== 'undefined' && blob instanceof File ? blob.lastModified : 0;
      return `b1:${blob.size}:${modifiedMs}:${hash.digest()}`;
    },
    async verify() {
      if (blob.size === 0) return;
      // Browsers refuse to read a file that has changed since it was picked.
      await read({ offset: blob.size - 1, length: 1 });
    },
  };
}

/** Head, tail, and samples in between: all of a small blob, about a megabyte of a large one. */
export function sampleRanges(sizeBytes: number): ByteRange[] {
  if (sizeBytes <= SAMPLES * SAMPLE_BYTES) return sizeBytes === 0 ? [] : [{ offset: 0, length: sizeBytes }];
  const last = sizeBytes - SAMPLE_BYTES;
  return Array.from({ length: SAMPLES }, (_, index) => ({
    offset: Math.floor((last * index) / (SAMPLES - 1)),
    length: SAMPLE_BYTES,
  }));
}

/** Two FNV-1a hashes of 32 bits: to notice another file, not to resist one made on purpose. */
function createSampleHash(): { update(bytes: Uint8Array): void; digest(): string } {
  let a = 0x811c9dc5;
  let b = 0xc59d1c81;
  return {
    update(bytes) {
      for (let index = 0; index < bytes.length; index += 1) {
        const byte = bytes[index] ?? 0;
        a = Math.imul(a ^ byte, 0x01000193);
        b = Math.imul(b ^ byte ^ (index & 0xff), 0x01000193);
      }
    },
    digest: () => [a, b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join(''),
  };
}

function unreadable(error: unknown): CosSliceError {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotReadableError') {
    return new CosSliceError(
      'source-changed',
      'the file changed since it was picked, or may not be read: pick it again',
      { cause: error },
    );
  }
  return new CosSliceError('source-unreadable', 'the file cannot be read, it may have been moved: pick it again', {
    cause: error,
  });
}
