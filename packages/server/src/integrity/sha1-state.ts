import { createSHA1, type IHasher } from 'hash-wasm';

export const STATE_BYTES = 20;
/** SHA-1 works on whole blocks; a chaining state exists only between two of them. */
export const BLOCK_BYTES = 64;

/** hash-wasm's saved state holds the five chaining words here, each little-endian: as `datasha` spells them. */
const STATE_AT = 4;

const idle: IHasher[] = [];

/** SHA-1 that can start from, and show, the chaining state between two blocks (protocol section 3). */
export interface Sha1State {
  /** Goes on from a chaining state, or from the beginning of a file. */
  start(state?: Uint8Array): void;
  update(bytes: Uint8Array): void;
  /** The chaining state after the last whole block. */
  state(): Uint8Array;
  /** The digest of a file of this size whose last bytes have just been added; only `start` may follow. */
  digest(totalBytes: number): Uint8Array;
  /** Gives the hasher back; it must not be used afterwards. */
  release(): void;
}

export async function createSha1State(): Promise<Sha1State> {
  const hasher = idle.pop() ?? (await createSHA1());
  const stateNow = () => hasher.save().slice(STATE_AT, STATE_AT + STATE_BYTES);
  return {
    start(state) {
      hasher.init();
      if (!state) return;
      const saved = hasher.save();
      saved.set(state, STATE_AT);
      hasher.load(saved);
    },
    update: (bytes) => void hasher.update(bytes),
    state: stateNow,
    digest(totalBytes) {
      // The padding is added as if it were content: the hasher, started in mid-file, does not know the file's size.
      hasher.update(padding(totalBytes));
      const words = stateNow();
      for (let at = 0; at < STATE_BYTES; at += 4) words.subarray(at, at + 4).reverse();
      return words;
    },
    release: () => void idle.push(hasher),
  };
}

function padding(totalBytes: number): Uint8Array {
  const tailBytes = totalBytes % BLOCK_BYTES;
  const bytes = new Uint8Array((tailBytes < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES) - tailBytes);
  bytes[0] = 0x80;
  new DataView(bytes.buffer).setBigUint64(bytes.length - 8, BigInt(totalBytes) * 8n);
  return bytes;
}
