import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { CosSliceError, type Sink } from '@cos-slice/core';

/** Writes a download to a stream, in order. It is destroyed when not all has come, and not before. */
export function createStreamSink(stream: Writable): Sink {
  const hash = createHash('sha1');
  let sha1: string | undefined;
  let failure: Error | undefined;
  stream.on('error', (error) => {
    failure = error;
  });
  const check = (): void => {
    if (!failure && !stream.destroyed) return;
    const why = failure?.message ?? 'it was closed';
    throw new CosSliceError('target-unwritable', `the stream takes no more: ${why}`, { cause: failure });
  };
  return {
    ordered: true,
    unhurried: true,
    async open(facts) {
      ({ sha1 } = facts);
      return { kept: [] };
    },
    async write(_offset, pieces) {
      for (const bytes of pieces) {
        check();
        if (sha1 !== undefined) hash.update(bytes);
        if (!stream.write(bytes)) {
          // What closes it without an error must be noticed, too.
          const over = new AbortController();
          const options = { signal: over.signal };
          await Promise.race([once(stream, 'drain', options), once(stream, 'close', options)]).catch(() => {});
          over.abort();
        }
        check();
      }
    },
    async discard() {},
    async finish() {
      if (sha1 !== undefined && hash.digest('hex') !== sha1) {
        throw new CosSliceError('integrity', 'what came is not what the server has: download it again');
      }
      stream.end();
      await finished(stream).catch(() => {});
      if (failure) check();
    },
    async leave(reason) {
      stream.destroy(reason instanceof Error ? reason : new Error(String(reason)));
    },
  };
}
