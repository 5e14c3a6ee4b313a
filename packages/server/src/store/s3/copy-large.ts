import { randomUUID } from 'node:crypto';
import type { Calls, Head, Place } from './calls.ts';
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

/** Copies what is too large for one request, in parts. They become the object at once, or are dropped. */
export async function copyLarge(
  { calls, keys, maxCopyBytes }: Ground,
  source: Place,
  { sizeBytes, etag }: Pick<Head, 'sizeBytes' | 'etag'>,
  target: Place,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const note = keys.own(COPIES + randomUUID());
  await calls.put(note, JSON.stringify(target));
  const partBytes = Math.min(maxCopyBytes, Math.max(PART_BYTES, Math.ceil(sizeBytes / 10_000)));
  const count = Math.ceil(sizeBytes / partBytes);
  const upload = await calls.createUpload(target, headers);
  try {
    const parts: { number: number; etag: string }[] = [];
    let next = 1;
    const copySome = async (): Promise<void> => {
      for (let number = next++; number <= count; number = next++) {
        const start = (number - 1) * partBytes;
        const end = Math.min(sizeBytes, start + partBytes) - 1;
        parts[number - 1] = { number, etag: await calls.copyPart(upload, number, source, etag, start, end) };
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, copySome));
    await calls.completeUpload(upload, parts, false).catch(async (error) => {
      // The reply to the first try may have got lost.
      const there = isMissing(error) ? await calls.head(target) : undefined;
      const revision = 'x-amz-meta-cos-slice-revision';
      if (there?.sizeBytes !== sizeBytes || there.headers[revision] !== headers[revision]) throw error;
    });
  } catch (error) {
    await calls.abortUpload(upload).catch(() => {});
    throw error;
  }
  await calls.delete(note).catch(() => {});
}
