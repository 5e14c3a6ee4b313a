import type { Command } from './command.ts';
import { nameOf } from './flags.ts';

export const EXIT_CODES = `Exit codes:
  0 done, 1 failed, 2 wrong usage or settings, 130 interrupted`;

const KEY = 'Other users of the machine can see command lines: better put the key into COS_SECRET_KEY.';

/** What follows the flags in a command's help. */
export function renderHelp({ flags, notes, examples, variables }: Command): string {
  const all = Object.values(flags);
  const standIns = all.flatMap((flag) => (flag.variable === undefined ? [] : [[flag.variable, nameOf(flag)] as const]));
  const rows = [...standIns, ...Object.entries(variables), ['DEBUG=cos-slice', 'adds stack traces to errors'] as const];
  const width = Math.max(...rows.map(([name]) => name.length));
  const sections = [
    ...notes,
    `Examples:\n${examples.map((example) => `  ${example}`).join('\n')}`,
    `Environment (flags go first):\n${rows.map(([name, what]) => `  ${name.padEnd(width)}  ${what}`).join('\n')}`,
    ...(all.some(({ secret }) => secret === 'always') ? [KEY] : []),
    EXIT_CODES,
  ];
  return `\n${sections.join('\n\n')}`;
}
