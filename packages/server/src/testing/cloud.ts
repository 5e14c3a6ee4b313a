import { setTimeout as delay } from 'node:timers/promises';

/** Bytes, and a line of text that travels with them. */
export interface CloudEntry {
  readonly bytes: Buffer;
  readonly facts: string;
}

/**
 * Entries by key behind calls that take a while, each atomic by itself and no more: what an object storage is to the servers
 * that share it.
 */
export interface Cloud {
  get(key: string): Promise<CloudEntry | undefined>;
  /** What is there under keys that begin like this, without its bytes. */
  list(prefix: string): Promise<{ key: string; facts: string }[]>;
  /** Replaces an entry, by nothing too, as a conditional request would. @returns what was there before */
  update(
    key: string,
    change: (before: CloudEntry | undefined) => CloudEntry | undefined,
  ): Promise<CloudEntry | undefined>;
}

/** @param latencyMs what a call takes at most; each one takes another time, and they overtake each other */
export function createCloud(latencyMs = 3): Cloud {
  const entries = new Map<string, CloudEntry>();
  const wait = () => delay(Math.random() * latencyMs);
  async function call<T>(act: () => T): Promise<T> {
    await wait();
    const result = act();
    await wait();
    return result;
  }
  return {
    get: (key) => call(() => entries.get(key)),
    list: (prefix) =>
      call(() => [...entries].filter(([key]) => key.startsWith(prefix)).map(([key, { facts }]) => ({ key, facts }))),
    update: (key, change) =>
      call(() => {
        const before = entries.get(key);
        const after = change(before);
        if (after) entries.set(key, after);
        else entries.delete(key);
        return before;
      }),
  };
}
