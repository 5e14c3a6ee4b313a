import type { FileHandle } from 'node:fs/promises';
import { type FileRange, type SliceWriter, StoreError } from '../store.ts';
import { createBatchWriter } from './batch-writer.ts';
import { readRange } from './read-file.ts';
import type { SliceSet } from './slice-set.ts';
import type { FileSpool } from './spool.ts';
import type { WriteQueue } from './write-queue.ts';

/** What the writers of one session share. */
export interface SliceFile {
  readonly sizeBytes: number;
  readonly sliceSizeBytes: number;
  readonly stored: SliceSet;
  /** Keeps the files open until the returned function is called. */
  acquire(): Promise<{ data: FileHandle; queue: WriteQueue; release: () => void }>;
  newSpool(): Promise<FileSpool>;
  /** Puts the slice on record. */
  mark(index: number, mark: { verified: boolean; atMs: number }): Promise<void>;
}

/** The right to write a slice in place. */
interface Slot {
  readonly settled: Promise<void>;
  /** Stops the holder if it is still receiving; undefined once it is about to be stored. */
  revoke(): Promise<void> | undefined;
}

/**
 * Opens writers such that every byte of an unstored slice has one writer at a time and a stored slice none. The first
 * request for a slice writes in place as its bytes arrive. Others that come meanwhile (a client's retry while its old
 * connection hangs) write aside, and the first to be complete takes the slice over.
 */
export function createSliceWriters(file: SliceFile): (index: number) => Promise<SliceWriter> {
  const slots = new Map<number, Slot>();

  function hold(index: number, revoke: Slot['revoke']): { slot: Slot; letGo: () => void } {
    const { promise: settled, resolve } = withResolvers();
    const slot = { settled, revoke };
    slots.set(index, slot);
    return {
      slot,
      letGo: () => {
        if (slots.get(index) === slot) slots.delete(index);
        resolve();
      },
    };
  }

  function rangeIn(data: FileHandle, index: number): FileRange {
    const startBytes = index * file.sliceSizeBytes;
    return { fd: data.fd, startBytes, endBytes: Math.min(startBytes + file.sliceSizeBytes, file.sizeBytes) };
  }

  /** Waits for whoever has taken the slice over. */
  async function untilStored(index: number): Promise<void> {
    while (!file.stored.has(index)) {
      const other = slots.get(index);
      if (!other) throw new StoreError('busy');
      await other.settled;
    }
  }

  /** For bytes that come once more: they are not needed, but must be those that stand there. */
  async function openStored(index: number): Promise<SliceWriter> {
    const { data, release } = await file.acquire();
    const end = once(release);
    const comparison = createComparison(data, index * file.sliceSizeBytes);
    return {
      write: (bytes) => comparison.next(bytes),
      written: async () => rangeIn(data, index),
      async commit() {
        try {
          await comparison.check();
        } finally {
          end();
        }
      },
      abort: async () => end(),
    };
  }

  async function openDirect(index: number): Promise<SliceWriter> {
    let state: 'receiving' | 'revoked' | 'storing' | 'ended' = 'receiving';
    let stopWriting = async () => {};
    let hasShownStored = false;
    const isRevoked = () => state === 'revoked';
    // Held before the first wait, so that two requests cannot both find the slice free.
    const { letGo } = hold(index, () => {
      if (state !== 'receiving') return undefined;
      state = 'revoked';
      return stopWriting();
    });
    const { data, queue, release } = await file.acquire().catch((error) => {
      letGo();
      throw error;
    });
    const batch = createBatchWriter(queue, index * file.sliceSizeBytes);
    stopWriting = () => batch.stop();
    if (isRevoked()) await batch.stop();

    function end(): void {
      state = 'ended';
      letGo();
      release();
    }

    return {
      write: (bytes) => batch.write(bytes),
      async written() {
        await batch.flush();
        if (isRevoked()) {
          await untilStored(index);
          hasShownStored = true;
          return rangeIn(data, index);
        }
        const startBytes = index * file.sliceSizeBytes;
        return { fd: data.fd, startBytes, endBytes: startBytes + batch.sizeBytes };
      },
      async commit(mark) {
        if (isRevoked()) {
          end();
          // Its bytes are gone, so nobody can tell whether they are those that stand there.
          if (!hasShownStored) throw new StoreError('busy');
          return;
        }
        state = 'storing';
        try {
          await batch.flush();
          await file.mark(index, mark);
        } finally {
          await batch.stop();
          end();
        }
      },
      async abort() {
        if (state === 'ended') return;
        await batch.stop();
        end();
      },
    };
  }

  async function openAside(index: number): Promise<SliceWriter> {
    const spool = await file.newSpool();
    // Kept from the start: the slice may have to be compared when the session has just become an object.
    const { data, queue, release } = await file.acquire().catch(async (error) => {
      await spool.abort();
      throw error;
    });
    const letFilesGo = once(release);

    /** Undefined when the slice got stored while waiting for it. */
    async function take(): Promise<(() => void) | undefined> {
      while (!file.stored.has(index)) {
        const holder = slots.get(index);
        const stopped = holder?.revoke();
        if (holder && !stopped) {
          await holder.settled;
          continue;
        }
        const { letGo } = hold(index, () => undefined);
        await stopped;
        return letGo;
      }
      return undefined;
    }

    return {
      write: (bytes) => spool.write(bytes),
      written: () => spool.written(),
      async abort() {
        letFilesGo();
        await spool.abort();
      },
      async commit(mark) {
        try {
          await spool.flush();
          const letGo = await take();
          if (!letGo) {
            const comparison = createComparison(data, index * file.sliceSizeBytes);
            for await (const chunk of spool.read()) await comparison.next(chunk);
            return await comparison.check();
          }
          try {
            const batch = createBatchWriter(queue, index * file.sliceSizeBytes);
            for await (const chunk of spool.read()) await batch.write(chunk);
            await batch.flush();
            await file.mark(index, mark);
          } finally {
            letGo();
          }
        } finally {
          letFilesGo();
          await spool.abort();
        }
      },
    };
  }

  return async (index) => {
    if (file.stored.has(index)) return openStored(index);
    return slots.has(index) ? openAside(index) : openDirect(index);
  };
}

/** Holds bytes that come in order against those in a file. */
function createComparison(
  data: FileHandle,
  startBytes: number,
): { next(bytes: Uint8Array): Promise<void>; check(): Promise<void> } {
  let position = startBytes;
  let isSame = true;
  let tail: Promise<void> = Promise.resolve();

  async function compare(bytes: Uint8Array, at: number): Promise<void> {
    let done = 0;
    for await (const stored of readRange(data, at, at + bytes.length)) {
      if (Buffer.compare(stored, bytes.subarray(done, done + stored.length)) !== 0) isSame = false;
      done += stored.length;
    }
    if (done < bytes.length) isSame = false;
  }

  return {
    next(bytes) {
      const at = position;
      position += bytes.length;
      tail = tail.then(() => compare(bytes, at));
      return tail;
    },
    /** @throws StoreError `differs` */
    async check() {
      await tail;
      if (!isSame) throw new StoreError('differs');
    },
  };
}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (!done) act();
    done = true;
  };
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
