/**
 * Remembers which one-time signatures have been used. Servers that take the same signatures should share one, as wide as they
 * are spread: an entry that can be made only once is all it takes.
 */
export interface OnceRegister {
  /**
   * Uses a signature up. False when that has been done before, by whomever.
   *
   * @param id stands for the signature: hex digits
   * @param forgetAtSec until when it has to be remembered at least, in epoch seconds
   */
  use(id: string, nowSec: number, forgetAtSec: number): Promise<boolean>;
}

/** Kept in memory. */
export function createOnceRegister(): OnceRegister {
  const forgetAtSecById = new Map<string, number>();
  return {
    async use(id, nowSec, forgetAtSec) {
      // All are kept for the same time, so the oldest come first.
      for (const [oldest, atSec] of forgetAtSecById) {
        if (atSec >= nowSec) break;
        forgetAtSecById.delete(oldest);
      }
      if (forgetAtSecById.has(id)) return false;
      forgetAtSecById.set(id, forgetAtSec);
      return true;
    },
  };
}
