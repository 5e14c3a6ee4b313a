import { createHash } from 'node:crypto';

/** The bytes that recorded requests and vectors are about: byte i is (i*131 + (i>>8)*17 + 7) & 255. */
export function patternBytes(start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end - start);
  for (let i = start; i < end; i++) bytes[i - start] = (i * 131 + (i >> 8) * 17 + 7) & 255;
  return bytes;
}

/** Bytes of which no two blocks of 64 bytes are alike, nor those of two numbers. */
export function distinctBytes(sizeBytes: number, number = 0): Buffer {
  const bytes = Buffer.alloc(sizeBytes, 1 + (number % 255));
  for (let at = 0; at + 8 <= sizeBytes; at += 64) {
    bytes.writeUInt32LE(at / 64, at);
    bytes.writeUInt32LE(number, at + 4);
  }
  return bytes;
}

export const BIG_BYTES: number = 5 * 1048576 + 314159;
export const SMALL_BYTES = 102400;

export function sha1(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex');
}

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
