import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Checkpoints, type SessionFacts, type SessionInit, StoreError, type Target } from '../store.ts';
import { type Abilities, spellTag } from './abilities.ts';
import type { Calls, Head, Place, Upload } from './calls.ts';
import { type Keys, targetHash } from './keys.ts';
import { ifThere, isConditionFailed } from './s3-error.ts';

/** Begins the names of the records of unfinished uploads, one for each path. */
export const SESSIONS = 'sessions/';
/** Begins the names of SHA-1 states that sessions were given. */
export const CHECKPOINTS = 'checkpoints/';

/** How long another server may take to begin an upload. */
const OPENING_MS = 60_000;
const POLL_MS = 50;

/** What is remembered of an unfinished upload. */
export interface SessionRecord extends SessionInit {
  readonly id: string;
  /** The store's upload; none while it is being opened, nor for an empty file. */
  readonly uploadId?: string | undefined;
  /** Whether the bytes go aside first, because they have to be read before they may become the object. */
  readonly isStaged: boolean;
  /** Of the checkpoints, if there are any. */
  readonly stepBytes?: number | undefined;
}

export interface StoredRecord {
  readonly record: SessionRecord;
  readonly head: Head;
}

export interface Records {
  read(hash: string): Promise<StoredRecord | undefined>;
  /** @throws StoreError `gone` when there is another session at the path by now, or none */
  current(id: string): Promise<SessionRecord>;
  write(record: SessionRecord): Promise<void>;
  /** Writes the first record of a path. @returns its tag; undefined when there is one */
  create(record: SessionRecord): Promise<string | undefined>;
  /** Writes a record over the one with that tag. False when that is not there any more. */
  replace(record: SessionRecord, etag: string): Promise<boolean>;
  remove(hash: string): Promise<void>;
  /** A path's record once its upload is open, or whoever was opening it is taken to have died; undefined when there is none. */
  opened(hash: string): Promise<StoredRecord | undefined>;
  writeCheckpoints(id: string, checkpoints: Checkpoints): Promise<void>;
  removeCheckpoints(id: string): Promise<void>;
  readCheckpoints(
    facts: SessionFacts & { readonly id: string; readonly stepBytes?: number | undefined },
  ): Promise<Checkpoints | undefined>;
}

export const newSessionId = (target: Target): string => `${targetHash(target)}.${randomBytes(16).toString('hex')}`;

/** The path that an id is of, as its hash; undefined when it cannot be an id. */
export function hashOfId(id: string): string | undefined {
  return /^([0-9a-f]{40})\.[0-9a-f]{32}$/.exec(id)?.[1];
}

export const isOpening = ({ uploadId, sizeBytes }: SessionRecord): boolean => uploadId === undefined && sizeBytes > 0;

/** Whether whoever was opening it has died, by the store's clock. */
export function isAbandoned({ record, head }: StoredRecord): boolean {
  return isOpening(record) && head.nowMs - head.modifiedAtMs > OPENING_MS;
}

export function uploadOf(record: SessionRecord, keys: Keys): Upload | undefined {
  const { uploadId, isStaged, id, target } = record;
  if (uploadId === undefined) return undefined;
  return { ...(isStaged ? stagingPlace(keys, id) : keys.object(target)), uploadId };
}

/** Begins the names of bytes that have to be read before they become an object. */
export const STAGING = 'staging/';
export const stagingPlace = (keys: Keys, id: string): Place => keys.own(STAGING + id);

export function createRecords(calls: Calls, keys: Keys, abilities: () => Promise<Abilities>): Records {
  const placeOf = (hash: string) => keys.own(SESSIONS + hash);
  const checkpointPlace = (id: string) => keys.own(CHECKPOINTS + id);

  async function read(hash: string): Promise<StoredRecord | undefined> {
    const there = await calls.read(placeOf(hash));
    return there && { record: JSON.parse(there.text) as SessionRecord, head: there.head };
  }

  return {
    read,
    async current(id) {
      const hash = hashOfId(id);
      const there = hash === undefined ? undefined : await read(hash);
      if (there?.record.id !== id) throw new StoreError('gone');
      return there.record;
    },
    async write(record) {
      await calls.put(placeOf(targetHash(record.target)), JSON.stringify(record));
    },
    async create(record) {
      const hash = targetHash(record.target);
      try {
        return await calls.put(placeOf(hash), JSON.stringify(record), { ifNew: true });
      } catch (error) {
        if (!isConditionFailed(error)) throw error;
        // The reply to the first try may have got lost.
        const there = await read(hash);
        return there?.record.id === record.id ? there.head.etag : undefined;
      }
    },
    async replace(record, etag) {
      const hash = targetHash(record.target);
      const ifMatch = spellTag(etag, await abilities());
      try {
        await calls.put(placeOf(hash), JSON.stringify(record), { ifMatch });
        return true;
      } catch (error) {
        if (!isConditionFailed(error)) throw error;
        const there = (await read(hash))?.record;
        return there?.id === record.id && there.uploadId === record.uploadId;
      }
    },
    remove: (hash) => calls.delete(placeOf(hash)),
    async opened(hash) {
      for (;;) {
        const there = await read(hash);
        if (!there || !isOpening(there.record) || isAbandoned(there)) return there;
        await sleep(POLL_MS);
      }
    },
    async writeCheckpoints(id, { states }) {
      await calls.put(checkpointPlace(id), states);
    },
    removeCheckpoints: (id) => calls.delete(checkpointPlace(id)),
    async readCheckpoints({ id, stepBytes }) {
      if (stepBytes === undefined) return undefined;
      const reply = await ifThere(calls.open(checkpointPlace(id), undefined));
      if (!reply) throw new StoreError('gone');
      const chunks: Buffer[] = [];
      for await (const chunk of reply) chunks.push(chunk as Buffer);
      return { stepBytes, states: Buffer.concat(chunks) };
    },
  };
}
