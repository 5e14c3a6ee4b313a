import type { ByteRange } from '../ports.ts';

/** What is missing between ranges, in pieces. */
export function gapsOf(kept: readonly ByteRange[], sizeBytes: number, pieceBytes: number): ByteRange[] {
  const gaps: ByteRange[] = [];
  const fill = (from: number, to: number): void => {
    for (let offset = from; offset < to; offset += pieceBytes) {
      gaps.push({ offset, length: Math.min(pieceBytes, to - offset) });
    }
  };
  let at = 0;
  for (const { offset, length } of [...kept].sort((one, other) => one.offset - other.offset)) {
    fill(at, offset);
    at = Math.max(at, offset + length);
  }
  fill(at, sizeBytes);
  return gaps;
}
