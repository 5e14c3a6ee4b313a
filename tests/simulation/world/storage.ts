import { createDisk, type Disk, diskError } from '@cos-slice/testkit/simulated/disk';
import type { Process, World } from './world.ts';

/** What a disk does to those who use it. Shares are of all calls. */
export interface DiskTroubles {
  readonly latencyMs: number;
  /** Calls that fail with EIO. */
  readonly failing: number;
  /** Calls that take many seconds. */
  readonly stalling: number;
  /** Writes and reads that move less than asked for. */
  readonly short: number;
  /** Whether blocks can be shared by copies. */
  readonly canClone: boolean;
  readonly hasLinks: boolean;
}

/** The disk that the servers of a world share, and how it treats them. */
export interface Storage {
  readonly disk: Disk;
  /** Runs a call of the current process on it, after a while. */
  call<T>(name: string, path: string, act: () => T): Promise<T>;
  /** The same for one that does not wait. */
  callNow<T>(name: string, path: string, act: () => T): T;
  /** How much of so many bytes a call moves. */
  share(bytes: number): number;
  readonly troubles: DiskTroubles;
  /** Nothing fails from now on. */
  heal(): void;
}

const STALL_MS = 40_000;
/** Calls that only look. */
const LOOKS = new Set([
  'stat',
  'lstat',
  'realpath',
  'read',
  'readdir',
  'opendir',
  'readFile',
  'access',
  'close',
  'fstat',
]);

export function createStorage(world: World, troubles: DiskTroubles, dieNow: (process: Process) => never): Storage {
  const disk = createDisk(() => world.wallMs(world.nature.machine));
  const { random } = world;
  let isWell = false;

  function fail(name: string, path: string): void {
    // A disk that cannot even be read is another machine's business.
    if (isWell || LOOKS.has(name) || !random.chance(troubles.failing)) return;
    world.tell(`the disk fails ${world.current.name} in ${name} ${path}`);
    throw diskError('EIO', name, path);
  }

  return {
    disk,
    troubles,
    call(name, path, act) {
      const process = world.current;
      const stalls = !isWell && random.chance(troubles.stalling);
      const delayMs = stalls ? random.between(1000, STALL_MS) : random.next() * troubles.latencyMs;
      if (stalls) world.tell(`the disk lets ${process.name} wait in ${name} ${path}`);
      return world.call(process, delayMs, () => {
        fail(name, path);
        return act();
      });
    },
    callNow(name, path, act) {
      const process = world.current;
      const wasAlive = process.alive;
      if (!world.touch(process)) {
        // Half of those who die in a call have carried it out.
        if (wasAlive && random.chance(0.5)) act();
        dieNow(process);
      }
      fail(name, path);
      return act();
    },
    share: (bytes) => (!isWell && bytes > 1 && random.chance(troubles.short) ? 1 + random.below(bytes - 1) : bytes),
    heal() {
      isWell = true;
      disk.isFull = false;
    },
  };
}
