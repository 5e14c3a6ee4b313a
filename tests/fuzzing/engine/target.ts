/** Something that reads what strangers send. */
export interface Target {
  readonly name: string;
  /** What is read, and what is expected of that, in a line. */
  readonly about: string;
  /** Inputs to begin with: what is sent in good faith, and what has been found to be of interest. */
  readonly seeds: readonly (string | Buffer)[];
  /** Words of the format, beside those in the code. */
  readonly words?: readonly string[];
  /** No input is longer. Default 4096 bytes. */
  readonly mostBytes?: number;
  /** Inputs of these many bytes may be made of a short one by repeating a piece of it, to see what they cost. Default: none. */
  readonly growsTo?: number;
  /** Reads an input. Whatever it throws is a defect. */
  run(input: Buffer): void | Promise<void>;
  close?(): Promise<void>;
}

/** What a target says of an input that does what it must not. */
export class Defect extends Error {
  override readonly name = 'Defect';
}

/** @throws Defect */
export function expect(isRight: boolean, what: string): asserts isRight {
  if (!isRight) throw new Defect(what);
}
