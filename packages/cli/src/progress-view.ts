import type { UploadProgress, UploadSnapshot } from '@cos-slice/node';
import stringWidth from 'string-width';
import { shorten, toLine } from './text.ts';
import { formatBytes, formatDuration, formatPart } from './units.ts';

/** Redraws at most ten times a second. */
const DRAW_EVERY_MS = 100;
/** Without a terminal: a line now and then, for logs. */
const LINE_EVERY_MS = 3000;

const FULL = '█';
const EMPTY = '░';
const GAP = '  ';
const BAR_COLUMNS = { min: 10, max: 30 };
const NAME_COLUMNS = { min: 8, max: 24 };

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_REST = '\u001b[K';
// Terminals do not agree on how wide some characters are: what is too long is cut off, never wrapped.
const NO_WRAP = '\u001b[?7l';
const WRAP = '\u001b[?7h';

export interface ProgressView {
  /** Gives the line and the cursor back. May be called twice. */
  end(): void;
}

/** What there is to draw on: `process.stderr`. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Shows an upload until `end`: a bar that redraws itself on a terminal, plain lines elsewhere. */
export function showProgress(
  terminal: Terminal,
  name: string,
  read: () => UploadSnapshot,
  environment: NodeJS.ProcessEnv,
): ProgressView {
  const live = terminal.isTTY === true && environment.TERM !== 'dumb';
  const label = toLine(name);
  const color = !environment.NO_COLOR;
  let drawn = false;
  let printAtMs = performance.now() + LINE_EVERY_MS;
  const show = (): void => {
    // Read each time: the upload measures its speed as it is looked at.
    const state = read();
    if (live) {
      // Terminals without a size say 0. The last columns are for the ^C that a terminal shows: it must not begin a new line.
      const line = renderLine(label, state, { columns: (terminal.columns || 80) - 3, color });
      terminal.write(`${drawn ? '' : HIDE_CURSOR}${NO_WRAP}\r${line}${CLEAR_REST}${WRAP}`);
      drawn = true;
    } else if (performance.now() >= printAtMs) {
      printAtMs += LINE_EVERY_MS;
      terminal.write(`${[label, ...renderFacts(state)].join(GAP)}\n`);
    }
  };
  const end = (): void => {
    clearInterval(timer);
    process.off('exit', end);
    if (drawn) terminal.write(`\r${CLEAR_REST}${SHOW_CURSOR}`);
    drawn = false;
  };
  // Looks at the upload instead of listening to it: a stalled one is redrawn too, and a fast one not too often.
  const timer = setInterval(show, DRAW_EVERY_MS);
  timer.unref();
  process.once('exit', end);
  return { end };
}

/** One line of at most `columns`: the last facts go first when it is tight, and name and bar take what is left. */
export function renderLine(
  name: string,
  state: UploadSnapshot,
  look: { readonly columns: number; readonly color: boolean },
): string {
  const { columns } = look;
  const width = (facts: string[]): number => stringWidth(facts.join(GAP));
  let facts = renderFacts(state);
  const room = columns - BAR_COLUMNS.min - GAP.length;
  if (width(facts) > room) facts = renderFacts(state, true);
  while (facts.length > 1 && width(facts) > room) facts.pop();
  if (width(facts) > room) return shorten(facts.join(GAP), columns);

  const nameRoom = Math.min(NAME_COLUMNS.max, room - width(facts) - GAP.length);
  const label = nameRoom < NAME_COLUMNS.min ? '' : `${shorten(name, nameRoom)}${GAP}`;
  const bar = Math.min(BAR_COLUMNS.max, columns - stringWidth(label) - width(facts) - GAP.length);
  return `${label}${renderBar(state, bar, look.color)}${GAP}${facts.join(GAP)}`;
}

function renderBar(state: UploadSnapshot, columns: number, color: boolean): string {
  const full = Math.floor(shareOf(state.progress) * columns);
  if (!color) return FULL.repeat(full) + EMPTY.repeat(columns - full);
  const troubled = !state.online || state.progress.slices.retrying > 0;
  const paint = troubled ? 33 : state.phase === 'hashing' ? 36 : 32;
  return `\u001b[${paint}m${FULL.repeat(full)}\u001b[0;2m${EMPTY.repeat(columns - full)}\u001b[0m`;
}

/** What is known, most important first. */
function renderFacts(state: UploadSnapshot, terse = false): string[] {
  const { progress, resumable, online } = state;
  const waits = waitOf(state);
  const { phase, sizeBytes, slices, resumedBytes, bytesPerSecond, etaMs } = progress;
  const share = shareOf(progress);
  // 100% is for what is done.
  const percent = phase === 'done' ? 100 : Math.min(99, Math.floor(share * 100));
  const facts = [`${waits ?? (online ? phase : 'offline')} ${percent}%`, formatPart(share * sizeBytes, sizeBytes)];
  if (phase !== 'sending' && phase !== 'hashing') return facts;
  const moves = bytesPerSecond > 0 && waits === undefined;
  if (moves) facts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (etaMs !== undefined && moves) facts.push(`${formatDuration(etaMs)} left`);
  if (phase === 'hashing') return facts;
  const { stored, total, inFlight, retrying } = slices;
  facts.push(
    terse
      ? `${stored}/${total} ↑${inFlight}${retrying > 0 ? ` ↻${retrying}` : ''}`
      : `slices ${stored}/${total}, ${inFlight} in flight${retrying > 0 ? `, ${retrying} retrying` : ''}`,
  );
  if (resumedBytes > 0) facts.push(`resumed ${formatBytes(resumedBytes)}`);
  if (!resumable) facts.push('cannot resume');
  return facts;
}

/** What nothing moves for, or undefined. */
function waitOf({ online, waitingFor, progress: { slices } }: UploadSnapshot): string | undefined {
  if (waitingFor === 'network') return 'offline, waiting';
  // Some may be due while there is no place for them: what people see is that nothing goes out.
  if (waitingFor !== 'retry' && (slices.inFlight > 0 || slices.retrying === 0)) return undefined;
  return online ? 'waiting to retry' : 'offline, waiting to retry';
}

function shareOf(progress: UploadProgress): number {
  if (progress.sizeBytes === 0) return progress.phase === 'done' ? 1 : 0;
  return progress.phase === 'hashing' ? progress.hashedBytes / progress.sizeBytes : progress.fraction;
}
