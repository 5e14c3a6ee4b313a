export const STATE_BYTES = 20;
/** SHA-1 works on whole blocks; a chaining state exists only between two of them. */
export const BLOCK_BYTES = 64;

/** The chaining state that a hex digest stands for: its words the other way round, as `datasha` spells them. */
export function stateOfDigest(digest: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digest, 'hex').swap32());
}

/** What SHA-1 adds to a file of this size. Added as if it were content, by a hasher that began in mid-file. */
export function paddingOf(totalBytes: number): Uint8Array {
  const tailBytes = totalBytes % BLOCK_BYTES;
  const bytes = new Uint8Array((tailBytes < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES) - tailBytes);
  bytes[0] = 0x80;
  new DataView(bytes.buffer).setBigUint64(bytes.length - 8, BigInt(totalBytes) * 8n);
  return bytes;
}
