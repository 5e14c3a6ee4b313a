import type { UploadProgress, UploadSnapshot } from '@cos-slice/node';
import stringWidth from 'string-width';
import { formatBytes, formatDuration } from './units.ts';

const FULL = '█';
const EMPTY = '░';
const BAR_COLUMNS = 30;
const MIN_BAR_COLUMNS = 8;
/** Without a terminal: a line now and then, for logs. */
const LINE_EVERY_MS = 3000;

export interface ProgressView {
  show(state: UploadSnapshot): void;
  /** Gives the line and the cursor back. */
  end(): void;
}

interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** A bar that redraws itself on a terminal, plain lines elsewhere. */
export function createProgressView(terminal: Terminal, nowMs: () => number = Date.now): ProgressView {
  if (!terminal.isTTY) return plainLines(terminal, nowMs);
  let drawn = false;
  return {
    show(state) {
      // One column less than there are: a full line would wrap.
      const line = renderLine(state, (terminal.columns ?? 80) - 1);
      terminal.write(`${drawn ? '' : '\u001b[?25l'}\r${line}\u001b[K`);
      drawn = true;
    },
    end() {
      if (drawn) terminal.write('\r\u001b[K\u001b[?25h');
      drawn = false;
    },
  };
}

function plainLines(terminal: Terminal, nowMs: () => number): ProgressView {
  let lastMs = nowMs();
  let lastPhase = '';
  return {
    show(state) {
      const changed = state.phase !== lastPhase && state.phase !== 'done';
      if (!changed && nowMs() - lastMs < LINE_EVERY_MS) return;
      lastMs = nowMs();
      lastPhase = state.phase;
      terminal.write(`${renderFacts(state).join('  ')}\n`);
    },
    end() {},
  };
}

/** One line of at most `columns`: the bar takes what the facts leave, and the last facts go first when it is tight. */
export function renderLine(state: UploadSnapshot, columns: number): string {
  const facts = renderFacts(state);
  while (facts.length > 1 && stringWidth(facts.join('  ')) > columns) facts.pop();
  const room = Math.min(BAR_COLUMNS, columns - stringWidth(facts.join('  ')) - 2);
  if (room < MIN_BAR_COLUMNS) return facts.join('  ').slice(0, columns);
  return `${renderBar(shareOf(state.progress), room)}  ${facts.join('  ')}`;
}

function renderBar(share: number, columns: number): string {
  const full = Math.floor(share * columns);
  return FULL.repeat(full) + EMPTY.repeat(columns - full);
}

function renderFacts(state: UploadSnapshot): string[] {
  const { progress } = state;
  const bytes = progress.phase === 'hashing' ? progress.hashedBytes : progress.fraction * progress.sizeBytes;
  // 100% is for what is done.
  const percent = progress.phase === 'done' ? 100 : Math.min(99, Math.floor(shareOf(progress) * 100));
  const facts = [`${describePhase(state)} ${percent}%`, `${formatBytes(bytes)} of ${formatBytes(progress.sizeBytes)}`];
  if (progress.bytesPerSecond > 0) facts.push(`${formatBytes(progress.bytesPerSecond)}/s`);
  if (progress.etaMs !== undefined && progress.phase === 'sending')
    facts.push(`${formatDuration(progress.etaMs)} left`);
  const { total, stored, inFlight, retrying } = progress.slices;
  if (progress.phase === 'sending') {
    facts.push(`slices ${stored}/${total}, ${inFlight} in flight${retrying > 0 ? `, ${retrying} retrying` : ''}`);
  }
  return facts;
}

function describePhase(state: UploadSnapshot): string {
  if (!state.online) return 'offline';
  return state.phase;
}

function shareOf(progress: UploadProgress): number {
  if (progress.sizeBytes === 0) return progress.phase === 'done' ? 1 : 0;
  return progress.phase === 'hashing' ? progress.hashedBytes / progress.sizeBytes : progress.fraction;
}
