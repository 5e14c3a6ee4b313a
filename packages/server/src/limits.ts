import type { Settings } from './options.ts';
import { ProtocolError } from './protocol/codes.ts';

/** A list spends some 50 bytes on each slice, and clients take replies of up to 64 MiB: longer ones could never be resumed. */
const MAX_LISTED_SLICES = 2 ** 20;
/** Slice sizes that the server chooses are multiples of this: SHA-1's blocks and the steps of `uploadparts` fit in. */
const GRAIN_BYTES = 64 * 1024;

/** Whether slices have to come one after another. */
export function isSerial({ serialUpload, store }: Settings): boolean {
  return serialUpload || store.limits.order === 'ascending';
}

/**
 * The slice size of an upload. Clients adopt the one the reply names, so one that is out of bounds, or that would cut the file
 * into more slices than can be kept and listed, is corrected and not refused.
 *
 * @throws ProtocolError -284 for a size that is none, -5999 for a file that is too large
 */
export function chooseSliceSize(settings: Settings, sizeBytes: number, asked: string | undefined): number {
  if (asked !== undefined && asked !== '' && !/^\s*[1-9]\d{0,14}\s*$/.test(asked))
    throw new ProtocolError('badSliceSize');
  const { minBytes, maxBytes, defaultBytes, forcedBytes } = settings.sliceSize;
  const { limits } = settings.store;
  const maxSlices = Math.min(limits.maxSlices, MAX_LISTED_SLICES);
  const least = Math.ceil(sizeBytes / maxSlices / GRAIN_BYTES) * GRAIN_BYTES;
  const most = Math.min(maxBytes, limits.maxSliceBytes);
  const preferred = Math.max(asked ? Number(asked) : defaultBytes, minBytes);
  // The client has made its uploadparts in steps of what it asked for: whole ones of them can be checked.
  const kept = Math.ceil(limits.minSliceBytes / preferred) * preferred;
  const wanted = Math.max(kept <= most ? kept : preferred, limits.minSliceBytes, least);
  const chosen = forcedBytes ?? Math.min(wanted, most);
  if (Math.ceil(sizeBytes / chosen) > maxSlices) {
    throw new ProtocolError(
      'badParameter',
      `filesize is too large: it needs slices of ${least} bytes, and they have ${chosen} here at most`,
    );
  }
  return chosen;
}
