import stringWidth from 'string-width';
import { shorten } from './text.ts';

const FULL = '█';
const EMPTY = '░';
export const GAP = '  ';
const BAR_COLUMNS = { min: 10, max: 30 };
export const NAME_COLUMNS: { readonly min: number; readonly max: number } = { min: 8, max: 24 };

/** What a bar shows. */
export interface Bar {
  readonly name: string;
  /** From 0 to 1. */
  readonly share: number;
  readonly mood: keyof typeof PAINT;
  /** What is known, most important first. */
  readonly facts: readonly string[];
  /** The same for where there is little room. */
  readonly terse?: readonly string[];
}

/** Colours of a terminal. */
const PAINT = { well: 32, troubled: 33, preparing: 36 } as const;

/** One line of at most `columns`: the last facts go first when it is tight, and name and bar take what is left. */
export function renderBarLine(bar: Bar, look: { readonly columns: number; readonly color: boolean }): string {
  const { columns } = look;
  const width = (facts: readonly string[]): number => stringWidth(facts.join(GAP));
  const room = columns - BAR_COLUMNS.min - GAP.length;
  const facts = [...(width(bar.facts) > room ? (bar.terse ?? bar.facts) : bar.facts)];
  while (facts.length > 1 && width(facts) > room) facts.pop();
  if (width(facts) > room) return shorten(facts.join(GAP), columns);

  const nameRoom = Math.min(NAME_COLUMNS.max, room - width(facts) - GAP.length);
  const label = nameRoom < NAME_COLUMNS.min ? '' : `${shorten(bar.name, nameRoom)}${GAP}`;
  const barColumns = Math.min(BAR_COLUMNS.max, columns - stringWidth(label) - width(facts) - GAP.length);
  return `${label}${paint(bar, barColumns, look.color)}${GAP}${facts.join(GAP)}`;
}

function paint({ share, mood }: Bar, columns: number, color: boolean): string {
  const full = Math.floor(Math.min(1, share) * columns);
  if (!color) return FULL.repeat(full) + EMPTY.repeat(columns - full);
  return `\u001b[${PAINT[mood]}m${FULL.repeat(full)}\u001b[0;2m${EMPTY.repeat(columns - full)}\u001b[0m`;
}
