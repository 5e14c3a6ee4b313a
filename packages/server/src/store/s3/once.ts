import { randomUUID } from 'node:crypto';
import { createOnceRegister, type OnceRegister } from '../../signature/once.ts';
import type { Abilities } from './abilities.ts';
import type { Calls } from './calls.ts';
import type { Keys } from './keys.ts';
import { isConditionFailed } from './s3-error.ts';

/** Begins the names of used signatures. */
export const ONCE = 'once/';

/** An object for each used signature, which can be made only once. They are cleared away when nobody can need them any more. */
export function createS3OnceRegister(calls: Calls, keys: Keys, abilities: () => Promise<Abilities>): OnceRegister {
  const inMemory = createOnceRegister();
  return {
    async use(id, nowSec, forgetAtSec) {
      if (!(await abilities()).putsIfNew) return inMemory.use(id, nowSec, forgetAtSec);
      const place = keys.own(ONCE + id);
      const mine = `${forgetAtSec} ${randomUUID()}`;
      try {
        await calls.put(place, mine, { ifNew: true });
        return true;
      } catch (error) {
        if (!isConditionFailed(error)) throw error;
        // The reply to the first try may have got lost.
        return (await calls.read(place))?.text === mine;
      }
    },
  };
}
