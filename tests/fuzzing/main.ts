import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { formatTable, whole } from '../support/terminal.ts';
import { type Finding, fuzz, type Outcome } from './engine/fuzz.ts';
import { watchForHangs } from './engine/hangs.ts';
import { targets } from './targets/index.ts';

const HELP = `Sends whatever reads what strangers send one input after another, each made of those that have led somewhere new.

  npm run fuzz -- [--target NAME] [--seconds N] [--seed N]

  --target NAME    only this one, or those whose name begins so (default: one after the other)
  --seconds N      for each target (default 60)
  --executions N   end after so many inputs; the same seed makes the same ones then
  --seed N         default 1
  --untimed        what inputs cost does not count: for busy machines
  --covered        tell of each file how much of it inputs have come to
  --input HEX      run this input alone, and tell what is wrong with it
  --json FILE      write the figures to FILE
  --help

${targets.map(({ name, about }) => `  ${name.padEnd(16)} ${about}`).join('\n')}

Exits with 1 when an input has been found that does what it must not. It is told as short as it can be made.
`;

export interface Facts {
  readonly words: readonly string[];
  readonly branches: number;
}

export async function main(args: string[], { words, branches }: Facts): Promise<void> {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean' } as const;
  const { values } = parseArgs({
    args,
    options: {
      target: text,
      seconds: text,
      executions: text,
      seed: text,
      untimed: yes,
      covered: yes,
      input: text,
      json: text,
      help: yes,
    },
  }); // prettier-ignore
  if (values.help) return console.log(HELP);
  const { target = '' } = values;
  const exact = targets.filter(({ name }) => name === target);
  const chosen = exact.length > 0 ? exact : targets.filter(({ name }) => name.startsWith(target));
  if (chosen.length === 0) throw new Error(`--target must be one of ${targets.map(({ name }) => name).join(', ')}`);
  const executions = values.executions === undefined ? undefined : whole('executions', values.executions, 0);
  const seconds = executions === undefined || values.seconds ? whole('seconds', values.seconds, 60) : undefined;
  const plan = { seed: whole('seed', values.seed, 1), seconds, executions, isTimed: !values.untimed, words };
  const outcomes: Outcome[] = [];
  for (const each of chosen) {
    const watched = watchForHangs(each);
    const { input } = values;
    const only = { ...watched.target, seeds: [Buffer.from(input ?? '', 'hex')] };
    const outcome = await fuzz(
      input === undefined ? watched.target : only,
      input === undefined ? plan : { ...plan, executions: 0 },
    );
    watched.end();
    outcomes.push(outcome);
    for (const finding of outcome.findings) console.log(tellFinding(outcome, finding, plan.seed));
    if (values.covered) console.log(tellCovered(outcome));
  }
  report(outcomes, branches);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(outcomes.map(figuresOf), null, 2)}\n`);
  if (outcomes.some(({ findings }) => findings.length > 0)) process.exitCode = 1;
} // prettier-ignore

function tellFinding({ target }: Outcome, { what, input, execution }: Finding, seed: number): string {
  return [
    `\n${target} (seed ${seed}, input ${execution}): ${what}`,
    `  ${JSON.stringify(input.toString('latin1'))}`,
    `  npm run fuzz -- --target ${target} --input ${input.toString('hex')}`,
  ].join('\n');
}

function tellCovered({ target, coverage }: Outcome): string {
  const lines = coverage
    .files()
    .map(({ file, taken, all }) => `  ${String(taken).padStart(4)} of ${String(all).padStart(4)}  ${file}`);
  return `\n${target}: branches taken\n${lines.join('\n')}`;
} // prettier-ignore

function figuresOf({ target, executions, seconds, kept, coverage, findings }: Outcome) {
  const told = findings.map(({ what, input }) => ({ what, input: input.toString('hex') }));
  return { target, executions, seconds, kept, branches: coverage.taken, findings: told };
}

function report(outcomes: readonly Outcome[], branches: number): void {
  const rows = outcomes.map((outcome) => {
    const { target, executions, seconds, kept, branches: taken, findings } = figuresOf(outcome);
    const rate = Math.round(executions / seconds);
    return [target, String(executions), `${rate}/s`, String(kept), String(taken), String(findings.length)];
  });
  console.log(formatTable([['target', 'inputs', 'speed', 'kept', `branches (of ${branches})`, 'found'], ...rows]));
}
