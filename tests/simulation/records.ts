import { CosSliceError, type ResumeRecord, type ResumeStore } from '@cos-slice/core';
import type { Process, World } from './world/world.ts';

/** What a client's machine remembers of unfinished uploads, whichever process runs on it. */
export interface Records {
  store(process: Process): ResumeStore;
  /** Destinations that a process which lives has locked. */
  locked(): string[];
  readonly byKey: ReadonlyMap<string, string>;
  heal(): void;
}

export function createRecords(world: World, failing: number, latencyMs: number): Records {
  const byKey = new Map<string, string>();
  const holders = new Map<string, Process>();
  let isWell = false;

  return {
    byKey,
    store(process) {
      const call = <T>(act: () => T): Promise<T> =>
        world.call(process, world.random.next() * latencyMs, () => {
          if (!isWell && world.random.chance(failing)) throw new Error('the folder cannot be used');
          return act();
        });
      return {
        load: (key) =>
          call(() => {
            const text = byKey.get(key);
            return text === undefined ? undefined : (JSON.parse(text) as ResumeRecord);
          }),
        save: (key, record) => call(() => void byKey.set(key, JSON.stringify(record))),
        remove: (key) => call(() => void byKey.delete(key)),
        lock: (key) =>
          call(() => {
            const holder = holders.get(key);
            if (holder?.alive) throw new CosSliceError('locked', 'somebody uploads there');
            holders.set(key, process);
            const unlock = async (): Promise<void> => {
              await world.call(process, world.random.next(), () => {
                if (holders.get(key) === process) holders.delete(key);
              });
            };
            return unlock;
          }),
      };
    },
    locked: () => [...holders].filter(([, { alive }]) => alive).map(([key]) => key),
    heal() {
      isWell = true;
    },
  };
}
