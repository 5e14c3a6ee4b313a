import { createHash } from 'node:crypto';
import { createSHA1 } from 'hash-wasm';
import type { Checkpoints, SessionFacts } from '../store/store.ts';
import { planSlice } from './chain-plan.ts';
import { followChain } from './follow-chain.js';

/** Follows a slice's bytes as they come: for stores that cannot read them again before they are stored. */
export interface SliceCheck {
  /** Whether the session's checkpoints cover every byte of the slice. */
  readonly coversSlice: boolean;
  write(bytes: Uint8Array): void;
  /** MD5 and whether the checkpoints agree, once all bytes have come. */
  end(): { readonly md5: string; readonly isGenuine: boolean };
}

export async function createSliceCheck(
  session: SessionFacts,
  checkpoints: Checkpoints | undefined,
  index: number,
): Promise<SliceCheck> {
  const plan = planSlice(session, checkpoints, index);
  const follow = plan && followChain(await createSHA1(), plan);
  const md5 = createHash('md5');
  let isGenuine = true;
  return {
    coversSlice: plan?.coversSlice ?? false,
    write(bytes) {
      md5.update(bytes);
      if (follow && isGenuine) isGenuine = follow(bytes);
    },
    end: () => ({ md5: md5.digest('hex'), isGenuine }),
  };
}
