import { describeOptions, type OptionRow } from '@cos-slice/node';
import { type FlagNames, UsageError } from './failure.ts';
import { checkAll, formatSize, list, parseBytes } from './units.ts';

/** Whole numbers that a flag takes, multiples of `step`. */
export interface Range {
  readonly min: number;
  readonly max: number;
  readonly step?: number;
}

/** What commander makes of a flag on the command line. */
export type Given = string | boolean | readonly string[] | undefined;

/** A flag: how it is typed, what help says of it, and how it is read. */
export interface Flag<T = unknown> {
  /** `--slice-size <SIZE>` */
  readonly usage: string;
  readonly doc: string;
  /** Stands in when the flag is not given. */
  readonly variable?: string;
  readonly required?: boolean;
  /** May be given several times. */
  readonly repeatable?: boolean;
  /** What may be given, where that is a few words. For shells that complete them, as what follows. */
  readonly choices?: readonly string[];
  /** A path of this machine. */
  readonly takes?: 'file' | 'directory';
  /** What turns it off again. */
  readonly opposite?: { readonly usage: string; readonly doc: string };
  /** It is never printed; a URL is unless it has a user, a password or a query. */
  readonly secret?: 'always' | 'in-url';
  /**
   * @param name of the flag, or of the variable that stands in for it
   * @throws UsageError
   */
  read(given: Given, name: string): T;
}

/** The flags of a command, by the names that the library's options have, so that its messages can be told in flags. */
export type Flags = Readonly<Record<string, Flag>>;
export type Values<F extends Flags> = { readonly [Name in keyof F]: F[Name] extends Flag<infer T> ? T : never };

export function textFlag(usage: string, doc: string): Flag<string | undefined> {
  return { usage, doc, read: (given) => (given === undefined ? undefined : String(given)) };
}

export function switchFlag(usage: string, doc: string): Flag<boolean> {
  return { usage, doc, read: (given) => given === true };
}

/** `--no-...`: true unless it is given. */
export function negatedFlag(usage: string, doc: string): Flag<boolean> {
  return { usage, doc, read: (given) => given !== false };
}

export function wholeFlag<D extends number | undefined>(
  usage: string,
  doc: string,
  { min, max }: Range,
  fallback: D,
): Flag<number | D> {
  return {
    usage,
    doc: `${doc} (${[`${min} to ${max}`, ...defaultOf(fallback)].join('; ')})`,
    read(given, name) {
      if (given === undefined) return fallback;
      const value = Number(given);
      if (!/^\d+$/.test(String(given)) || value < min || value > max) {
        throw new UsageError(`${name} must be a whole number from ${min} to ${max}, got '${given}'`);
      }
      return value;
    },
  };
}

/** Bytes, as `1048576`, `512k`, `1MiB` or `3 MB` (1024-based). */
export function sizeFlag(usage: string, doc: string, range: Range, fallback?: number): Flag<number | undefined> {
  const { min, max, step = 1 } = range;
  const bounds = `${formatSize(min)} to ${formatSize(max)}`;
  const shown = fallback === undefined ? undefined : formatSize(fallback);
  return {
    usage,
    doc: `${doc} (${[bounds, ...defaultOf(shown)].join('; ')})`,
    read(given, name) {
      if (given === undefined) return undefined;
      const bytes = parseBytes(name, String(given));
      if (bytes < min || bytes > max || bytes % step !== 0) {
        throw new UsageError(`${name} must be from ${bounds} and a multiple of ${step} bytes, got '${given}'`);
      }
      return bytes;
    },
  };
}

export function choiceFlag<T extends string>(
  usage: string,
  doc: string,
  choices: readonly T[],
  fallback?: string,
): Flag<T | undefined> {
  return {
    usage,
    doc: `${doc} (${[list(choices), ...defaultOf(fallback)].join('; ')})`,
    choices,
    read(given, name) {
      const found = choices.find((one) => one === given);
      if (given !== undefined && found === undefined) {
        throw new UsageError(`${name} must be ${list(choices)}, got '${given}'`);
      }
      return found;
    },
  };
}

/** It may be given several times. */
export function textsFlag(usage: string, doc: string): Flag<readonly string[]> {
  return { usage, doc, repeatable: true, read: (given) => (Array.isArray(given) ? given : []) };
}

function defaultOf(value: string | number | undefined): string[] {
  return value === undefined ? [] : [`default: ${value}`];
}

const ROWS = new Map(describeOptions().map((row) => [row.name, row]));

/** An option of the library, from the table that it is checked by. */
export function optionRow<K extends OptionRow['kind']>(name: string, kind: K): OptionRow & { readonly kind: K } {
  const row = ROWS.get(name);
  if (row?.kind !== kind) throw new TypeError(`there is no option ${name} of kind ${kind}`);
  return row as OptionRow & { readonly kind: K };
}

/** What the table says of an option, as help says it. */
export function optionDoc(name: string): string {
  const doc = ROWS.get(name)?.doc ?? '';
  return doc.replaceAll('`', '').replace(/^[A-Z](?![A-Z])/, (letter) => letter.toLowerCase());
}

/** `-l, --long`, `--slice-size <SIZE>` -> `--long`, `--slice-size` */
export function nameOf({ usage }: Pick<Flag, 'usage'>): string {
  return /--[\w-]+/.exec(usage)?.[0] ?? usage;
}

/** Flags as they are typed, by the names of the library's options. */
export function flagNames(flags: Flags): FlagNames {
  return Object.fromEntries(Object.entries(flags).map(([key, flag]) => [key, nameOf(flag)]));
}

/** Reads flags, and the variables that stand in for them. @throws UsageError with every issue */
export function readFlags<F extends Flags>(
  flags: F,
  given: Readonly<Record<string, Given>>,
  environment: NodeJS.ProcessEnv = process.env,
): Values<F> {
  const entries = Object.entries(flags);
  const values = checkAll(
    ...entries.map(([key, flag]) => () => {
      const variable = flag.variable !== undefined && given[key] === undefined ? flag.variable : undefined;
      // Empty is what an unset variable becomes in scripts.
      const value = variable === undefined ? given[key] : environment[variable] || undefined;
      return flag.read(value, variable ?? nameOf(flag));
    }),
  );
  return Object.fromEntries(entries.map(([key], index) => [key, values[index]])) as Values<F>;
}
