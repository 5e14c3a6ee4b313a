import type { Clock, Signer } from '../ports.ts';
import { createKeeper } from './keeper.ts';
import { signatureLifeMs } from './signature.ts';

/** A signer that keeps what may be used again. */
export interface CachedSigner extends Signer {
  /** How often the signer behind it was asked. */
  readonly asked: number;
}

export interface CachedSignerOptions {
  readonly clock: Clock;
  /** How long the signer may take for one signature. */
  readonly timeoutMs: number;
}

/**
 * Keeps the signatures of `multi` claims until shortly before they expire, and asks once however many ask at the same time. A
 * signature's life counts from its arrival: its own times are those of the signer's clock, which need not be ours.
 *
 * `sign` throws CosSliceError `signing-failed`, or whatever CosSliceError the signer throws; `signal.reason` when aborted.
 */
export function cachedSigner(signer: Signer, { clock, timeoutMs }: CachedSignerOptions): CachedSigner {
  const keeper = createKeeper<string>({
    clock,
    timeoutMs,
    name: 'the signer',
    must: 'return the signature as base64 text',
    // What goes into a header must not be able to end it.
    isUsable: (value): value is string => typeof value === 'string' && /^[\w+/=-]{4,8192}$/.test(value),
  });
  return {
    get asked() {
      return keeper.asked;
    },
    sign(claim, signal) {
      const { appId, bucket, effect, refused } = claim;
      const path = signer.unbound && effect === 'multi' ? '' : claim.path;
      return keeper.get(
        effect === 'once' ? undefined : `${effect}/${appId}/${bucket}/${path}`,
        {
          ask: (asking) => signer.sign(claim, asking),
          lifeMs: (signature) => signatureLifeMs(signature, claim.nowSec),
          isRefused: (signature) => signature === refused,
        },
        signal,
      );
    },
  };
}
