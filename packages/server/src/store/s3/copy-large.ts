import { randomUUID } from 'node:crypto';
import type { Target } from '../store.ts';
import type { Calls, Head, Place } from './calls.ts';
import { forEachOf } from './for-each-of.ts';
import type { Keys } from './keys.ts';
import { isMissing } from './s3-error.ts';

const IN_FLIGHT = 8;
const PART_BYTES = 512 * 1024 * 1024;
/** Begins the names of notes of copies under way, so that what a dead process leaves of one is found. */
export const COPIES = 'copies/';

interface Ground {
  readonly calls: Calls;
  readonly keys: Keys;
  readonly maxCopyBytes: number;
}

export interface CopyNote {
  readonly target: Target;
  /** None until the store has told it. */
  readonly uploadId?: string;
}

/** Copies what is too large for one request, in parts. They become the object at once, or are dropped. */
export async function copyLarge(
  { calls, keys, maxCopyBytes }: Ground,
  source: Place,
  { sizeBytes, etag }: Pick<Head, 'sizeBytes' | 'etag'>,
  target: Target,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const note = keys.own(COPIES + randomUUID());
  const write = (noted: CopyNote) => calls.put(note, JSON.stringify(noted));
  const place = keys.object(target);
  await write({ target });
  const upload = await calls.createUpload(place, headers);
  const partBytes = Math.min(maxCopyBytes, Math.max(PART_BYTES, Math.ceil(sizeBytes / 10_000)));
  const parts = Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, index) => ({
    number: index + 1,
    etag: '',
  }));
  try {
    await write({ target, uploadId: upload.uploadId });
    const copyPart = async (part: (typeof parts)[number]): Promise<void> => {
      const start = (part.number - 1) * partBytes;
      const end = Math.min(sizeBytes, start + partBytes) - 1;
      part.etag = await calls.copyPart(upload, part.number, source, etag, start, end);
    };
    await forEachOf(parts, copyPart, IN_FLIGHT);
    await calls.completeUpload(upload, parts, false).catch(async (error) => {
      // The reply to the first try may have got lost.
      const there = isMissing(error) ? await calls.head(place) : undefined;
      const revision = 'x-amz-meta-cos-slice-revision';
      if (there?.sizeBytes !== sizeBytes || there.headers[revision] !== headers[revision]) throw error;
    });
  } catch (error) {
    const dropping = calls.abortUpload(upload).then(() => calls.delete(note));
    await dropping.catch(() => {});
    throw error;
  }
  await calls.delete(note).catch(() => {});
}
