import type { Cloud, CloudEntry } from '@cos-slice/server/testing';
import type { World } from './world/world.ts';

/** An object storage as the servers of a world see it: every call takes its time, and may fail before or after it has acted. */
export interface SimulatedCloud extends Cloud {
  readonly entries: ReadonlyMap<string, CloudEntry>;
  /** Told of every entry that has changed. */
  onChange: (key: string, before: CloudEntry | undefined, after: CloudEntry | undefined) => void;
  heal(): void;
}

const CALL_MS = 8;

export function createSimulatedCloud(world: World, failing: number): SimulatedCloud {
  const { random } = world;
  const entries = new Map<string, CloudEntry>();
  let isWell = false;

  function fail(key: string): void {
    if (isWell || !random.chance(failing / 2)) return;
    world.tell(`the cloud fails ${world.current.name} at ${key}`);
    throw new Error('the storage behind failed');
  }

  async function call<T>(key: string, act: () => T): Promise<T> {
    const process = world.current;
    const result = await world.call(process, random.next() * CALL_MS, () => {
      fail(key);
      return act();
    });
    return world.call(process, random.next() * CALL_MS, () => {
      fail(key);
      return result;
    });
  }

  const cloud: SimulatedCloud = {
    entries,
    onChange: () => {},
    get: (key) => call(key, () => entries.get(key)),
    list: (prefix) =>
      call(prefix, () =>
        [...entries].filter(([key]) => key.startsWith(prefix)).map(([key, { facts }]) => ({ key, facts })),
      ),
    update: (key, change) =>
      call(key, () => {
        const before = entries.get(key);
        const after = change(before);
        if (after) entries.set(key, after);
        else entries.delete(key);
        if (before !== after) cloud.onChange(key, before, after);
        return before;
      }),
    heal() {
      isWell = true;
    },
  };
  return cloud;
}
