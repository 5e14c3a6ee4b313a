/** The keys of a directory's files and directories in the order of their bytes, end to end. */
export interface Names {
  readonly bytes: Uint8Array;
  /** Where each one ends. */
  readonly ends: Uint32Array;
  /** How many of them end in a slash. */
  readonly directories: number;
}

/** Undefined when there are more than so many. Rejects with what reading the directory fails with. */
export function readNames(dir: string, maxEntries: number): Promise<Names | undefined>;
