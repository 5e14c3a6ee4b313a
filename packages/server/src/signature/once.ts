import { ProtocolError } from '../protocol/codes.ts';
import { type Grant, ONCE_WINDOW_SEC } from './signature.ts';

export interface OnceRegister {
  /** Uses a one-time signature up. @throws ProtocolError -59 when it has been used before */
  use(grant: Grant, nowSec: number): void;
}

/** Remembers used one-time signatures for as long as their time alone would still let them pass. Kept in memory. */
export function createOnceRegister(): OnceRegister {
  const forgetAtSec = new Map<string, number>();
  return {
    use(grant, nowSec) {
      for (const [id, atSec] of forgetAtSec) {
        if (atSec >= nowSec) break;
        forgetAtSec.delete(id);
      }
      if (forgetAtSec.has(grant.id)) throw new ProtocolError('signatureExpired', 'used before');
      // It may have been signed up to one window ahead, and is good for another; so the oldest come first.
      forgetAtSec.set(grant.id, nowSec + 2 * ONCE_WINDOW_SEC);
    },
  };
}
