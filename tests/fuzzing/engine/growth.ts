import type { Random } from '@cos-slice/testkit/simulated/random';
import { Defect, type Target } from './target.ts';

/** Cheaper than this, nobody cares. */
const LEAST_MS = 40;
/** Of four times the input, and a little more: what is linear takes four times as long, what is quadratic sixteen times. */
const MOST_TIMES = 9;

/**
 * Makes a long input of a short one by repeating a piece of it, and sees what it costs.
 *
 * @returns the input and what is wrong with it; undefined when it costs no more than its length is worth
 */
export async function growthOf(
  target: Target,
  input: Buffer,
  random: Random,
  cost: typeof costMs = costMs,
): Promise<{ readonly input: Buffer; readonly defect: Defect } | undefined> {
  const { growsTo = 0 } = target;
  const from = random.below(input.length);
  const piece = input.subarray(from, Math.min(input.length, from + 1 + random.below(24)));
  const tail = random.chance(0.5) ? input.subarray(from + piece.length) : Buffer.alloc(0);
  const grown = (bytes: number): Buffer => {
    const times = Math.max(1, Math.floor((bytes - input.length) / piece.length));
    return Buffer.concat([input.subarray(0, from), ...Array<Buffer>(times).fill(piece), tail]);
  };
  const long = grown(growsTo);
  if ((await cost(target, long)) < LEAST_MS) return undefined;
  const short = grown(growsTo / 4);
  // What is compiled or collected meanwhile counts once, and not thrice.
  let times = Number.POSITIVE_INFINITY;
  let leastMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const longMs = await cost(target, long);
    leastMs = Math.min(leastMs, longMs);
    times = Math.min(times, longMs / Math.max(0.1, await cost(target, short)));
  }
  if (leastMs < LEAST_MS || times < MOST_TIMES) return undefined;
  const what = `takes ${Math.round(leastMs)} ms for ${long.length} bytes, ${times.toFixed(0)} times as long as for a quarter of them: ${JSON.stringify(piece.toString('latin1'))} again and again`;
  return { input: grown(input.length + 8 * piece.length), defect: new Defect(what) };
}

/** Processor time: how busy the machine is does not count. */
async function costMs(target: Target, input: Buffer): Promise<number> {
  const before = process.cpuUsage();
  await target.run(input);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
