import { readSync, statSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';

const READ_BYTES = 256 * 1024;

/**
 * A file of short lines that only grows. Several processes may append to it; all of them see all lines in the same order.
 *
 * Its synchronous calls move so few bytes that the system is done with them before a thread of the pool would even wake up.
 */
export interface Journal {
  /** Reports the lines that were added since the last time, by anybody. */
  refresh(): void;
  /** Whoever has to be sure of the line refreshes afterwards: what others wrote just before may have spoilt it. */
  append(line: string): void;
  /** Resolves when what was appended is on the disk; calls that come meanwhile share the next sync. */
  sync(): Promise<void>;
  /** Whether the file still is where it was opened. */
  isInPlace(): boolean;
  close(): Promise<void>;
}

/** Opens a journal and reports the lines in it. */
export async function openJournal(path: string, onLine: (line: string) => void): Promise<Journal> {
  const file = await open(path, 'a+');
  try {
    const { dev, ino } = await file.stat({ bigint: true });
    const tail = createTail(onLine);
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let bytesRead = -1; bytesRead !== 0; ) {
      ({ bytesRead } = await file.read(buffer, 0, buffer.length, tail.position));
      tail.take(buffer.subarray(0, bytesRead));
    }
    const isSame = () => {
      const there = statSync(path, { bigint: true, throwIfNoEntry: false });
      return there?.ino === ino && there.dev === dev;
    };
    return createJournal(file, tail, isSame);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function createJournal(file: FileHandle, tail: Tail, isInPlace: () => boolean): Journal {
  const buffer = Buffer.allocUnsafe(4096);
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  function refresh(): void {
    let bytesRead = buffer.length;
    while (bytesRead === buffer.length) {
      bytesRead = readSync(file.fd, buffer, 0, buffer.length, tail.position);
      tail.take(buffer.subarray(0, bytesRead));
    }
  }

  async function syncNext(): Promise<void> {
    await running?.catch(() => {});
    next = undefined;
    running = file.datasync();
    await running;
  }

  return {
    refresh,
    append(line) {
      // Half a line of a write that failed must neither count nor swallow this one.
      const text = `${tail.isTorn ? '!\n' : ''}${line}\n`;
      try {
        for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(file.fd, rest));
      } catch (error) {
        refresh();
        throw error;
      }
    },
    sync: () => (next ??= syncNext()),
    isInPlace,
    close: () => file.close(),
  };
}

/** Cuts what is read of a growing file into lines. */
interface Tail {
  /** Where to read on. */
  readonly position: number;
  /** Whether the last line has no end yet. */
  readonly isTorn: boolean;
  take(bytes: Buffer): void;
}

function createTail(onLine: (line: string) => void): Tail {
  let position = 0;
  let held = '';
  return {
    get position() {
      return position;
    },
    get isTorn() {
      return held !== '';
    },
    take(bytes) {
      if (bytes.length === 0) return;
      position += bytes.length;
      const lines = (held + bytes.toString('latin1')).split('\n');
      held = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    },
  };
}
