import type { Target } from './store/store.ts';

/** Lets one task at a time happen to a path. Servers that share a store may share one, too, as wide as they are spread. */
export interface Locker {
  /**
   * Runs the task when those before it with the same key are over, whichever way, and resolves or rejects as it does.
   *
   * @throws StoreError `busy` when the turn does not come: the task has not begun then
   */
  withLock<T>(key: string, task: () => Promise<T>): Promise<T>;
}

/** The key of a path. */
export function lockKey({ appId, bucket, path }: Target): string {
  return `${appId}/${bucket}/${path}`;
}

/** Runs the task under several keys. All who do that take them in the same order, so that nobody waits for each other. */
export function lockAll<T>({ withLock }: Locker, keys: readonly string[], task: () => Promise<T>): Promise<T> {
  const ordered = [...new Set(keys)].sort();
  return ordered.reduceRight((inner, key) => () => withLock(key, inner), task)();
}

/** Knows of this process only. */
export function createLocker(): Locker {
  const tails = new Map<string, Promise<unknown>>();
  return {
    withLock(key, task) {
      const result = (tails.get(key) ?? Promise.resolve()).then(task);
      const tail = result.then(
        () => {},
        () => {},
      );
      tails.set(key, tail);
      void tail.then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
      return result;
    },
  };
}
