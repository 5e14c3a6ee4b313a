import { createHash } from 'node:crypto';
import { type ByteRange, CosSliceError, type FileHash, type Hasher, type Source } from '@cos-slice/core';
import { createSha1 } from '@cos-slice/testkit/simulated/sha1';
import type { Process, World } from './world/world.ts';

/** A file on a client's machine. Whoever changes it changes it in place. */
export interface ClientFile {
  bytes: Buffer;
  version: number;
}

/** What a source must not be asked or left with. */
export interface SourceBook {
  open: number;
  slices: number;
  /** Those of the slices that have any content. */
  filled: number;
  /** In memory, and how many may be; undefined: any number. */
  bytes: number;
  maxBytes: number | undefined;
}

const READ_MS = 2;

export function openFile(world: World, process: Process, file: ClientFile, book: SourceBook): Source<Uint8Array> {
  const { version } = file;
  const sizeBytes = file.bytes.length;
  const held = new Set<Uint8Array>();
  let isClosed = false;
  book.open += 1;

  const read = <T>(act: () => T): Promise<T> => world.call(process, world.random.next() * READ_MS, act);
  const check = (): void => {
    if (file.version !== version) throw new CosSliceError('source-changed', 'the file changed');
  };
  const mustBeOpen = (): void => {
    if (isClosed) world.complain(`${process.name} reads from a source that it has closed`);
  };

  return {
    sizeBytes,
    async slice({ offset, length }: ByteRange) {
      mustBeOpen();
      return read(() => {
        // Whether a change is seen at once is luck; at the end it is.
        if (world.random.chance(0.3)) check();
        const bytes = Buffer.alloc(length);
        file.bytes.copy(bytes, 0, offset, offset + length);
        held.add(bytes);
        book.slices += 1;
        book.filled += Math.sign(length);
        book.bytes += length;
        // What is larger than the bound goes alone; an empty file beside it holds nothing.
        if (book.filled > 1 && book.bytes > (book.maxBytes ?? book.bytes)) {
          world.complain(`${process.name} holds ${book.bytes} bytes of ${book.maxBytes}`);
        }
        return bytes;
      });
    },
    release(bytes) {
      if (!held.delete(bytes)) world.complain(`${process.name} releases a slice twice`);
      book.slices -= 1;
      book.filled -= Math.sign(bytes.length);
      book.bytes -= bytes.length;
    },
    identity: () => read(() => createHash('md5').update(file.bytes).digest('hex')),
    async verify() {
      mustBeOpen();
      await read(check);
    },
    async close() {
      if (isClosed) world.complain(`${process.name} closes its source twice`);
      isClosed = true;
      book.open -= 1;
      await read(() => {});
    },
  };
}

/** Hashes at once, in simulated time. */
export function createSimulatedHasher(world: World, process: Process): Hasher<Uint8Array> {
  return {
    combine: async () => {
      throw new Error('nothing here has a CRC-64');
    },
    digest: (algorithm, content) =>
      world.call(process, world.random.next(), () => createHash(algorithm).update(content).digest('hex')),
    async uploadParts(source, sliceSizeBytes, { signal, onProgress }) {
      const sha1 = createSha1();
      const parts: FileHash['parts'][number][] = [];
      for (let offset = 0; offset < source.sizeBytes; offset += sliceSizeBytes) {
        const length = Math.min(sliceSizeBytes, source.sizeBytes - offset);
        const bytes = await source.slice({ offset, length }, signal);
        sha1.update(bytes);
        source.release?.(bytes);
        signal.throwIfAborted();
        onProgress(offset + length);
        const isLast = offset + length === source.sizeBytes;
        const datasha = isLast ? '' : Buffer.from(sha1.save().subarray(4, 24)).toString('hex');
        parts.push({ offset, datalen: length, datasha });
      }
      const sha = sha1.digest();
      const last = parts.pop() ?? { offset: 0, datalen: 0 };
      return { sha, parts: [...parts, { ...last, datasha: sha }] };
    },
  };
}
