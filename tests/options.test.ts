import { readFileSync } from 'node:fs';
import { describeOptions as forBrowsers } from '@cos-slice/browser/ports';
import { describeOptions as forNode, type OptionRow } from '@cos-slice/node';
import { describe, expect, test } from 'vitest';

const MIB = 1024 * 1024;

interface Language {
  /** Between the default in Node.js and that in browsers. */
  readonly inBrowsers: string;
  readonly multipleOf: (bytes: number) => string;
  readonly seconds: string;
}
const READMES: Readonly<Record<string, Language>> = {
  'README.md': { inBrowsers: ', in browsers ', multipleOf: (bytes) => `multiple of ${bytes} bytes`, seconds: ' s' },
  'README.zh-CN.md': { inBrowsers: '，浏览器中为 ', multipleOf: (bytes) => `${bytes} 字节的整数倍`, seconds: ' 秒' },
};

/** The row of a README's table, in cells. */
function rowOf(readme: string, option: string): readonly string[] {
  const text = readFileSync(new URL(`../${readme}`, import.meta.url), 'utf8');
  const rows = text.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  const row = rows.find((cells) => cells[1]?.split(/[,、]\s*| or /).includes(`\`${option}\``));
  if (row === undefined) throw new Error(`${readme} has no row for ${option}`);
  return row;
}

const sizeOf = (bytes: number): string => (bytes % MIB === 0 ? `${bytes / MIB} MiB` : `${bytes / 1024} KiB`);
const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ' ');

/** A default as the tables show it. */
function shown(option: string, rows: readonly OptionRow[]): string {
  // It follows another option.
  if (option === 'singleRequestMax') return '`sliceSize`';
  const members = rows.filter(({ name }) => name.startsWith(`${option}.`));
  if (members.length > 0) {
    const texts = members.map((row) => `${row.name.slice(option.length + 1)}: ${'default' in row ? row.default : ''}`);
    return `\`{ ${texts.join(', ')} }\``;
  }
  const row = rows.find(({ name }) => name === option);
  if (row === undefined || row.kind === 'text') return '';
  if (row.kind === 'whole') return sizeOf(row.default);
  return typeof row.default === 'string' ? `\`'${row.default}'\`` : `\`${row.default}\``;
}

const OPTIONS = [...new Set(forNode().map(({ name }) => name.split('.')[0] ?? name))];
/** They have too many members for a cell. */
const GROUPS = ['retry', 'timeouts'];

describe.each(Object.entries(READMES))('%s', (readme, { inBrowsers, multipleOf, seconds }) => {
  test.each(OPTIONS.filter((option) => !GROUPS.includes(option)))('has the defaults of %s', (option) => {
    const [node, browsers] = [shown(option, forNode()), shown(option, forBrowsers())];
    const known = forBrowsers().some(({ name }) => name.split('.')[0] === option);
    const [, , cell = ''] = rowOf(readme, option);
    const expected = !known || node === browsers ? node : `${node}${inBrowsers}${browsers}`;
    expect(cell.replace(/^同 /, '')).toBe(expected);
  });

  test('has the members of retry and timeouts, with their defaults', () => {
    for (const row of forNode()) {
      const [group = '', member = ''] = row.name.split('.');
      if (!GROUPS.includes(group) || row.kind !== 'whole') continue;
      const [, , defaults = '', what = ''] = rowOf(readme, group);
      expect(what).toContain(`\`${member}\``);
      const forms = [`${row.default} `, `（${grouped(row.default)}）`, `(${grouped(row.default)})`];
      if (row.unit === 'ms') forms.push(`${row.default / 1000}${seconds}`);
      expect(
        forms.some((form) => `${defaults}${what}`.includes(form)),
        `${row.name}: ${row.default}`,
      ).toBe(true);
    }
  });

  test('has the limits and the choices', () => {
    for (const row of forNode()) {
      if (row.kind === 'choice') {
        const line = rowOf(readme, row.name).join('|');
        for (const choice of row.choices) if (typeof choice === 'string') expect(line).toContain(`\`'${choice}'\``);
      }
      if (row.kind === 'whole' && row.unit === 'bytes') {
        const line = rowOf(readme, row.name).join('|');
        for (const limit of [row.min, row.max]) if (limit > 0) expect(line).toContain(sizeOf(limit));
        if (row.step > 1) expect(line).toContain(multipleOf(row.step));
      }
    }
  });
});

test.each(['integrity', 'concurrency'])("the plugin's README has the default of %s in browsers", (option) => {
  expect(rowOf('packages/uppy-plugin/README.md', option)[2]).toBe(shown(option, forBrowsers()));
});

test('platforms differ in nothing but defaults', () => {
  const node = new Map(forNode().map((row) => [row.name, row]));
  for (const row of forBrowsers()) {
    const other = node.get(row.name);
    expect({ ...other, default: undefined }).toEqual({ ...row, default: undefined });
  }
  const [first, second] = [forNode(), forBrowsers()].map((rows) =>
    rows.find(({ name }) => name === 'singleRequestMax'),
  );
  expect(first).toMatchObject({ default: MIB });
  expect(second).toMatchObject({ default: 2 * MIB });
});
