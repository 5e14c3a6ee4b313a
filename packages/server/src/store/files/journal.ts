import { writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';

/** One stored slice. */
export interface JournalEntry {
  readonly index: number;
  readonly verified: boolean;
  readonly atMs: number;
}

/** An append-only list of stored slices: a line each, `<index> v|- <milliseconds>`. */
export interface Journal {
  /** Resolves when the entry is in the file; with `fsync`, on the disk, where those that come meanwhile share the next sync. */
  append(entry: JournalEntry): Promise<void>;
  close(): Promise<void>;
}

/** Opens a journal and reports its entries. A last line torn by a crash is cut off; its slice was never acknowledged. */
export async function openJournal(
  path: string,
  fsync: boolean,
  onEntry: (entry: JournalEntry) => void,
): Promise<Journal> {
  const file = await open(path, 'a+');
  try {
    const text = await file.readFile('latin1');
    const whole = text.lastIndexOf('\n') + 1;
    if (whole < text.length) await file.truncate(whole);
    for (const [, index, mark, atMs] of text.slice(0, whole).matchAll(/^(\d+) ([v-]) (\d+)$/gm)) {
      onEntry({ index: Number(index), verified: mark === 'v', atMs: Number(atMs) });
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  return createJournal(file, fsync);
}

function createJournal(file: FileHandle, fsync: boolean): Journal {
  let torn = false;
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  async function sync(): Promise<void> {
    await running?.catch(() => {});
    next = undefined;
    running = file.datasync();
    await running;
  }

  return {
    async append({ index, verified, atMs }) {
      const line = `${index} ${verified ? 'v' : '-'} ${Math.round(atMs)}\n`;
      // After a failed write half a line may stand there, and must not swallow this one.
      const text = torn ? `\n${line}` : line;
      torn = true;
      // So few bytes are in the system's hands before a thread of the pool would even wake up.
      for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(file.fd, rest));
      torn = false;
      if (!fsync) return;
      next ??= sync();
      await next;
    },
    close: () => file.close(),
  };
}
