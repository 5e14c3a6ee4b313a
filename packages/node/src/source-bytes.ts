import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isAnyArrayBuffer, isUint8Array } from 'node:util/types';
import type { Source } from '@cos-slice/core';
import { refuseIssues } from './option-issues.ts';

const HASH_STEP_BYTES = 4 * 1024 * 1024;

/**
 * Uploads bytes in memory. Slices are views on them, so they must not be changed before the upload has ended: unlike a
 * file's, such a change cannot be noticed.
 */
export function createBytesSource(content: Uint8Array | ArrayBuffer): Source<Uint8Array> {
  if (!isUint8Array(content) && !isAnyArrayBuffer(content)) {
    refuseIssues([{ option: 'content', message: 'must be a Uint8Array or an ArrayBuffer' }]);
  }
  const bytes = isUint8Array(content) ? content : new Uint8Array(content);
  return {
    sizeBytes: bytes.length,
    tellsChanges: true,
    async slice(range, signal) {
      signal.throwIfAborted();
      return bytes.subarray(range.offset, range.offset + range.length);
    },
    async identity(signal) {
      // All of it: there is no time of modification that would tell of a change between the samples.
      const hash = createHash('sha256');
      for (let start = 0; start < bytes.length; start += HASH_STEP_BYTES) {
        signal.throwIfAborted();
        hash.update(bytes.subarray(start, start + HASH_STEP_BYTES));
        await nextTurn();
      }
      return `bytes-1:${bytes.length}:${hash.digest('hex')}`;
    },
  };
}
