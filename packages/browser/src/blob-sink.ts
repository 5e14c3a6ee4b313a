import { CosSliceError, type Sink } from '@cos-slice/core';
import type { BrowserHasher } from './hash/hasher.ts';

/** So much is held as separate pieces before they are made one blob, which browsers may keep on disk, and which is hashed at once. */
const FOLD_BYTES = 4 * 1024 * 1024;

/** Loads what hashes; absent where nothing is to be checked. */
export type LoadHasher = (() => Promise<BrowserHasher>) | undefined;

/** Makes a download a `Blob`. */
export interface BlobSink extends Sink {
  /** Once it has finished. */
  blob(type: string): Blob;
}

export function createBlobSink(loadHasher: LoadHasher): BlobSink {
  let folded: Blob[] = [];
  const folds = createFolds();
  const check = createCheck(loadHasher);
  const fold = async (): Promise<void> => {
    const blob = folds.take();
    folded.push(blob);
    await check.take(blob);
  };
  const discard = async (): Promise<void> => {
    folded = [];
    folds.take();
  };
  return {
    ordered: true,
    unhurried: true,
    async open({ sha1 }) {
      await check.open(sha1);
      return { kept: [] };
    },
    async write(_offset, pieces) {
      for (const piece of pieces) if (folds.add(piece)) await fold();
    },
    discard,
    async finish() {
      await fold();
      await check.finish();
    },
    leave: discard,
    blob: (type) => new Blob(folded, { type }),
  };
}

/** Writes a download to a stream, in order: one of the File System Access API, for example. It is aborted when not all comes. */
export function createWritableSink(stream: WritableStream<Uint8Array>, loadHasher: LoadHasher): Sink {
  const writer = stream.getWriter();
  const folds = createFolds();
  const check = createCheck(loadHasher);
  const taken = async (act: Promise<void>): Promise<void> => {
    await act.catch((cause) => {
      throw new CosSliceError('target-unwritable', `the stream takes no more: ${String(cause)}`, { cause });
    });
  };
  return {
    ordered: true,
    unhurried: true,
    async open({ sha1 }) {
      await check.open(sha1);
      return { kept: [] };
    },
    async write(_offset, pieces) {
      for (const bytes of pieces) {
        // What goes to the stream is the stream's, and may be gone afterwards.
        if (check.isOpen && folds.add(bytes.slice())) await check.take(folds.take());
        await taken(writer.write(bytes));
      }
    },
    discard: async () => {},
    async finish() {
      await check.take(folds.take());
      await check.finish();
      await taken(writer.close());
    },
    leave: (reason) => writer.abort(reason),
  };
}

/** Collects pieces until they are worth a blob. */
function createFolds(): { add(piece: Uint8Array): boolean; take(): Blob } {
  let pieces: BlobPart[] = [];
  let bytes = 0;
  return {
    /** @returns whether it is enough */
    add(piece) {
      pieces.push(piece as Uint8Array<ArrayBuffer>);
      bytes += piece.length;
      return bytes >= FOLD_BYTES;
    },
    take() {
      const blob = new Blob(pieces);
      pieces = [];
      bytes = 0;
      return blob;
    },
  };
}

interface Check {
  /** Something is compared in the end. */
  readonly isOpen: boolean;
  /** @throws CosSliceError `hashing-failed` where nothing can be hashed */
  open(expected: string | undefined): Promise<void>;
  /** Goes on with what comes next. Waits for the hash of what came before: no more than that is held for it. */
  take(blob: Blob): Promise<void>;
  /** @throws CosSliceError `integrity` */
  finish(): Promise<void>;
}

/** Compares what comes with the SHA-1 that the server tells, in the hash worker and while the rest comes. */
function createCheck(loadHasher: LoadHasher): Check {
  let expected: string | undefined;
  let hasher: BrowserHasher | undefined;
  let last: Blob | undefined;
  let state: Promise<string | undefined> = Promise.resolve(undefined);
  return {
    get isOpen() {
      return hasher !== undefined;
    },
    async open(sha1) {
      expected = sha1;
      if (sha1 === undefined || !loadHasher) return;
      hasher = await loadHasher();
      await hasher.ready();
    },
    async take(blob) {
      if (!hasher) return;
      const before = await state;
      const [own, previous] = [hasher, last];
      last = blob;
      if (!previous) return;
      state = own.chain(before, previous, false);
      // It is looked at when the next one comes, or at the end.
      state.catch(() => {});
    },
    async finish() {
      if (!hasher) return;
      const sha1 = await hasher.chain(await state, last ?? new Blob(), true);
      if (sha1 === expected) return;
      throw new CosSliceError('integrity', 'what came is not what the server has: download it again');
    },
  };
}
