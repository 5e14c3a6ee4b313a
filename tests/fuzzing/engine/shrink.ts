const MOST_RUNS = 3000;

/**
 * Makes an input that fails shorter, and what is left of it plainer, as long as it still fails in the same way.
 *
 * @param fails whether an input fails in that way
 */
export async function shrink(input: Buffer, fails: (input: Buffer) => Promise<boolean>): Promise<Buffer> {
  let best = input;
  let runs = 0;
  const attempt = async (candidate: Buffer): Promise<boolean> => {
    if (runs++ >= MOST_RUNS || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let size = Math.ceil(best.length / 2); size > 0; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let at = 0; at < best.length; ) {
      const without = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if (!(await attempt(without))) at += size;
    }
  }
  for (let at = 0; at < best.length; at++) {
    for (const plain of ['a', '0', ' ']) {
      if (best[at] === plain.charCodeAt(0)) break;
      const plainer = Buffer.from(best);
      plainer[at] = plain.charCodeAt(0);
      if (await attempt(plainer)) break;
    }
  }
  return best;
}
