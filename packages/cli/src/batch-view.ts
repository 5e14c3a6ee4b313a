import type { Amount, DirectoryProgress } from '@cos-slice/node';
import stringWidth from 'string-width';
import { type Bar, GAP, NAME_COLUMNS, renderBarLine } from './bar.ts';
import { type Look, type ProgressView, showLive, type Terminal } from './live-view.ts';
import { createMeter } from './meter.ts';
import { shorten, toName } from './text.ts';
import { count, formatBytes, formatDuration, formatPart } from './units.ts';

/** Of all jobs together. */
export type BatchState = Omit<DirectoryProgress, 'phase' | 'paused' | 'fraction' | 'bytesPerSecond' | 'etaMs'> & {
  readonly isDeleting: boolean;
};

/** @param jobs how many there are in all, those not yet begun counted */
export function sumOf(states: readonly DirectoryProgress[], jobs: number): BatchState {
  const sum = (read: (state: DirectoryProgress) => number): number => states.reduce((all, one) => all + read(one), 0);
  const amount = (name: 'found' | 'transferred' | 'skipped'): Amount => ({
    files: sum((one) => one[name].files),
    bytes: sum((one) => one[name].bytes),
  });
  return {
    found: amount('found'),
    isCounted: states.length === jobs && states.every(({ isCounted }) => isCounted),
    transferred: amount('transferred'),
    skipped: amount('skipped'),
    failed: sum(({ failed }) => failed),
    problems: sum(({ problems }) => problems),
    created: sum(({ created }) => created),
    deleted: sum(({ deleted }) => deleted),
    doneBytes: sum(({ doneBytes }) => doneBytes),
    movedBytes: sum(({ movedBytes }) => movedBytes),
    resumable: states.every(({ resumable }) => resumable),
    active: states.flatMap(({ active }) => active),
    isDeleting: states.some(({ phase }) => phase === 'deleting'),
  };
}

/** Files that have a line of their own. */
const MOST_LINES = 8;

/** One bar for all, and a line for each file under way. */
export function showBatch(
  terminal: Terminal,
  name: string,
  read: () => BatchState,
  environment: NodeJS.ProcessEnv,
): ProgressView {
  const meter = createMeter();
  const look = (): { readonly state: BatchState; readonly speed: number } => {
    const state = read();
    return { state, speed: meter(state.movedBytes, performance.now()) };
  };
  const shown = {
    lines(at: Look) {
      const { state, speed } = look();
      return renderBatch(name, state, speed, at);
    },
    line() {
      const { state, speed } = look();
      return [name, ...factsOf(state, speed)].join(GAP);
    },
  };
  return showLive(terminal, shown, environment);
}

export function renderBatch(name: string, state: BatchState, speed: number, look: Look): string[] {
  const { active } = state;
  const room = Math.max(0, Math.min(MOST_LINES, look.rows - 2));
  const all = renderBarLine({ name, share: shareOf(state) ?? 0, mood: 'well', facts: factsOf(state, speed) }, look);
  const shown = active.slice(0, active.length > room ? Math.max(0, room - 1) : room);
  const names = shown.map(({ path }) => shorten(toName(path), NAME_COLUMNS.max));
  const width = Math.max(0, ...names.map((one) => stringWidth(one)));
  const lines = shown.map((file, index) => {
    const label = names[index] ?? '';
    const percent = `${Math.min(99, Math.floor(file.fraction * 100))}%`;
    const facts = [percent.padStart(3), formatPart(file.doneBytes, file.sizeBytes)];
    const bar: Bar = {
      name: label + ' '.repeat(width - stringWidth(label)),
      share: file.fraction,
      mood: 'preparing',
      facts,
    };
    return `  ${renderBarLine(bar, { ...look, columns: look.columns - 2 })}`;
  });
  const more = active.length - shown.length;
  return [all, ...lines, ...(more > 0 && room > 0 ? [`  and ${more} more`] : [])];
}

function shareOf({ isCounted, found, doneBytes, transferred, skipped, failed }: BatchState): number | undefined {
  if (!isCounted) return undefined;
  if (found.bytes > 0) return Math.min(1, doneBytes / found.bytes);
  return found.files > 0 ? (transferred.files + skipped.files + failed) / found.files : 0;
}

/** What is known, most important first. */
function factsOf(state: BatchState, speed: number): string[] {
  const { found, transferred, skipped, failed, doneBytes, isCounted, isDeleting, deleted } = state;
  const share = shareOf(state);
  const files = transferred.files + skipped.files;
  const facts = [
    // 100% is for what is done.
    ...(share === undefined ? [] : [`${Math.min(99, Math.floor(share * 100))}%`]),
    isCounted ? `${files}/${count(found.files, 'file')}` : count(files, 'file'),
    isCounted ? formatPart(doneBytes, found.bytes) : formatBytes(doneBytes),
  ];
  if (isDeleting) facts.push(`${deleted} deleted`);
  if (failed > 0) facts.push(`${failed} failed`);
  if (speed > 0 && !isDeleting) {
    facts.push(`${formatBytes(speed)}/s`);
    if (isCounted) facts.push(`${formatDuration(((found.bytes - doneBytes) / speed) * 1000)} left`);
  }
  return facts;
}
