import type { FailureFacts } from './failure.ts';
import type { Flags, Given } from './flags.ts';

/** A command: what it takes, what its help says, and what it does. A file of `commands/` has one, and nobody else knows it. */
export interface Command {
  readonly name: string;
  /** For the list of commands. */
  readonly summary: string;
  readonly description: string;
  /** What stands on the command line beside flags; all of it has to be there. */
  readonly operands: readonly { readonly usage: string; readonly doc: string }[];
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

export interface Call {
  readonly operands: readonly string[];
  /** By the names of `flags`. */
  readonly given: Readonly<Record<string, Given>>;
  /** The whole command line, to say what to run again. */
  readonly argv: readonly string[];
  /** For the report, should it fail. */
  readonly facts: FailureFacts;
}
