/** SHA-1 whose state can be taken out and put back, without waiting for a module to be compiled. */
export interface Sha1 {
  init(): Sha1;
  update(bytes: Uint8Array): Sha1;
  digest(): string;
  /** As hash-wasm keeps it: four bytes of its own, the five words (little-endian), then the rest. */
  save(): Uint8Array;
  load(saved: Uint8Array): Sha1;
}

const BLOCK_BYTES = 64;
const STATE_AT = 4;
const BLOCK_AT = 24;
const LENGTH_AT = BLOCK_AT + BLOCK_BYTES;

export function createSha1(): Sha1 {
  const words = new Uint32Array(5);
  const block = new Uint8Array(BLOCK_BYTES);
  const schedule = new Int32Array(80);
  let length = 0;

  function compress(bytes: Uint8Array, from: number): void {
    for (let i = 0; i < 16; i++) {
      const at = from + 4 * i;
      schedule[i] =
        ((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number);
    }
    for (let i = 16; i < 80; i++) {
      const mixed =
        (schedule[i - 3] as number) ^
        (schedule[i - 8] as number) ^
        (schedule[i - 14] as number) ^
        (schedule[i - 16] as number);
      schedule[i] = (mixed << 1) | (mixed >>> 31);
    }
    let [a, b, c, d, e] = words as unknown as [number, number, number, number, number];
    for (let i = 0; i < 80; i++) {
      const [mixed, constant] =
        i < 20
          ? [(b & c) | (~b & d), 0x5a827999]
          : i < 40
            ? [b ^ c ^ d, 0x6ed9eba1]
            : i < 60
              ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
              : [b ^ c ^ d, 0xca62c1d6];
      const next = (((a << 5) | (a >>> 27)) + mixed + e + constant + (schedule[i] as number)) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    for (const [index, word] of [a, b, c, d, e].entries()) words[index] = (words[index] as number) + word;
  }

  const hash: Sha1 = {
    init() {
      words.set([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]);
      length = 0;
      return hash;
    },
    update(bytes) {
      let at = 0;
      const held = length % BLOCK_BYTES;
      length += bytes.length;
      if (held > 0) {
        at = Math.min(BLOCK_BYTES - held, bytes.length);
        block.set(bytes.subarray(0, at), held);
        if (held + at < BLOCK_BYTES) return hash;
        compress(block, 0);
      }
      for (; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) compress(bytes, at);
      block.set(bytes.subarray(at));
      return hash;
    },
    digest() {
      const bits = length * 8;
      const padding = new Uint8Array(((length % BLOCK_BYTES < 56 ? 64 : 128) - (length % BLOCK_BYTES)) as number);
      padding[0] = 0x80;
      new DataView(padding.buffer).setBigUint64(padding.length - 8, BigInt(bits));
      hash.update(padding);
      return [...words].map((word) => word.toString(16).padStart(8, '0')).join('');
    },
    save() {
      const saved = new Uint8Array(LENGTH_AT + 8);
      const view = new DataView(saved.buffer);
      for (let i = 0; i < 5; i++) view.setUint32(STATE_AT + 4 * i, words[i] as number, true);
      saved.set(block, BLOCK_AT);
      view.setFloat64(LENGTH_AT, length);
      return saved;
    },
    load(saved) {
      const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength);
      for (let i = 0; i < 5; i++) words[i] = view.getUint32(STATE_AT + 4 * i, true);
      block.set(saved.subarray(BLOCK_AT, LENGTH_AT));
      length = view.getFloat64(LENGTH_AT);
      return hash;
    },
  };
  return hash.init();
}
