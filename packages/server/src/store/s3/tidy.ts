import { PROBES } from './abilities.ts';
import type { Place } from './calls.ts';
import { COPIES, type CopyNote } from './copy-large.ts';
import { type DirectoriesGround, MOVES, resumeMove } from './directory-move.ts';
import { targetHash } from './keys.ts';
import { LOCKS } from './locker.ts';
import { ONCE } from './once.ts';
import { CHECKPOINTS, hashOfId, type Records, STAGING } from './records.ts';
import { CLAIMS } from './session.ts';
import { uploadsSince } from './sessions.ts';

const MINUTE_MS = 60_000;
/** Nothing that a request needs is as old as that. */
const STALE_MS = 60 * MINUTE_MS;
/** Nobody goes on with anything that is as old as that. */
const ABANDONED_MS = 24 * STALE_MS;
const STALE_MOVE_MS = 10 * MINUTE_MS;

export interface TidyGround extends DirectoriesGround {
  readonly records: Records;
}

interface NamedPlace extends Place {
  /** What comes behind that of its kind. */
  readonly name: string;
}

/** Clears away what servers have left that died in the middle of something, or brings it to its end. */
export async function tidyStore(ground: TidyGround): Promise<void> {
  const { calls, keys } = ground;

  /** Everything below a name of the server's own that is older than that, by the store's clock. */
  async function* older(name: string, ageMs: number): AsyncIterable<NamedPlace> {
    const { bucket, key: prefix } = keys.own(name);
    for (let marker: string | undefined; ; ) {
      const page = await calls.list(bucket, prefix, marker === undefined ? {} : { marker });
      for (const { key, modifiedAtMs } of page.objects) {
        if (page.nowMs - modifiedAtMs > ageMs) yield { bucket, key, name: key.slice(prefix.length) };
      }
      marker = page.nextMarker;
      if (marker === undefined) return;
    }
  }

  /** What cannot be cleared away, or brought to its end, does not keep the rest: it comes again with the next sweep. */
  async function clear(kind: string, ageMs: number, clearOne: (place: NamedPlace) => Promise<void>): Promise<void> {
    const clearAll = async () => {
      for await (const place of older(kind, ageMs)) await clearOne(place).catch(() => {});
    };
    await clearAll().catch(() => {});
  }

  async function clearOfSession(place: NamedPlace): Promise<void> {
    const id = place.name.split('/')[0] as string;
    const isNeeded = (await ground.records.read(hashOfId(id) ?? ''))?.record.id === id;
    if (!isNeeded) await calls.delete(place);
  }

  for (const kind of [CLAIMS, CHECKPOINTS, STAGING]) await clear(kind, STALE_MS, clearOfSession);
  await clear(COPIES, ABANDONED_MS, (place) => dropCopy(ground, place));
  await clear(MOVES, STALE_MOVE_MS, (place) => resumeMove(ground, place));
  // What has been in the way of it for so long stays.
  await clear(MOVES, ABANDONED_MS, calls.delete);
  for (const kind of [LOCKS, PROBES]) await clear(kind, STALE_MS, calls.delete);
  await clear(ONCE, ABANDONED_MS, calls.delete);
}

/** Drops what a server that died has left of a copy in parts. */
async function dropCopy({ calls, keys, objects, records }: TidyGround, place: Place): Promise<void> {
  const note = await calls.read(place);
  if (!note) return;
  const { target, uploadId } = JSON.parse(note.text) as CopyNote;
  const at = keys.object(target);
  if (uploadId !== undefined) await calls.abortUpload({ ...at, uploadId });
  else {
    // It died before it knew which upload is its own. Under the lock of the path, all others are an unfinished upload's, which
    // is on record before it is begun.
    await objects.withLock(target, async () => {
      const uploads = await uploadsSince(calls, at, note.head.modifiedAtMs);
      const known = (await records.opened(targetHash(target)))?.record.uploadId;
      for (const upload of uploads) if (upload.uploadId !== known) await calls.abortUpload(upload);
    });
  }
  await calls.delete(place);
}
