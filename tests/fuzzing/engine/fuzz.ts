import { createRandom, type Random } from '@cos-slice/testkit/simulated/random';
import { type Coverage, createCoverage } from './coverage.ts';
import { growthOf } from './growth.ts';
import { createMutator } from './mutate.ts';
import { shrink } from './shrink.ts';
import { Defect, type Target } from './target.ts';

const MOST_BYTES = 4096;
/** No input, however it is cut, has a reader wait for more turns of the event loop: it would wait for ever. */
const MOST_WAIT_MS = 60_000;
const MOST_FINDINGS = 5;
/** Of inputs that are nothing new, how many are made long all the same. */
const GROWN_SHARE = 0.002;

export interface Plan {
  readonly seed: number;
  /** It ends after so many inputs, or after so long. */
  readonly executions?: number | undefined;
  readonly seconds?: number | undefined;
  /** Whether what inputs cost counts: not on a machine that has much else to do and little time. */
  readonly isTimed: boolean;
  /** False: it goes on from any input, wherever it has led. For comparison. */
  readonly isGuided?: boolean;
  /** Texts in the code that reads. */
  readonly words: readonly string[];
}

export interface Finding {
  readonly what: string;
  readonly input: Buffer;
  /** Which execution has found it. */
  readonly execution: number;
}

export interface Outcome {
  readonly target: string;
  readonly executions: number;
  readonly seconds: number;
  /** Inputs that led somewhere new. */
  readonly kept: number;
  readonly coverage: Coverage;
  readonly findings: readonly Finding[];
}

/** Sends a target inputs made of those that have led somewhere new. */
export async function fuzz(target: Target, plan: Plan): Promise<Outcome> {
  const { seed, seconds = Number.POSITIVE_INFINITY, isTimed, isGuided = true } = plan;
  const most = plan.executions ?? Number.POSITIVE_INFINITY;
  const random = createRandom(seed);
  const { mostBytes = MOST_BYTES, growsTo = 0, words = [] } = target;
  const coverage = createCoverage();
  // Those of the format count as much as all of the code's.
  const weighed = Array.from({ length: Math.ceil(plan.words.length / Math.max(1, words.length)) }, () => words).flat();
  const { mutate } = createMutator(random, [...weighed, ...plan.words], mostBytes);
  const kept: Kept[] = [];
  const findings: Finding[] = [];
  const known = new Set<string>();
  const startedAtMs = performance.now();
  let executions = 0;

  const found = async (error: unknown, input: Buffer, isShrunk: boolean): Promise<void> => {
    const kind = kindOf(error);
    if (known.has(kind)) return;
    known.add(kind);
    const execution = executions;
    const fails = async (candidate: Buffer): Promise<boolean> => {
      const failure = await failureOf(target, candidate);
      return failure !== undefined && kindOf(failure.error) === kind;
    };
    findings.push({ what: tell(error), input: isShrunk ? input : await shrink(input, fails), execution });
  };
  const execute = async (input: Buffer): Promise<void> => {
    executions++;
    coverage.begin();
    const failure = await failureOf(target, input);
    const isNews = coverage.isNews();
    if (failure) return found(failure.error, input, false);
    if (isGuided ? isNews : random.chance(0.01)) kept.push({ input, used: 0 });
    if (!isTimed || growsTo === 0 || !(isNews || random.chance(GROWN_SHARE))) return;
    const growth = await growthOf(target, input, random);
    if (growth) await found(growth.defect, growth.input, true);
  };

  for (const given of target.seeds) await execute(Buffer.from(given));
  if (kept.length === 0) kept.push({ input: Buffer.from(target.seeds[0] ?? 'a'), used: 0 });
  const isOver = (): boolean => executions >= most || performance.now() - startedAtMs > seconds * 1000;
  while (!isOver() && findings.length < MOST_FINDINGS) {
    const parent = choose(kept, random);
    parent.used++;
    await execute(mutate(parent.input, random.pick(kept).input));
    // Whoever waits for the event loop must get it, too.
    if (executions % 64 === 0) await new Promise(setImmediate);
  }
  await target.close?.();
  const spent = (performance.now() - startedAtMs) / 1000;
  return { target: target.name, executions, seconds: spent, kept: kept.length, coverage, findings };
}

interface Kept {
  readonly input: Buffer;
  used: number;
}

/** Of a few the one that has been used least, and then a short one: what is new comes first. */
function choose(kept: readonly Kept[], random: Random): Kept {
  const some = Array.from({ length: 3 }, () => random.pick(kept));
  const weigh = ({ input, used }: Kept): number => (used + 1) * (64 + input.length);
  return some.reduce((best, one) => (weigh(one) < weigh(best) ? one : best));
}

/** What an input has done wrong, if it has. */
async function failureOf(target: Target, input: Buffer): Promise<{ readonly error: unknown } | undefined> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const running = target.run(input);
    if (!running) return undefined;
    const hangs = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Defect('never comes to an end')), MOST_WAIT_MS);
    });
    await Promise.race([running, hangs]);
    return undefined;
  } catch (error) {
    return { error };
  } finally {
    clearTimeout(timer);
  }
}

/** The same for inputs that do the same wrong: what is thrown, and where. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const where = error instanceof Defect ? '' : (/^ +at .*$/m.exec(error.stack ?? '')?.[0] ?? '');
  return `${error.name}: ${error.message.replace(/\d+|"[^"]*"|'[^']*'/g, '_')} ${where}`;
}

function tell(error: unknown): string {
  if (error instanceof Defect) return error.message;
  return error instanceof Error ? (error.stack ?? String(error)).split('\n').slice(0, 4).join('\n') : String(error);
}
