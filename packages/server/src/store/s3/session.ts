import { createHash } from 'node:crypto';
import { createSliceCheck } from '../../integrity/slice-check.ts';
import { type Checkpoints, type ObjectInfo, type Session, StoreError } from '../store.ts';
import type { Abilities } from './abilities.ts';
import type { Calls, Head, Part, Place, Upload } from './calls.ts';
import { type Keys, targetHash } from './keys.ts';
import { infoOf, type Labels } from './labels.ts';
import type { Lease } from './locker.ts';
import { newRevision, type Objects } from './objects.ts';
import { type Records, type SessionRecord, stagingPlace, uploadOf } from './records.ts';
import { isConditionFailed, isMissing } from './s3-error.ts';
import { createS3SliceWriter } from './slice-writer.ts';

/** Begins the names of the notes of which content came first for a slice. */
export const CLAIMS = 'slices/';
const SHA1_OF_NOTHING = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';

export interface SessionGround {
  readonly calls: Calls;
  readonly keys: Keys;
  readonly records: Records;
  readonly objects: Objects;
  abilities(): Promise<Abilities>;
}

/** The whole parts of an upload, by slice; undefined when it has ended. */
type Stored = ReadonlyMap<number, Part> | undefined;

/** What there is when a session comes to its end. */
interface Ending {
  readonly record: SessionRecord;
  /** SHA-1 of the whole, lowercase hex, where the client says it. */
  readonly expected: string | undefined;
  readonly there: Head | undefined;
  readonly stored: Stored;
  readonly lease: Lease;
}

/** What never changes of a record: all that a session needs to remember. */
export type FixedFacts = Omit<SessionRecord, 'overwrite' | 'attributes'>;

/** The keys of the notes of which content came first for each slice. */
async function listClaims({ calls, keys }: SessionGround, id: string): Promise<string[]> {
  const { bucket, key: prefix } = keys.own(`${CLAIMS}${id}/`);
  const claims: string[] = [];
  for (let marker: string | undefined; ; ) {
    const page = await calls.list(bucket, prefix, marker === undefined ? {} : { marker });
    claims.push(...page.objects.map(({ key }) => key));
    marker = page.nextMarker;
    if (marker === undefined) return claims;
  }
}

/**
 * Removes all that belongs to a session and its record at last, so that what is left of an interrupted one is found again.
 *
 * @param claims from {@link listClaims}, where they are known already
 */
export async function removeSession(
  ground: SessionGround,
  record: FixedFacts,
  claims?: readonly string[],
): Promise<void> {
  const { calls, keys, records } = ground;
  await Promise.all([
    calls.deleteAll(keys.own('').bucket, claims ?? (await listClaims(ground, record.id))),
    record.stepBytes !== undefined && records.removeCheckpoints(record.id),
    record.isStaged && calls.delete(stagingPlace(keys, record.id)),
  ]);
  await records.remove(targetHash(record.target));
}

