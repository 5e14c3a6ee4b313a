import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeOptions, type OptionRow } from './describe.ts';

const README = readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8');
const ROWS = README.split('\n').filter((line) => line.startsWith('| `'));
const MIB = 1024 * 1024;

/** Platforms have their own. */
const OWN_DEFAULTS = ['concurrency.min', 'concurrency.max', 'integrity', 'singleRequestMax'];

/** The ways in which a number may stand in the table. */
function formsOf(value: number, unit: string): string[] {
  if (unit === 'bytes') return [value % MIB === 0 ? `${value / MIB} MiB` : `${value / 1024} KiB`];
  const grouped = String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
  return unit === 'ms' ? [`${value / 1000} s`, `(${grouped})`] : [`${value} `];
}

test.each(describeOptions().map((row): [string, OptionRow] => [row.name, row]))(
  'the README has %s, as it is',
  (name, row) => {
    const [option = '', member] = name.split('.');
    const line = ROWS.find((one) => one.split('|')[1]?.includes(`\`${option}\``));
    expect(line, `a row for ${option}`).toBeDefined();
    if (member !== undefined) expect(line).toMatch(new RegExp(`\\b${member}\\b`));
    if (row.kind === 'whole') {
      const has = (value: number): boolean => formsOf(value, row.unit).some((form) => line?.includes(form));
      if (!OWN_DEFAULTS.includes(name)) expect(has(row.default), `the default of ${name}, ${row.default}`).toBe(true);
      if (row.unit === 'bytes') expect(has(row.max), `the most of ${name}, ${row.max}`).toBe(true);
      if (row.step > 1) expect(line).toContain(`multiple of ${row.step} `);
    }
    if (row.kind === 'choice') {
      for (const choice of row.choices)
        if (choice !== true) expect(line).toContain(typeof choice === 'string' ? `'${choice}'` : `\`${choice}\``);
    }
  },
);
