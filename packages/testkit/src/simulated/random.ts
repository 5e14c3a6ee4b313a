/** Numbers that look random and are the same every time for the same seed. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** In [0, count), whole. */
  below(count: number): number;
  /** In [from, to). */
  between(from: number, to: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** As many bytes as asked for. */
  bytes(count: number): Buffer;
}

/** Marsaglia's xorshift with 128 bits of state, which the seed is spread over. */
export function createRandom(seed: number): Random {
  let [a, b, c, d] = spread(seed);
  const word = (): number => {
    const t = a ^ (a << 11);
    a = b;
    b = c;
    c = d;
    d = d ^ (d >>> 19) ^ t ^ (t >>> 8);
    return d >>> 0;
  };
  const next = (): number => word() / 2 ** 32;
  const below = (count: number): number => Math.floor(next() * count);
  return {
    next,
    below,
    between: (from, to) => from + next() * (to - from),
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
    bytes(count) {
      const bytes = Buffer.allocUnsafe(count);
      let at = 0;
      for (; at + 4 <= count; at += 4) bytes.writeUInt32LE(word(), at);
      for (; at < count; at++) bytes[at] = word() & 255;
      return bytes;
    },
  };
}

/** Neighbouring seeds must have nothing in common. */
function spread(seed: number): [number, number, number, number] {
  let state = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  const mix = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ high;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) | 1;
  };
  return [mix(), mix(), mix(), mix()];
}
