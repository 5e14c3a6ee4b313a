import { createHash } from 'node:crypto';
import {
  type ByteRange,
  type ClientCore,
  CosSliceError,
  type FileEntry,
  type ObjectClient,
  type Sink,
  type Source,
} from '@cos-slice/core';

/** An object of a server as the source of an upload. */
export interface ObjectSource {
  /** Where it is in its bucket. */
  readonly path: string;
  /** @throws CosSliceError `not-found`, `wrong-kind`, and what requests may fail with */
  open(signal: AbortSignal): Promise<Source<Uint8Array>>;
}

type Reading = Pick<ClientCore, 'downloadTo'> & Pick<ObjectClient, 'stat'>;

/** What is looked at of both ends to tell one content from another. */
const SAMPLE_BYTES = 64 * 1024;
/** Slices that came before those in front of them are kept for the hash up to here. */
const MAX_AHEAD_BYTES = 128 * 1024 * 1024;

export function createObjectSource(client: Reading, path: string): ObjectSource {
  return {
    path,
    async open(signal) {
      const entry = await client.stat(path, { signal });
      if (entry.kind === 'file') return openObject(client, entry);
      throw new CosSliceError('wrong-kind', `${JSON.stringify(path)} is a directory: give a file`);
    },
  };
}

/**
 * An object that `stat` has told of, read in ranges. It is held to be the same as long as its ETag is, and its digest is
 * compared with the one that its server knows when all of it has been read.
 */
export function openObject(client: Reading, entry: FileEntry): Source<Uint8Array> {
  const { path, sizeBytes } = entry;
  let etag = entry.etag;
  const check = createCheck(entry);

  const read = async (range: ByteRange, signal: AbortSignal): Promise<Buffer> => {
    signal.throwIfAborted();
    const bytes = Buffer.allocUnsafeSlow(range.length);
    if (range.length === 0) return bytes;
    const sink = createRangeSink(range, sizeBytes, bytes, etag, (seen) => {
      etag ??= seen;
    });
    await client.downloadTo(sink, path, { signal, known: entry }).done;
    return bytes;
  };

  return {
    sizeBytes,
    // The download has its own time limits, and makes its own attempts.
    unhurried: true,
    tellsChanges: true,
    async slice(range, signal) {
      const bytes = await read(range, signal);
      check.add(range.offset, bytes);
      return bytes;
    },
    async identity(signal) {
      const head = await read({ offset: 0, length: Math.min(SAMPLE_BYTES, sizeBytes) }, signal);
      const rest = sizeBytes - head.length;
      const length = Math.min(SAMPLE_BYTES, rest);
      const tail = await read({ offset: sizeBytes - length, length }, signal);
      const hash = createHash('sha256').update(head).update(tail);
      // Copies of an object are the same content; without a digest of the whole, its time has to say that it is the same.
      hash.update(entry.sha1 ?? entry.md5 ?? `${etag ?? ''} ${entry.modifiedAt?.getTime() ?? ''}`);
      return `object-1:${sizeBytes}:${hash.digest('hex')}`;
    },
    async verify(signal) {
      check.verify();
      const now = await client.stat(path, { ...(signal && { signal }) });
      const isSame =
        now.kind === 'file' &&
        now.sizeBytes === sizeBytes &&
        now.sha1 === entry.sha1 &&
        now.etag === entry.etag &&
        now.modifiedAt?.getTime() === entry.modifiedAt?.getTime();
      if (isSame) return;
      throw new CosSliceError(
        'source-changed',
        `${JSON.stringify(path)} has changed while it was copied: run it again`,
      );
    },
  };
}

/** Takes one range of a download, as if all else had been kept by an earlier run. */
function createRangeSink(
  { offset, length }: ByteRange,
  sizeBytes: number,
  bytes: Buffer,
  etag: string | undefined,
  learn: (etag: string | undefined) => void,
): Sink {
  const end = offset + length;
  const kept = [
    { offset: 0, length: offset },
    { offset: end, length: sizeBytes - end },
  ].filter((one) => one.length > 0);
  return {
    ordered: false,
    open: async () => ({ kept, etag }),
    async write(at, pieces) {
      let to = at - offset;
      for (const piece of pieces) {
        bytes.set(piece, to);
        to += piece.length;
      }
    },
    keep: (_range, seen) => learn(seen),
    async discard() {},
    async finish() {},
    async leave() {},
  };
}

/** Holds what comes against the digest that the server knows, if it comes once and nearly in order. */
function createCheck({ path, sizeBytes, sha1, md5 }: FileEntry): {
  add(offset: number, bytes: Uint8Array): void;
  /** @throws CosSliceError `integrity` */
  verify(): void;
} {
  const wanted = sha1 ?? md5;
  const hash = wanted === undefined ? undefined : createHash(sha1 === undefined ? 'md5' : 'sha1');
  const ahead = new Map<number, Uint8Array>();
  let aheadBytes = 0;
  let hashedBytes = 0;
  return {
    add(offset, bytes) {
      // A slice that is read again for another attempt has been seen.
      if (!hash || offset < hashedBytes || ahead.has(offset) || aheadBytes > MAX_AHEAD_BYTES) return;
      ahead.set(offset, bytes);
      aheadBytes += bytes.length;
      for (let next = ahead.get(hashedBytes); next; next = ahead.get(hashedBytes)) {
        hash.update(next);
        ahead.delete(hashedBytes);
        aheadBytes -= next.length;
        hashedBytes += next.length;
        if (next.length === 0) break;
      }
      if (aheadBytes > MAX_AHEAD_BYTES) ahead.clear();
    },
    verify() {
      ahead.clear();
      // What an earlier run has sent was not read.
      if (!hash || hashedBytes < sizeBytes || hash.digest('hex') === wanted) return;
      throw new CosSliceError('integrity', `what came of ${JSON.stringify(path)} is not what its server says it is`);
    },
  };
}
