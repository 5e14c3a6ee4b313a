import { mkdir, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from './fs-errors.ts';
import { syncDirectories, syncLowest } from './sync.ts';

const ATTEMPTS = 5;
const MAX_REMEMBERED = 10_000;

/** The directories that objects are in. */
export interface Directories {
  /**
   * Runs `act` once the directory is there. When that fails, what was made for it is removed.
   *
   * @param isSeen it was there a moment ago
   */
  within<T>(dir: string, isSeen: boolean, act: () => Promise<T>): Promise<T>;
  /** With fsync, forces what was made or moved in the directory to the disk, and the way that leads there. */
  sync(dir: string): Promise<void>;
  /**
   * Something was removed from the directory: when it is empty it goes, too, and so do those above it, up to one that somebody
   * has created and at most to `top`. Otherwise it would be in the way of an object of its name.
   */
  prune(dir: string, top: string): Promise<void>;
}

/** @param isKept whether a directory stays when it is empty */
export function createDirectories(
  root: string,
  fsync: boolean,
  isKept: (dir: string) => Promise<boolean> = async () => false,
): Directories {
  // Directories whose own name is known to be on the disk. Who finds a directory that another request has just made, or
  // that was made before a crash, must not rely on it.
  const durable = new Set<string>();

  async function within<T>(dir: string, isSeen: boolean, act: () => Promise<T>, attemptsLeft = ATTEMPTS): Promise<T> {
    let made: string[] = [];
    try {
      if (!isSeen) made = wayTo(dir, await mkdir(dir, { recursive: true }));
      for (const each of made) durable.delete(each);
      return await act();
    } catch (error) {
      await removeEmpty(made);
      // Somebody whose own move failed has just removed the directories it had made.
      if (hasCode(error, 'ENOENT') && attemptsLeft > 1) return within(dir, false, act, attemptsLeft - 1);
      throw error;
    }
  }

  return {
    within,
    async sync(dir) {
      if (!fsync) return;
      const unsure = wayTo(dir, root).filter((each) => each !== root && !durable.has(each));
      await syncDirectories(dir, ...unsure.map((each) => dirname(each)));
      if (durable.size > MAX_REMEMBERED) durable.clear();
      for (const each of unsure) durable.add(each);
    },
    async prune(dir, top) {
      const removed = await removeEmpty(wayTo(dir, top).slice(0, -1), isKept);
      const topmost = removed.at(-1);
      if (fsync) await syncLowest(topmost === undefined ? dir : dirname(topmost));
    },
  };
}

/** From a directory up to one above it, both included. */
function wayTo(deepest: string, top: string | undefined): string[] {
  const way: string[] = [];
  for (let dir = deepest; top !== undefined && dir.length >= top.length; dir = dirname(dir)) way.push(dir);
  return way;
}

/** Up to the first that holds something or is kept. Answers those that are gone. */
async function removeEmpty(
  dirs: readonly string[],
  isKept: (dir: string) => Promise<boolean> = async () => false,
): Promise<string[]> {
  const removed: string[] = [];
  for (const dir of dirs) {
    if (await isKept(dir)) break;
    try {
      await rmdir(dir);
    } catch {
      break;
    }
    // Somebody may have created it in between: who does so says it first, and then makes it.
    if (await isKept(dir)) {
      await mkdir(dir).catch(() => {});
      break;
    }
    removed.push(dir);
  }
  return removed;
}
