import type { IHasher } from 'hash-wasm';
import type { Expected } from './checker.ts';

/** Bytes held, as they are read, against what they should be. */
export interface Check {
  /** Whether all is well so far. */
  take(bytes: Uint8Array): boolean;
  /** Once all have been taken. */
  isGood(): boolean;
}

/** @param sha1 must not be used for anything else meanwhile */
export function startCheck(sha1: IHasher, expected: Expected): Check;
