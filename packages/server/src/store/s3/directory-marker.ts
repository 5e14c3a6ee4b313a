import type { DirectoryLabels } from '../directory-store.ts';
import type { Target } from '../store.ts';
import type { Calls } from './calls.ts';
import { type Keys, targetHash } from './keys.ts';
import { headersOf } from './labels.ts';
import { newRevision } from './objects.ts';

/**
 * The lock of a directory as a whole. A move holds two of them while it takes those of the objects and markers inside, one pair
 * after another: whoever holds one of the latter never waits for one of the former.
 */
export const directoryLock = (target: Target): string => `directory-${targetHash(target)}`;

/** Puts the empty object there that says that somebody has created the directory. */
export async function markDirectory(
  { calls, keys }: { readonly calls: Calls; readonly keys: Keys },
  target: Target,
  labels: DirectoryLabels,
  ifNew: boolean,
): Promise<void> {
  const headers = headersOf({ ...labels, revision: newRevision(), modifiedAtMs: Date.now() });
  await calls.put(keys.directory(target), '', { headers, ifNew });
}
