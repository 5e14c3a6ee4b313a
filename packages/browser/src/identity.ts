import { readBlob } from './read-blob.ts';

const SAMPLE_BYTES = 64 * 1024;
const SAMPLES = 16;

/**
 * Head, tail, and samples in between: all of a small blob, about a megabyte of a large one. Two hashes in the manner of FNV-1a:
 * to notice another file, not to resist one made on purpose.
 */
export async function identityOf(blob: Blob, lastModified: number | undefined, signal: AbortSignal): Promise<string> {
  const { size } = blob;
  const length = Math.min(SAMPLE_BYTES, Math.ceil(size / SAMPLES));
  let a = 0x811c9dc5;
  let b = a;
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    signal.throwIfAborted();
    const offset = Math.floor(((size - length) * sample) / (SAMPLES - 1));
    for (const byte of new Uint8Array(await readBlob(blob.slice(offset, offset + length)))) {
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b ^ byte, 0x85ebca6b);
    }
  }
  // A file's date tells of an edit between the samples; it never stands for the content.
  return ['b2', size, lastModified, a, b].join(':');
}
