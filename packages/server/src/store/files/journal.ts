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
  /** Resolves when the entry is in the file. Entries that come while a write runs share the next one. */
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
  let waiting = '';
  let torn = false;
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  async function writeWaiting(): Promise<void> {
    await running?.catch(() => {});
    // After a failed write half a line may stand there, and must not swallow this one.
    const text = torn ? `\n${waiting}` : waiting;
    waiting = '';
    next = undefined;
    torn = true;
    running = (async () => {
      await file.appendFile(text, 'latin1');
      if (fsync) await file.datasync();
    })();
    await running;
    torn = false;
  }

  return {
    append({ index, verified, atMs }) {
      waiting += `${index} ${verified ? 'v' : '-'} ${Math.round(atMs)}\n`;
      next ??= writeWaiting();
      return next;
    },
    close: () => file.close(),
  };
}
