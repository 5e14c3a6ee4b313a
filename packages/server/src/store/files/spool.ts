import { open, rm } from 'node:fs/promises';
import type { FileRange } from '../../integrity/checker.ts';
import type { Spool } from '../store.ts';
import { createBatchWriter } from './batch-writer.ts';
import { readRange } from './read-file.ts';
import { createWriteQueue } from './write-queue.ts';

export interface FileSpool extends Spool {
  readonly path: string;
  flush(): Promise<void>;
  written(): Promise<FileRange>;
  /** Writes everything, and gives the file to `take`: once that has succeeded it is nobody's here. */
  handOver<T>(fsync: boolean, take: (path: string) => Promise<T>): Promise<T>;
}

export async function createFileSpool(path: string): Promise<FileSpool> {
  const file = await open(path, 'wx+');
  const batch = createBatchWriter(createWriteQueue(file), 0);
  let isOpen = true;
  let isTaken = false;

  async function close(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    await file.close();
  }

  return {
    path,
    get sizeBytes() {
      return batch.sizeBytes;
    },
    write: (bytes) => batch.write(bytes),
    flush: () => batch.flush(),
    async written() {
      await batch.flush();
      return { fd: file.fd, startBytes: 0, endBytes: batch.sizeBytes };
    },
    async *read() {
      await batch.flush();
      yield* readRange(file, 0, batch.sizeBytes);
    },
    async handOver(fsync, take) {
      await batch.flush();
      if (fsync) await file.datasync();
      await close();
      const result = await take(path);
      isTaken = true;
      return result;
    },
    async abort() {
      if (isTaken) return;
      await batch.stop();
      await close().catch(() => {});
      await rm(path, { force: true }).catch(() => {});
    },
  };
}
