import type { Command } from '../command.ts';

/** What may follow: nothing that a shell could know, a path of this machine, or a few words. */
export type Value = 'unknown' | 'file' | 'directory' | readonly string[];

/** What a shell is to know of a command. */
export interface CommandWords {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly FlagWords[];
  readonly operands: readonly OperandWords[];
}

export interface FlagWords {
  /** `-l`, where it has one. */
  readonly short?: string;
  /** `--long` */
  readonly long: string;
  readonly doc: string;
  /** Of what comes after it, in help: `SIZE`. */
  readonly placeholder?: string;
  /** None: nothing comes after it. */
  readonly value?: Value;
  readonly repeatable: boolean;
}

export interface OperandWords {
  readonly placeholder: string;
  readonly many: boolean;
  readonly value: Value;
}

/** Read from the tables that commands are made of. */
export function wordsOf({ name, summary, flags, operands }: Command): CommandWords {
  const all = Object.values(flags).flatMap((flag) => {
    const { usage, doc, choices, takes, repeatable = false, opposite } = flag;
    const own = { ...namesOf(usage), doc, repeatable };
    const value: { readonly value?: Value } =
      own.placeholder === undefined ? {} : { value: choices ?? takes ?? 'unknown' };
    const off = opposite ? [{ ...namesOf(opposite.usage), doc: opposite.doc, repeatable: false }] : [];
    return [{ ...own, ...value }, ...off];
  });
  // Which one of several is the last cannot be known before it is typed.
  const isOpen = operands.some(({ usage }) => usage.includes('...'));
  return {
    name,
    summary,
    flags: [...all, { short: '-h', long: '--help', doc: 'display help for command', repeatable: false }],
    operands: operands.slice(0, isOpen ? 1 : undefined).map(
      ({ usage, completes }): OperandWords => ({
        placeholder: usage.replace(/^[<[]|(\.{3})?[>\]]$/g, ''),
        many: usage.includes('...'),
        value: completes ?? 'unknown',
      }),
    ),
  };
}

/** `-l, --long`, `--slice-size <SIZE>` */
function namesOf(usage: string): Pick<FlagWords, 'short' | 'long' | 'placeholder'> {
  const [, short, long = usage, placeholder] = /^(?:(-\w), )?(--[\w-]+)(?: <(.*)>)?$/.exec(usage) ?? [];
  return { ...(short && { short }), long, ...(placeholder && { placeholder }) };
}
