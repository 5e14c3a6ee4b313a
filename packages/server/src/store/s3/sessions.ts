import { type Checkpoints, type Session, type SessionInit, StoreError, type Target } from '../store.ts';
import { type Calls, CLOCK_MS, type Place, type Upload } from './calls.ts';
import { targetHash } from './keys.ts';
import { headersOf, infoOf } from './labels.ts';
import { newRevision } from './objects.ts';
import {
  hashOfId,
  isAbandoned,
  isOpening,
  newSessionId,
  SESSIONS,
  type SessionRecord,
  type StoredRecord,
  stagingPlace,
  uploadOf,
} from './records.ts';
import { type FixedFacts, openS3Session, removeSession, type SessionGround } from './session.ts';

const MAX_REMEMBERED = 1000;
/** Of checkpoints. */
const MAX_REMEMBERED_BYTES = 64 * 1024 * 1024;

export interface Sessions {
  create(init: SessionInit, checkpoints?: Checkpoints): Promise<{ created: boolean; session: Session }>;
  get(id: string): Promise<Session | undefined>;
  find(target: Target): Promise<Session | undefined>;
  all(): AsyncIterable<Session>;
}

/** The store's uploads that were begun for a key since that time. */
export async function uploadsSince(calls: Calls, { bucket, key }: Place, sinceMs: number): Promise<Upload[]> {
  const uploads = await calls.listUploads(bucket, key);
  return uploads.filter((upload) => upload.key === key && upload.initiatedAtMs >= sinceMs - CLOCK_MS);
}

export function createSessions(ground: SessionGround): Sessions {
  const { calls, keys, records, objects } = ground;
  const remember = createMemory(ground);

  /** Whether the store still has the upload of a record, or what has come of it that is not the object yet. */
  async function isAlive(record: SessionRecord): Promise<boolean> {
    const upload = uploadOf(record, keys);
    if (!upload || (await calls.listParts(upload, 1))) return true;
    return record.isStaged && (await calls.head(stagingPlace(keys, record.id))) !== undefined;
  }

  /**
   * Removes a record that leads nowhere: of a server that died before it had begun or after it had finished.
   *
   * @param isOurs whether we have failed to begin it ourselves
   */
  async function drop({ record: { id, target } }: Pick<StoredRecord, 'record'>, isOurs = false): Promise<void> {
    await objects.withLock(target, async (lease) => {
      const there = await records.read(targetHash(target));
      if (there?.record.id !== id || (isOpening(there.record) && !isAbandoned(there) && !isOurs)) return;
      lease.check();
      if (isOpening(there.record)) {
        const place = there.record.isStaged ? stagingPlace(keys, id) : keys.object(target);
        // Under the lock of the path, the server that died is all that can have begun one.
        for (const stray of await uploadsSince(calls, place, there.head.modifiedAtMs)) await calls.abortUpload(stray);
      }
      await removeSession(ground, there.record);
    });
  }

  async function find(target: Target): Promise<Session | undefined> {
    const there = await records.opened(targetHash(target));
    if (!there) return undefined;
    if (!isAbandoned(there) && (await isAlive(there.record))) return remember(there.record);
    await drop(there);
    return undefined;
  }

  /** Undefined when somebody else has been faster. */
  async function begin(init: SessionInit, checkpoints: Checkpoints | undefined): Promise<SessionRecord | undefined> {
    const { target, sizeBytes, sha, attributes } = init;
    const id = newSessionId(target);
    const isStaged = sizeBytes > 0 && sha !== undefined && !coversAll(init, checkpoints);
    const record: SessionRecord = { ...init, id, isStaged, stepBytes: checkpoints?.stepBytes };
    if (checkpoints) await records.writeCheckpoints(id, checkpoints);
    const etag = await records.create(record);
    if (etag === undefined) {
      if (checkpoints) await records.removeCheckpoints(id);
      return undefined;
    }
    if (sizeBytes === 0) return record;
    const there = await objects.head(target);
    // The path was taken by an upload that has finished since, at another server.
    if (there && !init.overwrite) {
      await drop({ record }, true);
      throw new StoreError('exists');
    }
    // What is said of the object is said when its upload begins.
    const labels = {
      attributes,
      authority: there && infoOf(there).authority,
      sha,
      session: id,
      revision: newRevision(),
    };
    const place = isStaged ? stagingPlace(keys, id) : keys.object(target);
    const upload = await calls.createUpload(place, headersOf(labels)).catch(async (error) => {
      await drop({ record }, true).catch(() => {});
      throw error;
    });
    const opened = { ...record, uploadId: upload.uploadId };
    if (await records.replace(opened, etag)) return opened;
    await calls.abortUpload(upload);
    throw new StoreError('busy', { detail: 'the object store took too long' });
  }

  return {
    find,
    async create(init, checkpoints) {
      for (let attempts = 0; attempts < 5; attempts++) {
        const existing = await find(init.target);
        if (existing) return { created: false, session: existing };
        const record = await begin(init, checkpoints);
        if (record) return { created: true, session: remember(record, checkpoints) };
      }
      throw new StoreError('busy');
    },
    async get(id) {
      const hash = hashOfId(id);
      if (hash === undefined) return undefined;
      const known = remember.known(id);
      if (known) return known;
      const there = await records.read(hash);
      return there?.record.id === id ? remember(there.record) : undefined;
    },
    async *all() {
      const { bucket, key: prefix } = keys.own(SESSIONS);
      for (let marker: string | undefined; ; ) {
        const page = await calls.list(bucket, prefix, marker === undefined ? {} : { marker });
        for (const { key } of page.objects) {
          // One that cannot be read must not hide the others.
          const there = await records.read(key.slice(prefix.length)).catch(() => undefined);
          if (there && isAbandoned(there)) await drop(there).catch(() => {});
          else if (there && !isOpening(there.record)) yield remember(there.record);
        }
        marker = page.nextMarker;
        if (marker === undefined) return;
      }
    },
  };
}

