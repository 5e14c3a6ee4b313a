// @ts-check
// Plots as SVG, drawn by hand: two kinds are all that is needed.
/** @import { Curve } from '../sections/growth.js' */
/** @import { Row } from './samples.js' */

const WIDTH = 860;
const FONT = 'font-family="system-ui, sans-serif" font-size="12"';
const INK = '#57606a';
const OURS = '#1f6feb';
const LIMIT = '#8c959f';
const PEER = '#d29922';

/**
 * Bars of speed: ours, limits and peers in colours of their own.
 *
 * @param {string} title
 * @param {readonly Row[]} rows
 */
export function drawBars(title, rows) {
  const shown = rows.filter(({ mibPerS }) => mibPerS !== null);
  const most = Math.max(...shown.map(({ mibPerS }) => mibPerS ?? 0));
  const [left, step, top] = [280, 24, 44];
  const bars = shown.map(({ name, mibPerS }, index) => {
    const value = mibPerS ?? 0;
    const width = Math.max(1, (value / most) * (WIDTH - left - 90));
    const y = top + index * step;
    const color = /^(node:|hash-wasm)/.test(name) ? LIMIT : /cos-slice/.test(name) ? OURS : PEER;
    return (
      text(left - 8, y + 13, name, 'end') +
      `<rect x="${left}" y="${y}" width="${width.toFixed(1)}" height="${step - 6}" rx="2" fill="${color}"/>` +
      text(left + width + 6, y + 13, value.toFixed(value < 100 ? 1 : 0))
    );
  });
  return svg(title, top + shown.length * step + 10, heading(title, 'MiB/s') + bars.join('\n'));
}

/** @param {string} title @param {readonly Curve[]} curves side by side */
export function drawCurves(title, curves) {
  const height = 300;
  const panel = WIDTH / curves.length;
  const panels = curves.map((curve, index) => drawCurve(curve, { x: index * panel, width: panel, height }));
  return svg(title, height, heading(title, '') + panels.join('\n'));
}

/** @param {Curve} curve @param {{ x: number, width: number, height: number }} box */
function drawCurve({ title, unit, points, target }, { x, width, height }) {
  const [left, right, top, bottom] = [x + 46, x + width - 24, 92, height - 40];
  const most = niceCeiling(Math.max(...points.map(([, value]) => value), target ?? 0));
  const xOf = (/** @type {number} */ index) => left + ((right - left) * index) / Math.max(1, points.length - 1);
  const yOf = (/** @type {number} */ value) => bottom - ((bottom - top) * Math.max(0, value)) / most;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const y = yOf(part * most);
    const line = `<line x1="${left}" y1="${y}" x2="${right}" y2="${y}" stroke="${INK}" stroke-opacity="0.2"/>`;
    return line + text(left - 6, y + 4, `${Number((part * most).toPrecision(3))}`, 'end');
  });
  const path = points.map(([, value], index) => `${index === 0 ? 'M' : 'L'}${xOf(index)} ${yOf(value)}`).join(' ');
  const marks = points.map(
    ([name, value], index) =>
      `<circle cx="${xOf(index)}" cy="${yOf(value)}" r="3.5" fill="${OURS}"/>` +
      text(xOf(index), yOf(value) - 9, label(value), 'middle') +
      text(xOf(index), bottom + 18, name, 'middle'),
  );
  const limit =
    target === undefined
      ? ''
      : `<line x1="${left}" y1="${yOf(target)}" x2="${right}" y2="${yOf(target)}" stroke="${PEER}" stroke-dasharray="5 4"/>` +
        text(right, yOf(target) - 6, 'target', 'end');
  return [
    text(left, 56, title),
    text(left, 72, unit, 'start', 0.7),
    ...ticks,
    limit,
    `<path d="${path}" fill="none" stroke="${OURS}" stroke-width="2"/>`,
    ...marks,
  ].join('\n');
}

/** @param {number} value the next of 1, 2, 5 and their powers of ten */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-6)));
  return ([1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

/** @param {string} title @param {string} unit */
function heading(title, unit) {
  const rest = unit === '' ? '' : ` <tspan fill-opacity="0.7" font-weight="normal">${unit}</tspan>`;
  return `<text x="16" y="26" ${FONT} font-weight="bold" fill="${INK}">${escapeXml(title)}${rest}</text>\n`;
}

/** @param {number} x @param {number} y @param {string} content @param {string} [anchor] @param {number} [opacity] */
function text(x, y, content, anchor = 'start', opacity = 1) {
  const place = `x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill-opacity="${opacity}"`;
  return `<text ${place} ${FONT} fill="${INK}">${escapeXml(content)}</text>`;
}

/** @param {string} content */
function escapeXml(content) {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}

/** @param {string} title @param {number} height @param {string} content */
function svg(title, height, content) {
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n<title>${escapeXml(title)}</title>`;
  return `${head}\n<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>\n${content}\n</svg>\n`;
}

/** What is too little to be measured is nothing. @param {number} value */
function label(value) {
  return value < 0.001 ? '0' : value.toPrecision(2);
}
