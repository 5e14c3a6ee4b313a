import { type Held, held as heldByAll } from '../../content/held.ts';
import type { WriteQueue } from './write-queue.ts';

/** Bigger writes cost fewer trips to the thread pool; smaller ones hold less memory per request. */
const BATCH_BYTES = 512 * 1024;
/** Pieces smaller than this are copied together: each one on its own costs more than it holds. */
const SMALL_BYTES = 4 * 1024;
const GATHER_BYTES = 16 * 1024;

/**
 * Gathers small chunks into bigger positional writes. One write runs at a time while the next batch fills; while this process
 * holds too much, what has come is written at once.
 */
export interface BatchWriter {
  readonly sizeBytes: number;
  /** Returns a promise when the caller should wait. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** Resolves when everything is written. */
  flush(): Promise<void>;
  /** Drops what is not yet under way; resolves when no write is. Never fails. */
  stop(): Promise<void>;
}

export function createBatchWriter(file: WriteQueue, startBytes: number, held: Held = heldByAll): BatchWriter {
  let batch: Uint8Array[] = [];
  let batchBytes = 0;
  /** Where small pieces go: the last one of the batch is a view of its beginning. */
  let gathered: Buffer | undefined;
  let gatheredBytes = 0;
  let position = startBytes;
  let running: Promise<void> | undefined;
  let failure: unknown;
  let stopped = false;

  function start(): void {
    const chunks = batch;
    const at = position;
    const bytes = batchBytes;
    position += bytes;
    batch = [];
    batchBytes = 0;
    gathered = undefined;
    running = file.write(chunks, at).then(
      () => {
        running = undefined;
        held.drop(bytes);
      },
      (error) => {
        running = undefined;
        held.drop(bytes);
        failure = error;
      },
    );
  }

  function add(bytes: Uint8Array): void {
    batchBytes += bytes.length;
    held.add(bytes.length);
    if (bytes.length >= SMALL_BYTES) {
      batch.push(bytes);
      gathered = undefined;
      return;
    }
    if (!gathered || gatheredBytes + bytes.length > gathered.length) {
      gathered = Buffer.allocUnsafeSlow(GATHER_BYTES);
      gatheredBytes = 0;
      batch.push(gathered);
    }
    gathered.set(bytes, gatheredBytes);
    gatheredBytes += bytes.length;
    batch[batch.length - 1] = gathered.subarray(0, gatheredBytes);
  }

  function check(): void {
    if (failure !== undefined) throw failure;
  }

  async function pushOn(): Promise<void> {
    while (running) await running;
    check();
    if (!stopped && batchBytes > 0) start();
  }

  return {
    get sizeBytes() {
      return position + batchBytes - startBytes;
    },
    write(bytes) {
      check();
      if (stopped) return undefined;
      add(bytes);
      if (batchBytes < BATCH_BYTES && !held.isFull) return undefined;
      if (running) return pushOn();
      start();
      return undefined;
    },
    async flush() {
      await pushOn();
      await running;
      check();
    },
    async stop() {
      if (!stopped) held.drop(batchBytes);
      stopped = true;
      batch = [];
      await running;
    },
  };
}
