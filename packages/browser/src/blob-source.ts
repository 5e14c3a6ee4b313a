import { type ByteRange, CosSliceError, type Source } from '@cos-slice/core';
import { loadLate } from './load-late.ts';
import { readBlob } from './read-blob.ts';

export interface BlobSource extends Source<Blob> {
  /** A request with this slice made no progress: from now on it is read into memory before it is sent. */
  distrust(content: Blob): void;
}

/**
 * A `Blob` or `File`, of this window or of another one, cut with `Blob.slice`: nothing is read here but the samples of its
 * identity.
 *
 * @throws CosSliceError `invalid-options` for anything else
 */
export function createBlobSource(given: Blob): BlobSource {
  const blob = adopt(given);
  const { size: sizeBytes } = blob;
  const distrusted = new Set<number | undefined>();
  const offsets = new WeakMap<Blob, number>();
  const cut = ({ offset, length }: ByteRange): Blob => blob.slice(offset, offset + length);

  return {
    sizeBytes,
    async slice(range, signal) {
      signal.throwIfAborted();
      const slice = distrusted.has(range.offset) ? new Blob([await readBlob(cut(range))]) : cut(range);
      signal.throwIfAborted();
      offsets.set(slice, range.offset);
      return slice;
    },
    distrust(content) {
      distrusted.add(offsets.get(content));
    },
    async identity(signal) {
      // Where code cannot be loaded late, an upload is forgetful.
      const code = await loadLate(() => import('./resuming.ts'), 'identityOf').catch(() => undefined);
      return code?.identityOf(blob, (given as File).lastModified, signal);
    },
    async verify() {
      if (sizeBytes > 0) await readBlob(blob.slice(-1));
    },
  };
}

/** What comes from another window is read by way of this one: that one may be closed, and its promises never settle then. */
function adopt(given: Blob): Blob {
  if ((given as unknown) instanceof Blob) return given;
  const named = /Blob|File/.test(Object.prototype.toString.call(given));
  const blob = new Blob(named ? [given] : []);
  if (named && blob.size === given.size) return blob;
  const message = 'must be a Blob or a File';
  throw new CosSliceError('invalid-options', `blob ${message}`, { issues: [{ option: 'blob', message }] });
}
