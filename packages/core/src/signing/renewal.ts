import { signatureExpirySec } from './signature.ts';

/** A signature is renewed when less than this is left of it, or a tenth of its life if that is less. */
const MARGIN_MS = 60_000;

/** When to ask for a new signature, in epoch ms of the clock that `nowMs` is of; never for one that cannot be read. */
export function renewalMs(signature: string, nowMs: number): number {
  const expiresAtSec = signatureExpirySec(signature);
  if (expiresAtSec === undefined) return Number.POSITIVE_INFINITY;
  const leftMs = expiresAtSec * 1000 - nowMs;
  return expiresAtSec * 1000 - Math.min(MARGIN_MS, leftMs / 10);
}
