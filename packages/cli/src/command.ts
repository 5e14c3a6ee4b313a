import type { FailureFacts } from './failure.ts';
import type { Flags, Given } from './flags.ts';

/** A command: what it takes, what its help says, and what it does. A file of `commands/` has one, and nobody else knows it. */
export interface Command {
  readonly name: string;
  /** For the list of commands. */
  readonly summary: string;
  readonly description: string;
  /** What stands on the command line beside flags. */
  readonly operands: readonly Operand[];
  readonly flags: Flags;
  /** More for its help, in paragraphs. */
  readonly notes: readonly string[];
  readonly examples: readonly string[];
  /** Variables that no flag stands for, and what they do. */
  readonly variables: Readonly<Record<string, string>>;
  /**
   * Prints results to stdout, everything else to stderr.
   *
   * @returns the exit code
   * @throws anything: it is reported
   */
  run(call: Call): Promise<number>;
}

export interface Operand {
  /** `<FILE>`, `<FILE...>` for one or more, `[FILE]` for one that may be left out. */
  readonly usage: string;
  readonly doc: string;
  /** For shells that complete it: a path of this machine, or a few words. */
  readonly completes?: 'file' | 'directory' | readonly string[];
}

export interface Call {
  readonly operands: readonly string[];
  /** By the names of `flags`. */
  readonly given: Readonly<Record<string, Given>>;
  /** The whole command line, to say what to run again. */
  readonly argv: readonly string[];
  /** Every command there is. */
  commands(): Promise<readonly Command[]>;
  /** For the report, should it fail. */
  readonly facts: FailureFacts;
}
