import type { CloudEntry } from './cloud.ts';

export const NOTHING: Buffer = Buffer.alloc(0);
export const entryOf = (facts: object, bytes: Buffer = NOTHING): CloudEntry => ({
  bytes,
  facts: JSON.stringify(facts),
});
export const factsOf = <T>({ facts }: { facts: string }): T => JSON.parse(facts) as T;
