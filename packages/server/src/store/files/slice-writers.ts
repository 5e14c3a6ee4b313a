import type { FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { FileRange } from '../../integrity/checker.ts';
import { type SliceWriter, StoreError } from '../store.ts';
import { createBatchWriter } from './batch-writer.ts';
import { createComparison } from './comparison.ts';
import type { Lease, SliceLedger } from './slice-ledger.ts';
import type { FileSpool } from './spool.ts';
import type { WriteQueue } from './write-queue.ts';

/** How often holders of leases see to it that they last, and whether others ask for them. */
const LOOK_MS = 250;
const POLL_MS = 50;

/** What the writers of one session share while its files are open. */
export interface SliceFile {
  readonly sizeBytes: number;
  readonly sliceSizeBytes: number;
  readonly data: FileHandle;
  readonly queue: WriteQueue;
  readonly ledger: SliceLedger;
  newSpool(): Promise<FileSpool>;
  /**
   * Checks the bytes of a slice, wherever they are, by the checkpoints and by `md5`. Resolves to whether the checkpoints
   * cover all of it. @throws StoreError `mismatch`
   */
  verify(index: number, range: FileRange, md5: string | undefined): Promise<boolean>;
  /** Whether any two slices that pass {@link verify} are the same. */
  isProof(index: number, md5: string | undefined): boolean;
  /** Puts a slice on record whose bytes are in `data`. False when the lease was lost. @throws StoreError `gone` */
  record(lease: Lease, entry: { verified: boolean; atMs: number }): Promise<boolean>;
  /**
   * With fsync, forces what is on record to the disk, before somebody is told of it who has not put it there: whoever has may
   * have failed, or died, in between.
   */
  force(): Promise<void>;
  /** @throws StoreError `gone` when the session has ended */
  checkAlive(): void;
}

/** A writer of this process that has a lease. */
interface Holder {
  readonly lease: Lease;
  readonly ended: Promise<void>;
  /** Makes it let go, soon. False when it is about to store. */
  revoke(): boolean;
}

/**
 * Opens writers such that every byte of an unstored slice has one writer at a time and a stored slice none. Whoever gets the
 * lease of a slice writes in place as its bytes arrive. Others that come meanwhile (a client's retry while its old connection
 * hangs) write aside, and the first to be complete takes the slice over.
 *
 * @param release called when a writer needs the files no longer
 */
export function createSliceWriters(file: SliceFile): (index: number, release: () => void) => Promise<SliceWriter> {
  const { ledger, sliceSizeBytes } = file;
  const holders = new Map<number, Holder>();
  let looking: NodeJS.Timeout | undefined;

  function rangeOf(index: number): FileRange {
    const startBytes = index * sliceSizeBytes;
    return { fd: file.data.fd, startBytes, endBytes: Math.min(startBytes + sliceSizeBytes, file.sizeBytes) };
  }

  function lookAfterAll(): void {
    // When the journal fails, leases run out, and the failure shows where slices are stored.
    attempt(() => ledger.refresh());
    for (const { lease, revoke } of holders.values()) {
      if (lease.isWanted() && revoke()) continue;
      if (!lease.isFresh()) attempt(() => lease.renew());
    }
  }

  /** Registers the holder of a lease; the answer lets go of it, and never fails. */
  function hold(index: number, lease: Lease, revoke: () => boolean): () => void {
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    holders.set(index, { lease, ended, revoke });
    looking ??= setInterval(lookAfterAll, LOOK_MS).unref();
    return () => {
      attempt(() => lease.release());
      holders.delete(index);
      if (holders.size === 0) {
        clearInterval(looking);
        looking = undefined;
      }
      end();
    };
  }

  /** Undefined when the slice got stored while waiting for it. */
  async function takeOver(index: number): Promise<Lease | undefined> {
    for (let round = 0; ; round++) {
      file.checkAlive();
      ledger.refresh();
      if (ledger.stored.has(index)) return undefined;
      const holder = holders.get(index);
      if (holder) {
        holder.revoke();
        await holder.ended;
        continue;
      }
      const lease = ledger.take(index);
      if (lease) return lease;
      // Another process has it: one that lives hears of this soon, the lease of one that died runs out.
      if (round === 0) ledger.wish(index);
      await delay(POLL_MS);
    }
  }

  /**
   * For a writer whose bytes are gone: only what was promised of them can tell whether they are stored. It must have let go of
   * the slice itself, or it would wait for itself.
   */
  async function settleOvertaken(index: number, md5: string | undefined): Promise<void> {
    await holders.get(index)?.ended;
    ledger.refresh();
    if (!ledger.stored.has(index) || !file.isProof(index, md5)) throw new StoreError('busy');
    await file.verify(index, rangeOf(index), md5);
    await file.force();
  }

  /** For bytes that come once more: they are not needed, but must be those that stand there. */
  function compareWithStored(index: number, release: () => void): SliceWriter {
    const comparison = createComparison(file.data, index * sliceSizeBytes);
    return createWriter({
      write: (bytes) => comparison.next(bytes),
      async commit({ md5 }) {
        await comparison.check();
        await file.verify(index, rangeOf(index), md5);
        await file.force();
      },
      end: async () => release(),
    });
  }

  function writeInPlace(index: number, lease: Lease, release: () => void): SliceWriter {
    const batch = createBatchWriter(file.queue, index * sliceSizeBytes);
    let state: 'receiving' | 'overtaken' | 'storing' = 'receiving';
    const letGo = hold(index, lease, overtake);

    function overtake(): boolean {
      if (state === 'receiving') {
        state = 'overtaken';
        void batch.stop().then(letGo);
      }
      return state === 'overtaken';
    }

    return createWriter({
      write(bytes) {
        if (state === 'receiving' && !lease.isFresh() && !lease.renew()) overtake();
        return batch.write(bytes);
      },
      async commit(mark) {
        if (state === 'overtaken') return settleOvertaken(index, mark.md5);
        state = 'storing';
        await batch.flush();
        const verified = await file.verify(index, rangeOf(index), mark.md5);
        if (await file.record(lease, { verified, atMs: mark.atMs })) return;
        state = 'overtaken';
        letGo();
        await settleOvertaken(index, mark.md5);
      },
      async end() {
        await batch.stop();
        if (state !== 'overtaken') letGo();
        release();
      },
    });
  }

  async function writeAside(index: number, release: () => void): Promise<SliceWriter> {
    const spool = await file.newSpool();

    async function copyInPlace(): Promise<void> {
      const batch = createBatchWriter(file.queue, index * sliceSizeBytes);
      try {
        for await (const chunk of spool.read()) await batch.write(chunk);
        await batch.flush();
      } finally {
        await batch.stop();
      }
    }

    async function compare(): Promise<void> {
      const comparison = createComparison(file.data, index * sliceSizeBytes);
      for await (const chunk of spool.read()) await comparison.next(chunk);
      await comparison.check();
      await file.force();
    }

    return createWriter({
      write: (bytes) => spool.write(bytes),
      async commit(mark) {
        const verified = await file.verify(index, await spool.written(), mark.md5);
        const lease = await takeOver(index);
        if (!lease) return compare();
        const letGo = hold(index, lease, () => false);
        let isRecorded: boolean;
        try {
          await copyInPlace();
          isRecorded = await file.record(lease, { verified, atMs: mark.atMs });
        } finally {
          letGo();
        }
        if (!isRecorded) await settleOvertaken(index, mark.md5);
      },
      async end() {
        release();
        await spool.abort();
      },
    });
  }

  return async (index, release) => {
    const lease = holders.has(index) ? undefined : ledger.take(index);
    if (lease) return writeInPlace(index, lease, release);
    file.checkAlive();
    return ledger.stored.has(index) ? compareWithStored(index, release) : writeAside(index, release);
  };
}

/** A writer that `end` is called for once, whichever way it ends. */
function createWriter({
  write,
  commit,
  end,
}: Pick<SliceWriter, 'write' | 'commit'> & { end(): Promise<void> }): SliceWriter {
  let ended: Promise<void> | undefined;
  const endOnce = () => (ended ??= end());
  return { write, commit: (mark) => commit(mark).finally(endOnce), abort: endOnce };
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // The caller says why that does no harm.
  }
}