/** Whether every byte is checked by the checkpoints before it is stored. */
function coversAll({ sizeBytes, sliceSizeBytes }: SessionInit, checkpoints: Checkpoints | undefined): boolean {
  if (!checkpoints) return false;
  return sizeBytes <= sliceSizeBytes || sliceSizeBytes % checkpoints.stepBytes === 0;
}

interface Memory {
  (record: FixedFacts, checkpoints?: Checkpoints): Session;
  known(id: string): Session | undefined;
}

/**
 * Remembers what never changes of the latest sessions, so that not every slice has to ask for it. Whether a session still lives
 * is not among it.
 */
function createMemory(ground: SessionGround): Memory {
  const sessions = new Map<string, { readonly session: Session; bytes: number }>();
  let bytes = 0;

  const remember = (record: FixedFacts, given?: Checkpoints): Session => {
    const known = sessions.get(record.id);
    if (known) return known.session;
    let reading = given && Promise.resolve<Checkpoints | undefined>(given);
    const readCheckpoints = () =>
      (reading ??= ground.records.readCheckpoints(record).then(
        (checkpoints) => {
          grow(checkpoints);
          return checkpoints;
        },
        (error) => {
          reading = undefined;
          throw error;
        },
      ));
    const entry = { session: openS3Session(ground, record, readCheckpoints), bytes: 0 };
    const grow = (checkpoints: Checkpoints | undefined): void => {
      if (sessions.get(record.id) !== entry) return;
      entry.bytes += checkpoints?.states.length ?? 0;
      bytes += checkpoints?.states.length ?? 0;
      for (const [id, { bytes: size }] of sessions) {
        if (sessions.size <= MAX_REMEMBERED && bytes <= MAX_REMEMBERED_BYTES) break;
        sessions.delete(id);
        bytes -= size;
      }
    };
    sessions.set(record.id, entry);
    grow(given);
    return entry.session;
  };
  return Object.assign(remember, { known: (id: string) => sessions.get(id)?.session });
}
