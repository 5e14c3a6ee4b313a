import type { ByteRange } from '../../ports.ts';

/** A rule that every history keeps. It is asked hundreds of thousands of times, and costs next to nothing. */
export function rule(what: string, holds: boolean): void {
  if (!holds) throw new Error(`a rule is broken: ${what}`);
}

export function sameRange(one: ByteRange, other: ByteRange): boolean {
  return one.offset === other.offset && one.length === other.length;
}
