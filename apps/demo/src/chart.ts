import { byId, element, setText } from './element.ts';
import { formatBytes, formatCount } from './format.ts';
import type { Languages } from './language.ts';
import { fit } from './slice-map.ts';
import type { Uploads } from './uploads.ts';

const SHOWN_MS = 60_000;
const EVERY_MS = 250;
/** Speed is taken over this long, so that the line tells of the network and not of the timer. */
const OVER_MS = 1000;
const MIB = 1024 * 1024;

interface Sample {
  readonly atMs: number;
  readonly sentBytes: number;
  readonly bytesPerSec: number;
  readonly window: number;
}

/** Two small charts over one time: how fast, and how many requests at once. */
export function startChart(uploads: Uploads, languages: Languages): void {
  const root = byId('chart');
  const speed = panel(root, 'tall', languages, 'throughput');
  const window = panel(root, 'low', languages, 'window');
  let samples: Sample[] = [];

  const sample = (): void => {
    const nowMs = performance.now();
    const { sentBytes } = uploads.totals();
    const past = samples.findLast(({ atMs }) => atMs <= nowMs - OVER_MS) ?? samples[0];
    const bytesPerSec = past ? (Math.max(0, sentBytes - past.sentBytes) * 1000) / (nowMs - past.atMs) : 0;
    samples = samples.filter(({ atMs }) => atMs > nowMs - SHOWN_MS - OVER_MS);
    samples.push({ atMs: nowMs, sentBytes, bytesPerSec, window: uploads.isBusy() ? uploads.window() : 0 });
    draw(nowMs);
  };

  const draw = (nowMs: number): void => {
    const last = samples.at(-1);
    const peak = Math.max(0, ...samples.map((one) => one.bytesPerSec));
    const now = languages.text('perSecond', { size: formatBytes(last?.bytesPerSec ?? 0) });
    setText(speed.value, now);
    setText(window.value, languages.text('requestsAtOnce', { count: formatCount(last?.window ?? 0, languages.tag) }));
    const top = niceCeiling(peak / MIB);
    plot(speed.canvas, samples, nowMs, {
      top: top * MIB,
      label: languages.text('perSecond', { size: `${top} MiB` }),
      value: (one) => one.bytesPerSec,
      stepped: false,
    });
    const places = Math.max(6, ...samples.map((one) => one.window));
    plot(window.canvas, samples, nowMs, {
      top: places,
      label: String(places),
      value: (one) => one.window,
      stepped: true,
    });
    const label = languages.text('chartLabel', {
      speed: now,
      peak: languages.text('perSecond', { size: formatBytes(peak) }),
      window: last?.window ?? 0,
    });
    speed.canvas.setAttribute('aria-label', label);
  };

  window.canvas.setAttribute('aria-hidden', 'true');
  setInterval(sample, EVERY_MS);
  languages.watch(sample);
}

function panel(root: HTMLElement, kind: 'tall' | 'low', languages: Languages, key: 'throughput' | 'window') {
  const canvas = element('canvas', { role: 'img' });
  const name = element('span');
  const value = element('b');
  languages.watch(() => setText(name, languages.text(key)));
  root.append(element('p', { class: 'plot-head' }, name, value), element('div', { class: `plot ${kind}` }, canvas));
  return { canvas, value };
}

interface Plot {
  readonly top: number;
  readonly label: string;
  readonly value: (sample: Sample) => number;
  readonly stepped: boolean;
}

function plot(
  canvas: HTMLCanvasElement,
  samples: readonly Sample[],
  nowMs: number,
  { top, label, value, stepped }: Plot,
) {
  const { width, height, context } = fit(canvas);
  if (!context || width === 0) return;
  const style = getComputedStyle(canvas);
  const line = style.getPropertyValue(stepped ? '--window' : '--in-flight');
  const floor = height - 1;
  const ceiling = 14;
  const x = (one: Sample): number => width - ((nowMs - one.atMs) / SHOWN_MS) * width;
  const y = (one: Sample): number => floor - (Math.min(top, value(one)) / top) * (floor - ceiling);

  context.clearRect(0, 0, width, height);
  context.fillStyle = style.getPropertyValue('--line');
  context.fillRect(0, ceiling, width, 1);
  context.fillRect(0, floor, width, 1);
  context.fillStyle = style.getPropertyValue('--muted');
  context.font = `11px ${style.fontFamily}`;
  context.textBaseline = 'top';
  context.fillText(label, 0, 0);
  if (samples.length === 0) return;

  context.beginPath();
  let before: number | undefined;
  for (const one of samples) {
    if (stepped && before !== undefined) context.lineTo(x(one), before);
    before = y(one);
    context.lineTo(x(one), before);
  }
  context.strokeStyle = line;
  context.lineWidth = 1.5;
  context.lineJoin = 'round';
  context.stroke();
  const [first] = samples;
  if (!first) return;
  context.lineTo(width, floor);
  context.lineTo(x(first), floor);
  context.globalAlpha = 0.14;
  context.fillStyle = line;
  context.fill();
  context.globalAlpha = 1;
}

/** 1, 2 or 5 times a power of ten, at least 1. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}
