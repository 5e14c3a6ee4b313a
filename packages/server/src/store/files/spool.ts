import { open, rm } from 'node:fs/promises';
import type { FileRange } from '../../integrity/checker.ts';
import type { Spool } from '../store.ts';
import { createBatchWriter } from './batch-writer.ts';
import { readRange } from './read-file.ts';
import type { Room } from './small-files.ts';
import { createWriteQueue } from './write-queue.ts';

/** What an object comes from. */
export interface ObjectSpool extends Spool {
  /** Where the content is while it is in memory. */
  readonly room: Room | undefined;
  /** Writes everything, and gives the file to `take`: once that has succeeded it is nobody's here. */
  handOver<T>(fsync: boolean, take: (path: string) => Promise<T>): Promise<T>;
}

export interface FileSpool extends ObjectSpool {
  readonly path: string;
  flush(): Promise<void>;
  written(): Promise<FileRange>;
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
    room: undefined,
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

/** Keeps what is small in memory. It becomes a file when there is more than room for, or when one is asked for. */
export function createSmallSpool(memory: Room, createFile: () => Promise<FileSpool>): ObjectSpool {
  let room: Room | undefined = memory;
  let sizeBytes = 0;
  let file: FileSpool | undefined;
  let opening: Promise<FileSpool> | undefined;

  async function openFile(): Promise<FileSpool> {
    const opened = await createFile();
    await opened.write(Buffer.from(memory.bytes.subarray(0, sizeBytes)));
    leave();
    file = opened;
    return opened;
  }

  function leave(): void {
    room?.leave();
    room = undefined;
  }

  return {
    get room() {
      return room;
    },
    get sizeBytes() {
      return file?.sizeBytes ?? sizeBytes;
    },
    write(bytes) {
      if (file) return file.write(bytes);
      if (!opening && sizeBytes + bytes.length <= memory.bytes.length) {
        memory.bytes.set(bytes, sizeBytes);
        sizeBytes += bytes.length;
        return undefined;
      }
      opening ??= openFile();
      return opening.then((opened) => opened.write(bytes));
    },
    async *read() {
      if (opening) yield* (await opening).read();
      else yield Buffer.from(memory.bytes.subarray(0, sizeBytes));
    },
    async handOver(fsync, take) {
      opening ??= openFile();
      return (await opening).handOver(fsync, take);
    },
    async abort() {
      await (await opening?.catch(() => undefined))?.abort();
      leave();
    },
  };
}
