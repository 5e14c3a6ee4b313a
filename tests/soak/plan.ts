import { createCipheriv, createHash } from 'node:crypto';
import { createRandom, type Random } from '@cos-slice/testkit/simulated/random';

const KIB = 1024;
const MIB = KIB * KIB;

export type From = 'node' | 'chromium';

/** What an upload is, and what its user does meanwhile. Follows from the seed. */
export interface UploadPlan {
  readonly from: From;
  readonly index: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly source: 'file' | 'bytes' | 'stream' | 'stream of unknown length';
  readonly integrity: 'none' | 'md5' | 'sha1';
  readonly sliceSize: number;
  readonly concurrency: number | undefined;
  /** Shares of the content at which it is paused for a moment. */
  readonly pauses: readonly number[];
  /** Shares at which it is given up and begun again: cancelled in Node.js, by a reload in a page. */
  readonly breaks: readonly number[];
}

const NAMES = ['plain', '目录/文件', 'a b/c  d', '\u{1f600}', '+ % # & =', "(!'~)"];

export function planUpload(seed: number, from: From, index: number): UploadPlan {
  const random = createRandom(seed * 2_000_003 + index * 2 + (from === 'node' ? 0 : 1));
  const integrity = random.pick(['none', 'md5', 'md5', 'sha1'] as const);
  const source = from === 'node' ? sourceOf(random, integrity) : 'bytes';
  const isReplayable = source === 'file' || source === 'bytes';
  const shares = (chance: number) => (random.chance(chance) ? [random.next()] : []);
  return {
    from,
    index,
    path: `soak/${from}/${integrity}/${random.pick(NAMES)}-${index}.bin`,
    sizeBytes: sizeOf(random),
    source,
    integrity,
    sliceSize: random.pick([64 * KIB, 256 * KIB, 512 * KIB, MIB, 2 * MIB]),
    concurrency: random.pick([undefined, undefined, 1, 4]),
    pauses: shares(0.2),
    breaks: isReplayable ? shares(0.15) : [],
  };
}

function sourceOf(random: Random, integrity: UploadPlan['integrity']): UploadPlan['source'] {
  const sources = ['file', 'file', 'file', 'bytes', 'stream', 'stream of unknown length'] as const;
  // A stream is read once, and its SHA-1 comes first.
  return random.pick(integrity === 'sha1' ? sources.slice(0, 4) : sources);
}

function sizeOf(random: Random): number {
  return random.pick([
    () => random.below(2),
    () => random.below(64 * KIB),
    () => MIB - 1 + random.below(3),
    () => random.below(2 * MIB),
    () => random.below(2 * MIB),
    () => MIB + random.below(3 * MIB),
    () => MIB + random.below(3 * MIB),
    () => random.below(12 * MIB),
  ])();
}

/** The bytes of an upload: no two slices of any two are alike. */
export function contentOf(seed: number, { from, index, sizeBytes }: UploadPlan): Buffer {
  const key = createHash('sha256').update(`${seed} ${from} ${index}`).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}
