import type { ResumeRecord, ResumeStore } from '@cos-slice/core';
// Not from the index: this is loaded late, and must not take the whole core into a chunk of its own.
import { CosSliceError } from '@cos-slice/core/errors';
import { del, delMany, entries, get, promisifyRequest, set, type UseStore } from 'idb-keyval';
import { within } from './within.ts';

export interface IndexedDbStoreOptions {
  /** Name of the database. Default `cos-slice`. */
  readonly name?: string;
  /** Records older than this are dropped. Default 7 days, as long as servers keep sessions. */
  readonly maxAgeMs?: number;
  /** The oldest records beyond this number are dropped. Default 500. */
  readonly maxRecords?: number;
}

const STORE = 'uploads';
const WEEK_MS = 7 * 24 * 3600 * 1000;
/** Of hash checkpoints, the one part of a record that grows with the file. */
const MAX_CHECKPOINT_LENGTH = 32 * 1024 * 1024;
/** Some browsers leave requests to their database without an answer; uploads must not wait for it. */
const PATIENCE_MS = 3000;

/**
 * Remembers unfinished uploads in IndexedDB, in pages and workers. A browser that has none, refuses it or is full makes an
 * upload forgetful, never fail. `lock` uses the Web Locks of the origin, where there are any.
 */
export function createIndexedDbStore(options: IndexedDbStoreOptions = {}): Required<ResumeStore> {
  const { name = 'cos-slice', maxAgeMs = WEEK_MS, maxRecords = 500 } = options;
  const pruned = new Set<string>();
  const database = createDatabase(name);

  /** Until the database answers what it was asked last, it is not asked again. */
  let silent = false;
  const attempt = async <T>(act: () => Promise<T>): Promise<T> => {
    const answer = silent
      ? undefined
      : await within(
          PATIENCE_MS,
          act()
            .then((value) => ({ value }))
            .finally(heard),
        );
    if (answer) return answer.value;
    silent = true;
    throw new Error('the database does not answer');
  };
  const heard = (): void => {
    silent = false;
  };

  const prune = async (): Promise<void> => {
    const records = await entries<string, ResumeRecord>(database);
    const newestFirst = records.sort(([, a], [, b]) => b.savedAtMs - a.savedAtMs);
    const expired = Date.now() - maxAgeMs;
    let checkpoints = 0;
    const surplus = newestFirst.filter(([, record], index) => {
      checkpoints += checkpointLength(record);
      return index >= maxRecords || record.savedAtMs < expired || checkpoints > MAX_CHECKPOINT_LENGTH;
    });
    await delMany(
      surplus.map(([key]) => key),
      database,
    );
  };

  return {
    async load(key) {
      const record = await attempt(() => get<ResumeRecord>(key, database)).catch(() => undefined);
      if (record?.version !== 1 || record.savedAtMs < Date.now() - maxAgeMs) return undefined;
      return record;
    },
    async save(key, record) {
      if (checkpointLength(record) > MAX_CHECKPOINT_LENGTH) return;
      await attempt(async () => {
        await set(key, record, database);
        // Once per upload is enough.
        if (pruned.has(key)) return;
        pruned.add(key);
        await prune();
      });
    },
    async remove(key) {
      pruned.delete(key);
      await attempt(() => del(key, database)).catch(() => {});
    },
    lock: (key) => lock(`${name}:${key}`),
  };
}

/** Opened when it is first needed, and let go of when somebody wants to delete it, as applications do at logout. */
function createDatabase(name: string): UseStore {
  let opening: Promise<IDBDatabase> | undefined;
  const forget = (): void => {
    opening = undefined;
  };
  const open = async (): Promise<IDBDatabase> => {
    const request = indexedDB.open(name);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    const database = await promisifyRequest(request);
    database.onclose = forget;
    database.onversionchange = () => {
      forget();
      database.close();
    };
    return database;
  };
  return async (mode, act) => {
    // One that cannot be opened now may be later.
    opening ??= open().catch((error) => {
      forget();
      throw error;
    });
    const database = await opening;
    return act(database.transaction(STORE, mode).objectStore(STORE));
  };
}

function checkpointLength({ hash }: ResumeRecord): number {
  return hash?.data.length ?? 0;
}

async function lock(name: string): Promise<() => Promise<void>> {
  // Only secure contexts have them, and origins that may not store anything do not.
  const locks = typeof navigator === 'undefined' ? undefined : navigator.locks;
  let late = false;
  let release: (() => void) | undefined;
  let request: Promise<unknown> = Promise.resolve();
  const granted = new Promise<boolean>((resolve) => {
    request = Promise.resolve(
      locks?.request(name, { ifAvailable: true }, (held) => {
        resolve(held !== null);
        // Nobody waits for it any more.
        if (!held || late) return undefined;
        return new Promise<void>((free) => {
          release = free;
        });
      }),
    ).catch(() => {});
    request.then(() => resolve(true));
  });
  // Without an answer an upload goes on without a lock.
  const answer = await within(PATIENCE_MS, granted);
  late = answer === undefined;
  if (answer !== false) {
    return async () => {
      release?.();
      await within(PATIENCE_MS, request);
    };
  }
  const what = 'this file is being uploaded to the same path already, here or in another tab: wait for it or cancel it';
  throw new CosSliceError('locked', what);
}
