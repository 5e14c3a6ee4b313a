import type { DownloadSnapshot } from '@cos-slice/node';
import { type Bar, GAP, renderBarLine } from './bar.ts';
import { type Look, type ProgressView, showLive, type Terminal } from './live-view.ts';
import { createMeter } from './meter.ts';
import { toLine } from './text.ts';
import { formatBytes, formatDuration, formatPart } from './units.ts';

/** Shows a download until `end`. */
export function showDownload(
  terminal: Terminal,
  name: string,
  read: () => DownloadSnapshot,
  environment: NodeJS.ProcessEnv,
): ProgressView {
  const meter = createMeter();
  const label = toLine(name);
  const bar = (): Bar => {
    const state = read();
    const { receivedBytes, resumedBytes } = state.progress;
    return downloadBar(label, state, meter(receivedBytes - resumedBytes, performance.now()));
  };
  const shown = {
    lines: (look: Look) => [renderBarLine(bar(), look)],
    line: () => [label, ...bar().facts].join(GAP),
  };
  return showLive(terminal, shown, environment);
}

export function downloadBar(name: string, { phase, progress }: DownloadSnapshot, bytesPerSecond: number): Bar {
  const { sizeBytes, receivedBytes, resumedBytes, fraction } = progress;
  // 100% is for what is done.
  const percent = phase === 'done' ? 100 : Math.min(99, Math.floor(fraction * 100));
  const facts = [`${phase} ${percent}%`, formatPart(receivedBytes, sizeBytes)];
  if (phase === 'receiving' && bytesPerSecond > 0) {
    facts.push(`${formatBytes(bytesPerSecond)}/s`);
    facts.push(`${formatDuration(((sizeBytes - receivedBytes) / bytesPerSecond) * 1000)} left`);
  }
  if (resumedBytes > 0) facts.push(`resumed ${formatBytes(resumedBytes)}`);
  const waits = phase === 'receiving' && bytesPerSecond === 0 && receivedBytes > resumedBytes;
  return { name, share: fraction, mood: waits ? 'troubled' : phase === 'receiving' ? 'well' : 'preparing', facts };
}
