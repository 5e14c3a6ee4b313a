import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocker } from '../../locker.ts';
import { StoreError } from '../store.ts';
import { type Abilities, spellTag } from './abilities.ts';
import type { Calls, Place } from './calls.ts';
import { isConditionFailed, S3Error } from './s3-error.ts';

/** Begins the names of locks. */
export const LOCKS = 'locks/';

export interface LockerTimes {
  /** A lock that nobody has renewed for so long is anybody's. */
  readonly leaseMs: number;
  /** How long to wait for one. */
  readonly patienceMs: number;
}

const TIMES: LockerTimes = { leaseMs: 30_000, patienceMs: 60_000 };
/** Before a lease ends by our clock it has to be over for us. */
const SAFETY_MS = 5000;
const POLL_MS = { first: 15, last: 400 };

/** What somebody has who holds a lock. */
export interface Lease {
  /** Right before what must not happen without the lock. @throws StoreError `busy` when the lease may be over */
  check(): void;
}

export interface S3Locker {
  /** @throws StoreError `busy` when it does not become free */
  withLock<T>(name: string, task: (lease: Lease) => Promise<T>): Promise<T>;
  /** Takes several, in the order that all take them in. @throws StoreError `busy` */
  withLocks<T>(names: readonly string[], task: (lease: Lease) => Promise<T>): Promise<T>;
}

/**
 * Locks that all servers on a store share: an object each, which can be made only once (`If-None-Match: *`), renewed and taken
 * over by comparing its tag (`If-Match`). Its age is told by the store's clock alone.
 */
export function createS3Locker(
  calls: Calls,
  placeOf: (name: string) => Place,
  abilities: () => Promise<Abilities>,
  { leaseMs, patienceMs }: LockerTimes = TIMES,
): S3Locker {
  const here = createLocker();

  /** Puts our token there. Undefined when somebody else has been faster. */
  async function claim(place: Place, token: string, ifMatch: string | undefined): Promise<string | undefined> {
    try {
      return await calls.put(place, token, ifMatch === undefined ? { ifNew: true } : { ifMatch });
    } catch (error) {
      if (!isConditionFailed(error) && !(error instanceof S3Error && error.isPassing)) throw error;
      // The reply to the first try may have got lost.
      const there = await calls.read(place);
      return there?.text === token ? there.head.etag : undefined;
    }
  }

  /** @returns the lock's tag, and a time on our clock before which it cannot have been made */
  async function acquire(place: Place, token: string, able: Abilities): Promise<{ etag: string; atMs: number }> {
    const giveUpAtMs = performance.now() + patienceMs;
    for (let pollMs = POLL_MS.first; ; pollMs = Math.min(POLL_MS.last, pollMs * 1.5)) {
      const atMs = performance.now();
      const etag = await claim(place, token, undefined);
      if (etag !== undefined) return { etag, atMs };
      const there = await calls.read(place);
      if (there && there.head.nowMs - there.head.modifiedAtMs > leaseMs + 1000) {
        const ifMatch = spellTag(there.head.etag, able);
        if (ifMatch === undefined) await calls.delete(place);
        else {
          const taken = await claim(place, token, ifMatch);
          if (taken !== undefined) return { etag: taken, atMs };
        }
      }
      if (performance.now() > giveUpAtMs) throw new StoreError('busy', { detail: 'another server is at this path' });
      await sleep(pollMs * (0.5 + Math.random()));
    }
  }

  async function hold<T>(place: Place, task: (lease: Lease) => Promise<T>): Promise<T> {
    const able = await abilities();
    if (!able.putsIfNew) return task({ check() {} });
    const base = randomBytes(12).toString('hex');
    let { etag, atMs: begunAtMs } = await acquire(place, `${base} 0`, able);
    const isHeld = () => performance.now() < begunAtMs + leaseMs - SAFETY_MS;
    let renewals = 0;
    let renewing = Promise.resolve();
    const timer = setInterval(() => {
      const atMs = performance.now();
      renewals += 1;
      const renew = async () => {
        const ifMatch = spellTag(etag, able);
        const token = `${base} ${renewals}`;
        const renewed = ifMatch ? await claim(place, token, ifMatch) : await calls.put(place, token);
        if (renewed === undefined) return;
        etag = renewed;
        begunAtMs = atMs;
      };
      renewing = renewing.then(renew).catch(() => {});
    }, leaseMs / 3);
    try {
      return await task({
        check() {
          if (!isHeld()) throw new StoreError('busy', { detail: 'the object store took too long' });
        },
      });
    } finally {
      clearInterval(timer);
      await renewing;
      // One that may be somebody else's by now is left to its end.
      if (isHeld()) await calls.delete(place).catch(() => {});
    }
  }

  function withLock<T>(name: string, task: (lease: Lease) => Promise<T>): Promise<T> {
    return here.withLock(name, () => hold(placeOf(LOCKS + name), task));
  }

  return {
    withLock,
    withLocks<T>(names: readonly string[], task: (lease: Lease) => Promise<T>) {
      const leases: Lease[] = [];
      const all: Lease = {
        check() {
          for (const lease of leases) lease.check();
        },
      };
      const take = ([name, ...others]: readonly string[]): Promise<T> => {
        if (name === undefined) return task(all);
        return withLock(name, (lease) => {
          leases.push(lease);
          return take(others);
        });
      };
      return take([...names].sort());
    },
  };
}
