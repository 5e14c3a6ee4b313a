import type { FileHandle } from 'node:fs/promises';

/** Bigger writes cost fewer trips to the thread pool; smaller ones hold less memory per request. */
const BATCH_BYTES = 256 * 1024;

/** Gathers small chunks into bigger positional writes. One write runs at a time while the next batch fills. */
export interface BatchWriter {
  readonly sizeBytes: number;
  /** Returns a promise when the caller should wait. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** Resolves when everything is written. */
  flush(): Promise<void>;
  /** Drops what is not yet under way; resolves when no write is. Never fails. */
  stop(): Promise<void>;
}

export function createBatchWriter(file: FileHandle, startBytes: number): BatchWriter {
  let batch: Uint8Array[] = [];
  let batchBytes = 0;
  let position = startBytes;
  let running: Promise<void> | undefined;
  let failure: unknown;
  let stopped = false;

  function start(): void {
    const chunks = batch;
    const at = position;
    position += batchBytes;
    batch = [];
    batchBytes = 0;
    running = writeFully(file, chunks, at).then(
      () => {
        running = undefined;
      },
      (error) => {
        running = undefined;
        failure = error;
      },
    );
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
      batch.push(bytes);
      batchBytes += bytes.length;
      if (batchBytes < BATCH_BYTES) return undefined;
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
      stopped = true;
      batch = [];
      await running;
    },
  };
}

/** writev may write less than asked for. */
async function writeFully(file: FileHandle, chunks: Uint8Array[], at: number): Promise<void> {
  let rest = chunks;
  let position = at;
  while (rest.length > 0) {
    let { bytesWritten } = await file.writev(rest, position);
    position += bytesWritten;
    const kept = rest.findIndex((chunk) => {
      if (bytesWritten < chunk.length) return true;
      bytesWritten -= chunk.length;
      return false;
    });
    rest = kept < 0 ? [] : [(rest[kept] as Uint8Array).subarray(bytesWritten), ...rest.slice(kept + 1)];
  }
}
