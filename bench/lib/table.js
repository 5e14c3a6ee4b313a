// @ts-check
/** @import { Row } from './samples.js' */

/**
 * @param {string} title
 * @param {readonly Row[]} rows
 */
export function formatRows(title, rows) {
  const lines = rows.map(({ name, mibPerS, cpuSPerGiB, rssGrowthMiB }) => [
    name,
    show(mibPerS, mibPerS !== null && mibPerS < 100 ? 1 : 0),
    show(cpuSPerGiB, 2),
    show(rssGrowthMiB, 0),
  ]);
  return formatTable([[title, 'MiB/s', 'CPU s/GiB', 'memory +MiB'], ...lines]);
}

/** @param {Record<string, number | null>} ratios @param {Record<string, string>} targets */
export function formatRatios(ratios, targets) {
  const lines = Object.entries(ratios).map(([name, value]) => [name, show(value, 2), targets[name] ?? '']);
  return formatTable([['ratio', 'value', 'target'], ...lines]);
}

/** @param {number | null} value @param {number} digits */
function show(value, digits) {
  return value === null ? '-' : value.toFixed(digits);
}

/** @param {string[][]} lines the first is the heading, the first column is text */
export function formatTable(lines) {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const text = lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [text[0], rule, ...text.slice(1)].join('\n');
}