/** @param readCheckpoints reads them once at most */
export function openS3Session(
  ground: SessionGround,
  facts: FixedFacts,
  readCheckpoints: () => Promise<Checkpoints | undefined>,
): Session {
  const { calls, keys, records, objects } = ground;
  const { id, target, sizeBytes, sliceSizeBytes, createdAtMs, sha, isStaged } = facts;
  const sliceCount = Math.ceil(sizeBytes / sliceSizeBytes);
  const upload = uploadOf({ ...facts, overwrite: false }, keys) as Upload;
  const bytesOf = (index: number) => Math.min(sliceSizeBytes, sizeBytes - index * sliceSizeBytes);

  /** What the upload has become, if that was this session's doing. */
  async function finished(): Promise<
    { readonly place: Place; readonly head: Head; readonly isAside: boolean } | undefined
  > {
    if (isStaged) {
      const place = stagingPlace(keys, id);
      const head = await calls.head(place);
      if (head) return { place, head, isAside: true };
    }
    const place = keys.object(target);
    const head = await calls.head(place);
    return head && infoOf(head).session === id ? { place, head, isAside: false } : undefined;
  }

  async function storedParts(): Promise<Stored> {
    const parts = await calls.listParts(upload);
    return parts && new Map(parts.filter(isWhole).map((part) => [part.number - 1, part]));
  }
  const isWhole = ({ number, sizeBytes: partBytes }: Part) => number <= sliceCount && partBytes === bytesOf(number - 1);

  async function snapshot() {
    if (sizeBytes === 0) {
      await records.current(id);
      return { storedCount: 0, firstMissing: 0, lastActiveMs: createdAtMs, isStored: () => false };
    }
    const stored = await storedParts();
    if (!stored) {
      const object = await finished();
      if (!object?.isAside) throw new StoreError('gone');
      return {
        storedCount: sliceCount,
        firstMissing: sliceCount,
        lastActiveMs: object.head.modifiedAtMs,
        isStored: (index: number) => index >= 0 && index < sliceCount,
      };
    }
    let firstMissing = 0;
    while (stored.has(firstMissing)) firstMissing++;
    let lastActiveMs = createdAtMs;
    for (const { modifiedAtMs } of stored.values()) lastActiveMs = Math.max(lastActiveMs, modifiedAtMs);
    return { storedCount: stored.size, firstMissing, lastActiveMs, isStored: (index: number) => stored.has(index) };
  }

  /** Merges the parts, unless that has been done before. @throws StoreError `gone`, `incomplete`, `exists` */
  async function merge(stored: Stored, ifNew: boolean, lease: Lease): Promise<void> {
    if (!stored) {
      if (await finished()) return;
      throw new StoreError('gone');
    }
    if (stored.size !== sliceCount) throw new StoreError('incomplete');
    const parts = [...stored.values()].sort((one, other) => one.number - other.number);
    const { completesIfNew } = await ground.abilities();
    lease.check();
    await calls.completeUpload(upload, parts, ifNew && completesIfNew).catch(async (error) => {
      // The reply to the first try may have got lost.
      if (!isMissing(error) && !isConditionFailed(error)) throw error;
      if (await finished()) return;
      throw new StoreError(isMissing(error) ? 'gone' : 'exists', { cause: error });
    });
  }

  async function sha1Of(place: Place, etag: string): Promise<string> {
    const hash = createHash('sha1');
    for await (const chunk of await calls.open(place, undefined, etag)) hash.update(chunk as Buffer);
    return hash.digest('hex');
  }

  function labelsOf(record: SessionRecord, expected: string | undefined, there: Head | undefined): Labels {
    return {
      attributes: record.attributes,
      authority: there && infoOf(there).authority,
      sha: expected,
      session: id,
      revision: newRevision(),
    };
  }

  /** For what had to be read before. */
  async function completeStaged({ record, expected, there, stored, lease }: Ending): Promise<ObjectInfo> {
    const { place, head } = (await finished()) ?? (await merge(stored, false, lease).then(finished)) ?? {};
    if (!place || !head) throw new StoreError('gone');
    if (expected !== undefined && (await sha1Of(place, head.etag)) !== expected) throw new StoreError('mismatch');
    lease.check();
    await objects.copyBytes(place, head, target, labelsOf(record, expected, there));
    return statOwn();
  }

  /** For what may become the object at once. */
  async function completeDirect({ record, expected, there, stored, lease }: Ending): Promise<ObjectInfo> {
    if (expected !== undefined && expected !== sha) {
      throw new StoreError('mismatch', { detail: 'its SHA-1 must be given when the upload begins' });
    }
    await merge(stored, !record.overwrite, lease);
    const info = await statOwn();
    const wanted = labelsOf(record, expected, there);
    if (info.attributes === (wanted.attributes || undefined) && info.authority === wanted.authority) return info;
    // It was said when the upload began what is said of the object, and that has changed.
    const head = await calls.head(keys.object(target));
    if (!head) throw new StoreError('busy');
    const labels = { ...wanted, revision: info.revision, modifiedAtMs: info.modifiedAtMs };
    await objects.copyBytes(keys.object(target), head, target, labels);
    return statOwn();
  }

  async function completeEmpty({ record, expected, there, lease }: Ending): Promise<ObjectInfo> {
    if (expected !== undefined && expected !== SHA1_OF_NOTHING) throw new StoreError('mismatch');
    lease.check();
    await objects.putEmpty(target, labelsOf(record, expected, there), record.overwrite);
    return statOwn();
  }

  async function statOwn(): Promise<ObjectInfo> {
    const info = await objects.stat(target);
    if (info?.session !== id)
      throw new StoreError('busy', { detail: 'somebody else has changed the object meanwhile' });
    return info;
  }

  return {
    id,
    target,
    sizeBytes,
    sliceSizeBytes,
    createdAtMs,
    sha,
    sliceCount,
    snapshot,
    async openSlice(index, hasMd5 = false) {
      const { tagsAreMd5s } = await ground.abilities();
      // It takes half of a server's time: what comes without any checksum goes on without. One that comes after the bytes is
      // compared with the part's tag.
      const needsMd5 = (coversSlice: boolean): boolean => hasMd5 || coversSlice || !tagsAreMd5s;
      const check = await createSliceCheck(facts, await readCheckpoints(), index, needsMd5);
      return createS3SliceWriter({
        calls,
        upload,
        index,
        startBytes: index * sliceSizeBytes,
        sizeBytes: bytesOf(index),
        check,
        claim: keys.own(`${CLAIMS}${id}/${index}`),
        async finished() {
          const object = await finished();
          return object && { place: object.place, etag: object.head.etag };
        },
        assertAlive: snapshot,
      });
    },
    complete: ({ sha: expected }) =>
      objects.withLock(target, async (lease) => {
        // All at once: the way to the store and back takes longer than each answer.
        const [record, there, stored, claims] = await Promise.all([
          records.current(id),
          objects.head(target),
          sizeBytes === 0 ? undefined : storedParts(),
          listClaims(ground, id),
        ]);
        const before = there && infoOf(there);
        // It has been done before, and whoever did it did not come to its end.
        const isDone = before?.session === id;
        if (before && !isDone && !record.overwrite) throw new StoreError('exists');
        const complete = sizeBytes === 0 ? completeEmpty : isStaged ? completeStaged : completeDirect;
        if (!isDone && before?.sha !== undefined) await objects.forget(target, before.sha);
        const info = before && isDone ? before : await complete({ record, expected, there, stored, lease });
        await objects.remember(target, info.sha);
        await removeSession(ground, record, claims);
        return info;
      }),
    setTerms: ({ overwrite, attributes }) =>
      objects.withLock(target, async (lease) => {
        const record = await records.current(id);
        lease.check();
        await records.write({ ...record, overwrite, attributes });
      }),
    discard: () =>
      objects.withLock(target, async (lease) => {
        const there = await records.read(targetHash(target));
        if (there?.record.id !== id) return;
        lease.check();
        if (upload) await calls.abortUpload(upload);
        await removeSession(ground, there.record);
      }),
  };
}
