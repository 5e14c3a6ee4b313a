import type { Account } from '../options.ts';
import { type Genuine, verify } from './signature.ts';

const MAX_KEPT = 1000;

/** {@link verify}, which remembers multi-effect signatures: clients sign once per file and not once per slice. */
export function createVerifier(accounts: ReadonlyMap<string, Account>): (signature: string | undefined) => Genuine {
  const known = new Map<string, Genuine>();
  return (signature = '') => {
    const before = known.get(signature);
    if (before) return before;
    const genuine = verify(signature, accounts);
    if (genuine.expiresAtSec !== 0) {
      if (known.size === MAX_KEPT) known.clear();
      known.set(signature, genuine);
    }
    return genuine;
  };
}
