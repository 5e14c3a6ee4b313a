import { createHash } from 'node:crypto';

/** What is kept of an entry: enough to tell whether it has to be transferred. */
export interface Remembered {
  readonly sizeBytes: number;
  /** Epoch seconds; 0: not known. */
  readonly modifiedAtSec: number;
}

/** Names of a directory with what they stand for, in 28 bytes each whatever their length: a million take 60 MB at most. */
export interface NameTable {
  readonly size: number;
  set(name: string, value: Remembered): void;
  get(name: string): Remembered | undefined;
}

const START = 256;
/** 96 bits of a name's SHA-1: two names that share them are not to be expected in this universe. */
const WORDS = 3;

export function createNameTable(): NameTable {
  let capacity = START;
  let count = 0;
  let keys = new Uint32Array(capacity * WORDS);
  let sizes = new Float64Array(capacity);
  let times = new Float64Array(capacity);
  /** 0: free. */
  let used = new Uint8Array(capacity);

  /** Where a key is, or would be. */
  const find = (a: number, b: number, c: number): number => {
    let at = a % capacity;
    while (used[at] && !(keys[at * WORDS] === a && keys[at * WORDS + 1] === b && keys[at * WORDS + 2] === c)) {
      at = (at + 1) % capacity;
    }
    return at;
  };
  const put = (a: number, b: number, c: number, sizeBytes: number, modifiedAtSec: number): void => {
    const at = find(a, b, c);
    if (!used[at]) count += 1;
    used[at] = 1;
    keys.set([a, b, c], at * WORDS);
    sizes[at] = sizeBytes;
    times[at] = modifiedAtSec;
  };
  const grow = (): void => {
    const before = { keys, sizes, times, used };
    capacity *= 2;
    count = 0;
    keys = new Uint32Array(capacity * WORDS);
    sizes = new Float64Array(capacity);
    times = new Float64Array(capacity);
    used = new Uint8Array(capacity);
    for (const [at, isUsed] of before.used.entries()) {
      if (!isUsed) continue;
      const [a = 0, b = 0, c = 0] = before.keys.subarray(at * WORDS, at * WORDS + WORDS);
      put(a, b, c, before.sizes[at] ?? 0, before.times[at] ?? 0);
    }
  };
  const wordsOf = (name: string): [number, number, number] => {
    const digest = createHash('sha1').update(name).digest();
    return [digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8)];
  };

  return {
    get size() {
      return count;
    },
    set(name, { sizeBytes, modifiedAtSec }) {
      if (count * 4 >= capacity * 3) grow();
      put(...wordsOf(name), sizeBytes, modifiedAtSec);
    },
    get(name) {
      const at = find(...wordsOf(name));
      return used[at] ? { sizeBytes: sizes[at] ?? 0, modifiedAtSec: times[at] ?? 0 } : undefined;
    },
  };
}
