import { expect } from 'vitest';
import type { Session, SessionInit, SliceMark } from '../store/store.ts';
import { distinctBytes } from './content.ts';
import { target } from './store-place.ts';
export const SLICE_BYTES = 65536;
export const FILE_BYTES: number = 3 * SLICE_BYTES + 100;
export const BYTES: Buffer = distinctBytes(FILE_BYTES);
export const NOW_MS = 1_800_000_000_000;
export const MARK: SliceMark = { atMs: NOW_MS };

export const init = (parts: Partial<SessionInit> = {}): SessionInit => ({
  target: target(),
  sizeBytes: FILE_BYTES,
  sliceSizeBytes: SLICE_BYTES,
  overwrite: false,
  createdAtMs: NOW_MS,
  ...parts,
});
export const sliceBytes = (index: number, bytes: Buffer = BYTES): Buffer =>
  bytes.subarray(index * SLICE_BYTES, (index + 1) * SLICE_BYTES);

/** Another content of slice 0. */
export const OTHER: Buffer = Buffer.alloc(SLICE_BYTES, 1);

export async function putSlice(
  session: Session,
  index: number,
  bytes: Buffer = sliceBytes(index),
  mark: SliceMark = MARK,
  hasMd5 = false,
): Promise<void> {
  const writer = await session.openSlice(index, hasMd5);
  await writer.write(bytes);
  await writer.commit(mark);
}

/** Which slices are stored, as digits. */
export async function storedOf(session: Session): Promise<string> {
  const { isStored } = await session.snapshot();
  return Array.from({ length: session.sliceCount }, (_, index) => index)
    .filter(isStored)
    .join('');
}

/** Whatever it is that shows a session to have ended. */
export async function expectGone(session: Session): Promise<void> {
  const uses: (() => Promise<unknown>)[] = [
    () => session.openSlice(0).then((writer) => writer.commit(MARK).finally(() => writer.abort())),
    () => session.snapshot(),
    () => session.setTerms({ overwrite: true }),
    () => session.complete({}),
  ];
  for (const use of uses) await expect(use()).rejects.toMatchObject({ problem: 'gone' });
  await session.discard();
}
