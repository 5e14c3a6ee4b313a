import type { FileHandle } from 'node:fs/promises';
import { type FileRange, type SliceWriter, StoreError } from '../store.ts';
import { createBatchWriter } from './batch-writer.ts';
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

  /** For bytes that come once more: they are not needed, but what stands there may be compared with what they should be. */
  async function openStored(index: number): Promise<SliceWriter> {
    const { data, release } = await file.acquire();
    const end = once(release);
    return {
      write: () => undefined,
      written: async () => rangeIn(data, index),
      commit: async () => end(),
      abort: async () => end(),
    };
  }

  async function openDirect(index: number): Promise<SliceWriter> {
    let state: 'receiving' | 'revoked' | 'storing' | 'ended' = 'receiving';
    let stopWriting = async () => {};
    let hasShownOwn = false;
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
          return rangeIn(data, index);
        }
        hasShownOwn = true;
        const startBytes = index * file.sliceSizeBytes;
        return { fd: data.fd, startBytes, endBytes: startBytes + batch.sizeBytes };
      },
      async commit(mark) {
        if (isRevoked()) {
          end();
          await untilStored(index);
          // What was looked at is not what is stored.
          if (hasShownOwn) throw new StoreError('busy');
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
    let hasShownOwn = false;

    /** False when the slice got stored while waiting for it. */
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
      written() {
        hasShownOwn = true;
        return spool.written();
      },
      abort: () => spool.abort(),
      async commit(mark) {
        try {
          await spool.flush();
          const letGo = await take();
          if (!letGo) {
            if (hasShownOwn) throw new StoreError('busy');
            return;
          }
          try {
            const { queue, release } = await file.acquire();
            try {
              const batch = createBatchWriter(queue, index * file.sliceSizeBytes);
              for await (const chunk of spool.read()) await batch.write(chunk);
              await batch.flush();
              await file.mark(index, mark);
            } finally {
              release();
            }
          } finally {
            letGo();
          }
        } finally {
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
