import type { Help } from 'commander';
import type { Command } from './command.ts';
import { nameOf } from './flags.ts';

const EXIT_CODES = `Exit codes:
  0 done, 1 failed, 2 wrong usage or settings, 130 interrupted`;

const KEY = 'Other users of the machine can see command lines: better put the key into COS_SECRET_KEY.';

/** Below that, what a thing does goes below its name. */
const NARROW_COLUMNS = 60;
const UNDER = 6;

/** What follows the flags in a command's help. Examples are not wrapped: they can be pasted. */
export function renderHelp({ flags, notes, examples, variables }: Command, columns: number): string {
  const all = Object.values(flags);
  const standIns = all.flatMap((flag) => (flag.variable === undefined ? [] : [[flag.variable, nameOf(flag)] as const]));
  const rows = [...standIns, ...Object.entries(variables), ['DEBUG=cos-slice', 'adds stack traces to errors'] as const];
  const sections = [
    ...notes.map((note) => wrap(note, columns)),
    ['Examples:', ...examples.map((example) => `  ${example}`)].join('\n'),
    `Environment (flags go first):\n${renderRows(rows, columns)}`,
    ...(all.some(({ secret }) => secret === 'always') ? [wrap(KEY, columns)] : []),
    wrap(EXIT_CODES, columns),
  ];
  return `\n${sections.join('\n\n')}`;
}

/** How commander's own lists look. */
export const LAYOUT: Partial<Help> = {
  subcommandTerm: (command) => `${command.name()} ${command.usage().replace('[options]', '').trim()}`.trim(),
  formatItem: (term, termWidth, description, { helpWidth = 80 }) => renderItem(term, termWidth, description, helpWidth),
};

/** What follows the list of commands. */
export function renderOverview(columns: number): string {
  const rows = [
    ['cos-slice serve --root ./store', 'starts a server, says how to upload'],
    ['cos-slice upload film.mp4 demo/films/', 'uploads; run it again to resume'],
    ['cos-slice put photos demo/backup/', 'a whole directory'],
    ['cos-slice get demo/films/film.mp4', 'downloads; run it again to resume'],
    ['cos-slice copy photos s3://backup/', 'to S3, COS, or from one to the other'],
    ['cos-slice doctor demo', 'what is wrong, and what to set'],
    ['cos-slice COMMAND --help', 'flags, variables and examples'],
  ] as const;
  return `\nTry it:\n${renderRows(rows, columns)}\n\n${wrap(EXIT_CODES, columns)}`;
}

function renderRows(rows: readonly (readonly [name: string, what: string])[], columns: number): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, what]) => renderItem(name, width, what, columns)).join('\n');
}

/** A name and what it is, side by side where there is room. */
function renderItem(name: string, width: number, what: string, columns: number): string {
  if (what === '') return `  ${name}`;
  const indent = columns < NARROW_COLUMNS ? UNDER : width + 4;
  const text = wrap(what, columns - indent).replaceAll('\n', `\n${' '.repeat(indent)}`);
  return columns < NARROW_COLUMNS ? `  ${name}\n${' '.repeat(UNDER)}${text}` : `  ${name.padEnd(width)}  ${text}`;
}

/** Breaks lines at spaces; what was indented goes on indented. */
export function wrap(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => {
      const indent = /^ */.exec(line)?.[0] ?? '';
      const lines = [''];
      for (const word of line.trimStart().split(' ')) {
        const last = lines.at(-1) ?? '';
        if (last !== '' && indent.length + last.length + 1 + word.length > columns) lines.push(word);
        else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
      }
      return lines.map((each) => `${indent}${each}`).join('\n');
    })
    .join('\n');
}
