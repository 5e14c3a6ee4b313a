/** What tells one content of a file from another without reading it. */
export interface FileFacts {
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ino: bigint;
}

/** Changes whenever the content does. */
export function revisionOf(facts: FileFacts): string;
