import { type Client, type Entry, isCosSliceError } from '@cos-slice/node';

/** What has been removed so far. */
export interface Removed {
  files: number;
  directories: number;
  failed: number;
}

export interface RemoveAllOptions {
  readonly signal: AbortSignal;
  /** Looks, and removes nothing. */
  readonly dryRun: boolean;
  /** Counts, while it goes on. */
  readonly removed: Removed;
  /** Each that is removed, or would be. */
  onRemove(entry: Entry): Promise<void>;
  /** One that cannot be. @throws what ends it all */
  onFailure(entry: Entry, error: unknown): void;
}

/** Requests that are waited for at once; the client lets fewer through when the server is busy. */
const AT_ONCE = 16;

/** Removes a directory with all that is in it, from below. The bucket itself stays. */
export async function removeAll(client: Client, directory: Entry, options: RemoveAllOptions): Promise<void> {
  const { signal, dryRun, removed, onRemove, onFailure } = options;
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;

  /** @returns whether it is gone */
  const remove = async (entry: Entry): Promise<boolean> => {
    try {
      if (!dryRun) await client.remove(entry.path, { signal });
    } catch (error) {
      // What is there only because something is in it goes with it; others may remove, too.
      if (!isCosSliceError(error, 'not-found')) {
        onFailure(entry, error);
        removed.failed += 1;
        return false;
      }
    }
    removed[entry.kind === 'file' ? 'files' : 'directories'] += 1;
    await onRemove(entry);
    return true;
  };
  const start = async (entry: Entry, onStays: () => void): Promise<void> => {
    const one: Promise<void> = remove(entry)
      .then((isGone) => {
        if (!isGone) onStays();
      })
      .catch((error) => {
        failure ??= { error };
      })
      .finally(() => running.delete(one));
    running.add(one);
    if (running.size >= AT_ONCE) await Promise.race(running);
  };
  /** @returns whether nothing is left in it */
  const empty = async (path: string): Promise<boolean> => {
    let isEmpty = true;
    const onStays = (): void => {
      isEmpty = false;
    };
    for await (const entry of client.list(path, { signal })) {
      if (failure) break;
      if (entry.kind === 'file') await start(entry, onStays);
      else if (!(await leave(entry))) onStays();
    }
    await Promise.all(running);
    if (failure) throw failure.error;
    return isEmpty;
  };
  // That a directory is not empty says nothing new when what is left in it has been told.
  const leave = async (entry: Entry): Promise<boolean> => (await empty(entry.path)) && remove(entry);
  try {
    await (directory.path === '' ? empty('') : leave(directory));
  } finally {
    await Promise.all(running);
  }
}
