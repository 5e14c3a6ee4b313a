import type { ResumeRecord, ResumeStore } from '@cos-slice/core';
// Not from the index: this is loaded late, and must not take the whole core into a chunk of its own.
import { CosSliceError } from '@cos-slice/core/errors';
import { del, delMany, entries, get, promisifyRequest, set, type UseStore } from 'idb-keyval';

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
  const attempt = async <T>(act: () => Promise<T>): Promise<T | undefined> => {
    if (silent) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => {
        silent = true;
        resolve(undefined);
      }, PATIENCE_MS);
    });
    try {
      const answer = act().finally(() => {
        silent = false;
      });
      return await Promise.race([answer, patience]);
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
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
      const record = await attempt(() => get<ResumeRecord>(key, database));
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
      await attempt(() => del(key, database));
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

function lock(name: string): Promise<() => Promise<void>> {
  // Only secure contexts have them.
  const locks = typeof navigator === 'undefined' ? undefined : navigator.locks;
  if (!locks) return Promise.resolve(async () => {});
  return new Promise((resolve, reject) => {
    const request = locks.request(name, { ifAvailable: true }, (held) => {
      if (!held) {
        const what =
          'this file is being uploaded to the same path already, here or in another tab: wait for it or cancel it';
        reject(new CosSliceError('locked', what));
        return undefined;
      }
      return new Promise<void>((release) => {
        resolve(async () => {
          release();
          await request;
        });
      });
    });
    // Origins that may not store anything have no locks either.
    request.catch(() => resolve(async () => {}));
  });
}
