import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { createSliceCheck } from '../integrity/slice-check.ts';
import {
  type Checkpoints,
  type ObjectInfo,
  type ObjectLabels,
  type Session,
  type SessionInit,
  type SliceMark,
  type SliceWriter,
  type Spool,
  type Store,
  StoreError,
  type Target,
} from '../store/store.ts';
import type { Cloud, CloudEntry } from './cloud.ts';
import { createDirectories } from './cloud-directories.ts';
import { entryOf, factsOf, NOTHING } from './cloud-entry.ts';
import { sha1 } from './content.ts';

interface SessionRecord extends SessionInit {
  readonly id: string;
  readonly stepBytes?: number | undefined;
}

interface SliceFacts {
  readonly verified: boolean;
  readonly atMs: number;
}

interface ObjectFacts extends ObjectLabels {
  readonly modifiedAtMs: number;
  readonly revision: string;
}

const pathOf = ({ appId, bucket, path }: Target) => `${appId}/${bucket}/${path}`;

/** A store that keeps nothing in its process: any number of them may stand on one cloud. */
export function cloudStore(cloud: Cloud): Store {
  const sessionKey = (target: Target) => `session/${pathOf(target)}`;
  const objectKey = (target: Target) => `object/${pathOf(target)}`;
  const markerKey = (target: Target) => `directory/${pathOf(target)}/`;
  const knownKey = ({ appId, bucket }: Target, sha: string) => `known/${appId}/${bucket}/${sha}`;

  async function putBytes(
    target: Target,
    bytes: Buffer,
    labels: ObjectLabels,
    overwrite: boolean,
  ): Promise<ObjectInfo> {
    const facts: ObjectFacts = { ...labels, modifiedAtMs: Date.now(), revision: randomBytes(8).toString('hex') };
    let mine = entryOf(facts, bytes);
    const before = await cloud.update(objectKey(target), (there) => {
      const authority = labels.authority ?? (there && infoOf(there).authority);
      mine = entryOf({ ...facts, authority }, bytes);
      return there && !overwrite ? there : mine;
    });
    if (before && !overwrite) throw new StoreError('exists');
    if (labels.sha !== undefined) await cloud.update(knownKey(target, labels.sha), () => entryOf(target));
    return infoOf(mine);
  }

  function infoOf({ bytes, facts }: CloudEntry): ObjectInfo {
    return { sizeBytes: bytes.length, ...factsOf<ObjectFacts>({ facts }) };
  }

  async function inherit(source: Target, target: Target, signedBy: string, overwrite: boolean) {
    const entry = await cloud.get(objectKey(source));
    if (!entry) return undefined;
    const { attributes, authority, headers, sha, revision } = infoOf(entry);
    const origin = { path: source.path, revision };
    return putBytes(target, entry.bytes, { attributes, authority, headers, sha, signedBy, origin }, overwrite);
  }

  /** @param key where its record is */
  async function openSession(key: string): Promise<Session | undefined> {
    const entry = await cloud.get(key);
    if (!entry) return undefined;
    const { overwrite, attributes, stepBytes, ...facts } = factsOf<SessionRecord>(entry);
    return createSession(key, facts, stepBytes === undefined ? undefined : { stepBytes, states: entry.bytes });
  }

  function createSession(
    key: string,
    facts: Omit<SessionRecord, 'overwrite' | 'attributes'>,
    checkpoints: Checkpoints | undefined,
  ): Session {
    const { id, target, sizeBytes, sliceSizeBytes } = facts;
    const sliceCount = Math.ceil(sizeBytes / sliceSizeBytes);
    const sliceKey = (index: number) => `slice/${id}/${index}`;

    async function readRecord(): Promise<SessionRecord> {
      const entry = await cloud.get(key);
      const record = entry && factsOf<SessionRecord>(entry);
      if (record?.id !== id) throw new StoreError('gone');
      return record;
    }

    async function storedSlices(): Promise<Map<number, SliceFacts>> {
      const found = await cloud.list(`slice/${id}/`);
      return new Map(found.map((slice) => [Number(slice.key.split('/').at(-1)), factsOf<SliceFacts>(slice)]));
    }

    async function end(): Promise<void> {
      await cloud.update(key, (there) => (there && factsOf<SessionRecord>(there).id === id ? undefined : there));
      for (const { key: slice } of await cloud.list(`slice/${id}/`)) await cloud.update(slice, () => undefined);
    }

    async function openSlice(index: number): Promise<SliceWriter> {
      await readRecord();
      const standing = await cloud.get(sliceKey(index));
      const check = await createSliceCheck(facts, checkpoints, index, () => true);
      const chunks: Uint8Array[] = [];
      return {
        write(bytes) {
          chunks.push(bytes);
          check.write(bytes);
          return undefined;
        },
        async commit({ md5, atMs }: SliceMark) {
          const { md5: actual, isGenuine } = check.end();
          if (!isGenuine || (md5 !== undefined && md5 !== actual)) throw new StoreError('mismatch');
          const bytes = Buffer.concat(chunks);
          let stored = standing;
          if (!stored) {
            await readRecord();
            const mine = entryOf({ verified: check.coversSlice, atMs }, bytes);
            stored = await cloud.update(sliceKey(index), (there) => there ?? mine);
            // Who ends a session removes its slices, but not this one if it came later.
            await readRecord().catch(async (error) => {
              if (error instanceof StoreError) await cloud.update(sliceKey(index), () => undefined);
              throw error;
            });
          }
          if (stored && !stored.bytes.equals(bytes)) throw new StoreError('differs');
        },
        abort: async () => {},
      };
    }

    return {
      ...facts,
      sliceCount,
      openSlice,
      async snapshot() {
        await readRecord();
        const stored = await storedSlices();
        let firstMissing = 0;
        while (stored.has(firstMissing)) firstMissing++;
        const times = [...stored.values()].map(({ atMs }) => atMs);
        return {
          storedCount: stored.size,
          firstMissing,
          lastActiveMs: Math.max(facts.createdAtMs, ...times),
          isStored: (index) => stored.has(index),
        };
      },
      async complete({ sha }) {
        const { overwrite, attributes } = await readRecord();
        const stored = await storedSlices();
        if (stored.size !== sliceCount) throw new StoreError('incomplete');
        const slices = await Promise.all(
          [...stored.keys()].sort((a, b) => a - b).map((index) => cloud.get(sliceKey(index))),
        );
        // Somebody else has just ended it.
        if (slices.includes(undefined)) throw new StoreError('gone');
        const bytes = Buffer.concat(slices.map((slice) => slice?.bytes ?? NOTHING));
        if (sha !== undefined && sha1(bytes) !== sha) throw new StoreError('mismatch');
        const info = await putBytes(target, bytes, { sha, attributes, session: id }, overwrite);
        await end();
        return info;
      },
      async setTerms({ overwrite, attributes }) {
        const before = await cloud.update(key, (there) => {
          const record = there && factsOf<SessionRecord>(there);
          return there && record?.id === id ? entryOf({ ...record, overwrite, attributes }, there.bytes) : there;
        });
        if (!before || factsOf<SessionRecord>(before).id !== id) throw new StoreError('gone');
      },
      discard: end,
    };
  }

  return {
    limits: { minSliceBytes: 1, maxSliceBytes: 64 * 1024 * 1024, maxSlices: 10_000, order: 'any' },
    open: async () => {},
    async createSession(init, checkpoints) {
      const key = sessionKey(init.target);
      const id = `${Buffer.from(key).toString('base64url')}.${randomBytes(16).toString('hex')}`;
      const record: SessionRecord = { ...init, id, stepBytes: checkpoints?.stepBytes };
      const mine = entryOf(record, Buffer.from(checkpoints?.states ?? NOTHING));
      await cloud.update(key, (there) => there ?? mine);
      const session = await openSession(key);
      if (!session) throw new StoreError('busy');
      return { created: session.id === id, session };
    },
    async getSession(id) {
      const session = await openSession(Buffer.from(id.split('.')[0] ?? '', 'base64url').toString());
      return session?.id === id ? session : undefined;
    },
    findSession: (target) => openSession(sessionKey(target)),
    async *sessions() {
      for (const { key } of await cloud.list('session/')) {
        const session = await openSession(key);
        if (session) yield session;
      }
    },

    createSpool: async () => createMemorySpool(),
    async putObject(target, spool, labels, overwrite) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of spool.read()) chunks.push(chunk);
      return putBytes(target, Buffer.concat(chunks), labels, overwrite);
    },
    async copyKnown(target, { sha, sizeBytes }, mayRead, labels, overwrite) {
      const known = await cloud.get(knownKey(target, sha));
      const source = known && factsOf<Target>(known);
      const entry = source && (await cloud.get(objectKey(source)));
      if (!entry || infoOf(entry).sha !== sha || entry.bytes.length !== sizeBytes) return undefined;
      if (!mayRead(source, infoOf(entry))) return undefined;
      return putBytes(target, entry.bytes, { ...labels, sha }, overwrite);
    },
    async checkVacant(target, overwrite) {
      if (!overwrite && (await cloud.get(objectKey(target)))) throw new StoreError('exists');
    },
    async statObject(target) {
      const entry = await cloud.get(objectKey(target));
      return entry && infoOf(entry);
    },
    async openObject(target) {
      const entry = await cloud.get(objectKey(target));
      if (!entry) return undefined;
      return {
        info: infoOf(entry),
        stream: (start, end) => Readable.from([entry.bytes.subarray(start, end + 1)]),
        close: async () => {},
      };
    },
    deleteObject: async (target) => (await cloud.update(objectKey(target), () => undefined)) !== undefined,
    async describeObject(target, change) {
      const changed = (there: CloudEntry) => entryOf({ ...factsOf<ObjectFacts>(there), ...change }, there.bytes);
      const before = await cloud.update(objectKey(target), (there) => there && changed(there));
      return before && infoOf(changed(before));
    },
    copyObject: inherit,
    async moveObject(source, target, signedBy, overwrite) {
      const info = await inherit(source, target, signedBy, overwrite);
      if (info) await cloud.update(objectKey(source), () => undefined);
      return info;
    },
    directories: createDirectories(cloud, { objectKey, markerKey, infoOf }),
    close: async () => {},
  };
}

function createMemorySpool(): Spool {
  let bytes = NOTHING;
  return {
    get sizeBytes() {
      return bytes.length;
    },
    write(more) {
      bytes = Buffer.concat([bytes, more]);
      return undefined;
    },
    async *read() {
      yield bytes;
    },
    abort: async () => {},
  };
}
