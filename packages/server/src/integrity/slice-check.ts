import { createHash } from 'node:crypto';
import { createSHA1, createXXHash64, type IHasher } from 'hash-wasm';
import type { Checkpoints, SessionFacts } from '../store/store.ts';
import { planSlice } from './chain-plan.ts';
import { followChain } from './follow-chain.js';

/** Follows a slice's bytes as they come: for stores that cannot read them again before they are stored. */
export interface SliceCheck {
  /** Whether the session's checkpoints cover every byte of the slice. */
  readonly coversSlice: boolean;
  write(bytes: Uint8Array): void;
  /** Once all bytes have come. */
  end(): Checked;
}

export interface Checked {
  /** Tells whether two contents of a slice are the same, as far as nobody has made them so. It costs next to nothing. */
  readonly fingerprint: string;
  /** Lowercase hex; undefined when it was not to be computed. */
  readonly md5: string | undefined;
  /** Whether the checkpoints agree. */
  readonly isGenuine: boolean;
}

/** What has ended and can be used again: each has a memory of its own, which costs more to make than a slice costs to hash. */
const rested: IHasher[] = [];
const MAX_RESTED = 64;

export async function createFingerprint(): Promise<{ update(bytes: Uint8Array): void; end(): string }> {
  const hash = (rested.pop() ?? (await createXXHash64())).init();
  let ended: string | undefined;
  return {
    update: (bytes) => void hash.update(bytes),
    end() {
      if (ended !== undefined) return ended;
      ended = hash.digest('hex');
      if (rested.length < MAX_RESTED) rested.push(hash);
      return ended;
    },
  };
}

export async function createSliceCheck(
  session: SessionFacts,
  checkpoints: Checkpoints | undefined,
  index: number,
  needsMd5: (coversSlice: boolean) => boolean,
): Promise<SliceCheck> {
  const plan = planSlice(session, checkpoints, index);
  const follow = plan && followChain(await createSHA1(), plan);
  const coversSlice = plan?.coversSlice ?? false;
  const md5 = needsMd5(coversSlice) ? createHash('md5') : undefined;
  const fingerprint = await createFingerprint();
  let isGenuine = true;
  return {
    coversSlice,
    write(bytes) {
      md5?.update(bytes);
      fingerprint.update(bytes);
      if (follow && isGenuine) isGenuine = follow(bytes);
    },
    end: () => ({ fingerprint: fingerprint.end(), md5: md5?.digest('hex'), isGenuine }),
  };
}
