import { toLine } from './text.ts';

/** Redraws at most ten times a second. */
const DRAW_EVERY_MS = 100;
/** Without a terminal: a line now and then, for logs. */
const LINE_EVERY_MS = 3000;

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_REST = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
// Terminals do not agree on how wide some characters are: what is too long is cut off, never wrapped.
const NO_WRAP = '\u001b[?7l';
const WRAP = '\u001b[?7h';

/** The last columns are for the ^C that a terminal shows: it must not begin a new line. */
const SPARE_COLUMNS = 3;

/** Something that is shown until it ends. */
export interface ProgressView {
  /** Gives the lines and the cursor back. May be called twice. */
  end(): void;
  /** Writes something, with its line break, and goes on below it. */
  above(text: string): void;
}

/** What there is to draw on: `process.stderr`. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  write(text: string): unknown;
}

export interface Look {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
}

export interface Shown {
  /** What to draw, in lines that fit; none: nothing yet. */
  lines(look: Look): readonly string[];
  /** The same in one line for logs. */
  line(): string;
}

/** Shows something until `end`: lines that redraw themselves on a terminal, plain ones elsewhere. */
export function showLive(terminal: Terminal, shown: Shown, environment: NodeJS.ProcessEnv): ProgressView {
  const live = terminal.isTTY === true && environment.TERM !== 'dumb';
  const color = !environment.NO_COLOR;
  let drawnLines = 0;
  let isHidden = false;
  let printAtMs = performance.now() + LINE_EVERY_MS;
  /** To the first of the lines that were drawn. */
  const back = (): string => (drawnLines > 1 ? `\r\u001b[${drawnLines - 1}A` : '\r');
  const draw = (): void => {
    // Terminals without a size say 0.
    const look = { columns: (terminal.columns || 80) - SPARE_COLUMNS, rows: terminal.rows || 24, color };
    const lines = shown.lines(look);
    if (lines.length === 0) return;
    const text = lines.map((line) => `${line}${CLEAR_REST}`).join('\r\n');
    const below = lines.length < drawnLines ? CLEAR_BELOW : '';
    terminal.write(`${isHidden ? '' : HIDE_CURSOR}${NO_WRAP}${back()}${text}${below}${WRAP}`);
    isHidden = true;
    drawnLines = lines.length;
  };
  const show = (): void => {
    if (live) draw();
    else if (performance.now() >= printAtMs) {
      printAtMs += LINE_EVERY_MS;
      terminal.write(`${toLine(shown.line())}\n`);
    }
  };
  const end = (): void => {
    clearInterval(timer);
    process.off('exit', end);
    const last = `${erase()}${isHidden ? SHOW_CURSOR : ''}`;
    if (last !== '') terminal.write(last);
    isHidden = false;
  };
  const erase = (): string => {
    const erased = drawnLines > 0 ? `${back()}${drawnLines > 1 ? CLEAR_BELOW : CLEAR_REST}` : '';
    drawnLines = 0;
    return erased;
  };
  // Looks at what goes on instead of listening to it: what stalls is redrawn too, and what is fast not too often.
  const timer = setInterval(show, DRAW_EVERY_MS);
  timer.unref();
  process.once('exit', end);
  return { end, above: (text) => terminal.write(`${erase()}${text}`) };
}
