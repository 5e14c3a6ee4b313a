import { createHash, randomUUID } from 'node:crypto';
import type { Calls, Place } from './calls.ts';
import { isConditionFailed, S3Error } from './s3-error.ts';

/** What the store below makes of conditions, which it may silently ignore. */
export interface Abilities {
  /** `PUT` with `If-None-Match: *`: without it only one server at a time may use the store. */
  readonly putsIfNew: boolean;
  /** How `PUT` with `If-Match` wants the tag spelled; undefined when it does not heed it. */
  readonly ifMatch: 'bare' | 'quoted' | undefined;
  /** `CompleteMultipartUpload` with `If-None-Match: *`. */
  readonly completesIfNew: boolean;
  /** The tag of what is sent in one request is its MD5; it is not under some kinds of encryption. */
  readonly tagsAreMd5s: boolean;
}

/** A tag as `If-Match` wants it; undefined where there is no such condition. */
export function spellTag(etag: string, { ifMatch }: Abilities): string | undefined {
  return ifMatch && (ifMatch === 'bare' ? etag : `"${etag}"`);
}

/** Begins the names of what is tried out. */
export const PROBES = 'probe/';

/** Tries it all on objects of its own, which it removes. */
export async function probeAbilities(calls: Calls, placeOf: (name: string) => Place): Promise<Abilities> {
  const place = placeOf(PROBES + randomUUID());
  const etag = await calls.put(place, 'one');
  try {
    const putsIfNew = await isHeeded(() => calls.put(place, 'two', { ifNew: true }));
    return {
      putsIfNew,
      ifMatch: putsIfNew ? await probeIfMatch(calls, place, etag) : undefined,
      completesIfNew: putsIfNew && (await probeComplete(calls, place)),
      tagsAreMd5s: etag === createHash('md5').update('one').digest('hex'),
    };
  } finally {
    await calls.delete(place);
  }
}

async function probeIfMatch(calls: Calls, place: Place, etag: string): Promise<Abilities['ifMatch']> {
  const wrong = '0'.repeat(32);
  if (!(await isHeeded(() => calls.put(place, 'two', { ifMatch: wrong })))) return undefined;
  for (const [spelling, ifMatch] of [
    ['bare', etag],
    ['quoted', `"${etag}"`],
  ] as const) {
    if (!(await isHeeded(() => calls.put(place, 'one', { ifMatch })))) return spelling;
  }
  return undefined;
}

async function probeComplete(calls: Calls, place: Place): Promise<boolean> {
  const upload = await calls.createUpload(place, {});
  const outgoing = await calls.streamPart(upload, 1, 1);
  await outgoing.end(Buffer.from('x'));
  const parts = await calls.listParts(upload);
  const isRefused = await isHeeded(() => calls.completeUpload(upload, parts ?? [], true));
  if (isRefused) await calls.abortUpload(upload);
  return isRefused;
}

/** Whether a request fails for its condition, or because there are no such conditions. */
async function isHeeded(run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return false;
  } catch (error) {
    if (isConditionFailed(error)) return true;
    if (error instanceof S3Error && (error.status === 400 || error.status === 501)) return false;
    throw error;
  }
}
