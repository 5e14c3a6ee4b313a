import { isCosSliceError } from '../../errors.ts';
import type { ResumeRecord, ResumeStore } from '../../ports.ts';
import { type ContractCase, check, checkEqual, rejection } from './contract.ts';

/**
 * @returns a function that opens the same place anew, as another tab or process would. Each call of `makeSubject` is another
 *   place, empty.
 */
export type MakeResumeStore = () => Promise<() => ResumeStore>;

function record(changes: Partial<ResumeRecord> = {}): ResumeRecord {
  return {
    version: 1,
    identity: 'content-1:0123',
    sizeBytes: 5_000_000_000_000,
    sliceSizeBytes: 1_048_576,
    session: 'session-1',
    savedAtMs: Date.now(),
    ...changes,
  };
}

const KEY = 'http://127.0.0.1/files/v2/1/b/a.bin';
const ODD_KEYS = [
  'https://x/files/v2/1/b/目录/文件 名+%20#?.bin',
  '../../../etc/passwd',
  'a/b',
  'A/B',
  'con',
  '__proto__',
  'k'.repeat(5000),
];

export const resumeStoreContract: readonly ContractCase<MakeResumeStore>[] = [
  {
    name: 'knows nothing at first',
    async run(makeSubject) {
      const store = (await makeSubject())();
      checkEqual(await store.load(KEY), undefined, 'a key that was never saved');
    },
  },
  {
    name: 'gives back what was saved, also to a store opened later',
    async run(makeSubject) {
      const open = await makeSubject();
      const full = record({
        sha: 'ab',
        finishing: true,
        overwrite: true,
        attributes: 'x',
        hash: { hashedBytes: 64, data: 'x:1:+/=' },
      });
      await open().save(KEY, full);
      checkEqual(await open().load(KEY), full, 'the record');
    },
  },
  {
    name: 'keeps the last of several records',
    async run(makeSubject) {
      const store = (await makeSubject())();
      await store.save(KEY, record({ session: 'one', sha: 'ab' }));
      await store.save(KEY, record({ session: 'two' }));
      const loaded = await store.load(KEY);
      checkEqual([loaded?.session, loaded?.sha], ['two', undefined], 'session and sha');
    },
  },
  {
    name: 'keeps keys apart, whatever they look like',
    async run(makeSubject) {
      const store = (await makeSubject())();
      for (const key of ODD_KEYS) await store.save(key, record({ session: key }));
      for (const key of ODD_KEYS)
        checkEqual((await store.load(key))?.session, key, `the session of ${key.slice(0, 40)}`);
    },
  },
  {
    name: 'forgets what is removed, and only that',
    async run(makeSubject) {
      const store = (await makeSubject())();
      await store.save('a', record());
      await store.save('b', record());
      await store.remove('a');
      await store.remove('never saved');
      checkEqual(await store.load('a'), undefined, 'the removed record');
      check((await store.load('b')) !== undefined, 'the other record is gone');
    },
  },
  {
    name: 'does not hand out records from long ago',
    async run(makeSubject) {
      const store = (await makeSubject())();
      await store.save(KEY, record({ savedAtMs: Date.now() - 366 * 24 * 3600 * 1000 }));
      checkEqual(await store.load(KEY), undefined, 'a record of last year');
    },
  },
  {
    name: 'locks a destination against a second upload until it is unlocked',
    async run(makeSubject) {
      const open = await makeSubject();
      const store = open();
      if (!store.lock) return;
      const unlock = await store.lock(KEY);
      for (const other of [store, open()]) {
        const error = await rejection(other.lock?.(KEY) ?? Promise.resolve(), 'a second lock');
        check(isCosSliceError(error, 'locked'), `expected CosSliceError locked, got ${error}`);
      }
      await unlock();
      const again = await open().lock?.(KEY);
      await again?.();
    },
  },
  {
    name: 'locks one destination, not the others, and leaves its record readable',
    async run(makeSubject) {
      const store = (await makeSubject())();
      if (!store.lock) return;
      const unlock = await store.lock(KEY);
      const unlockOther = await store.lock(`${KEY}.other`);
      await store.save(KEY, record());
      check((await store.load(KEY)) !== undefined, 'the record cannot be read under lock');
      await unlockOther();
      await unlock();
    },
  },
  {
    name: 'gives a lock to exactly one of many that ask at once',
    async run(makeSubject) {
      const open = await makeSubject();
      if (!open().lock) return;
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => open().lock?.(KEY)));
      const held = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      checkEqual(held.length, 1, 'locks given');
      for (const outcome of held) await outcome.value?.();
    },
  },
  {
    name: 'ignores a second unlock, even when somebody else holds the lock by then',
    async run(makeSubject) {
      const store = (await makeSubject())();
      if (!store.lock) return;
      const unlock = await store.lock(KEY);
      await unlock();
      const unlockNext = await store.lock(KEY);
      await unlock();
      const error = await rejection(store.lock(KEY), 'a lock while another holds it');
      check(isCosSliceError(error, 'locked'), `expected CosSliceError locked, got ${error}`);
      await unlockNext();
    },
  },
];
