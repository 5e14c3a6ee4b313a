import type { Inode } from '@cos-slice/testkit/simulated/disk';

/** What stat tells of a file. */
export interface Facts {
  readonly size: number | bigint;
  readonly ino: number | bigint;
  readonly dev: number | bigint;
  readonly mtimeMs: number;
  readonly mtimeNs: bigint;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

export function factsOf(
  { bytes, number, isDirectory, modifiedAtMs }: Inode,
  { bigint = false }: { bigint?: boolean } = {},
): Facts {
  const as = bigint ? BigInt : Number;
  return {
    size: as(bytes.length),
    ino: as(number),
    dev: as(1),
    mtimeMs: modifiedAtMs,
    get mtimeNs() {
      return BigInt(Math.floor(modifiedAtMs * 1000)) * 1000n;
    },
    isFile: () => !isDirectory,
    isDirectory: () => isDirectory,
    isSymbolicLink: () => false,
  };
}
