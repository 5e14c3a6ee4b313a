import { lstat, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StoreError, type Target } from '../store.ts';
import { hasCode, ifPresent } from './fs-errors.ts';
import type { Layout } from './layout.ts';

/**
 * The way to what is in a bucket. The operator may have made the folder of an appid or a bucket a link; below a bucket symbolic
 * links are never followed: on the way to an object they count as a conflict when writing and as absence when reading, so
 * nothing in a bucket can lead out of it.
 */
export interface Reach {
  /**
   * The deepest directory that exists on the way; what is below it gets created.
   *
   * @throws StoreError `path-conflict` when it is none, or is reached by links
   */
  deepestAbove(target: Target): Promise<string>;
  /** Whether a directory of the target's bucket is there and is where it seems to be. */
  isReached(target: Target, dir: string): Promise<boolean>;
}

export function createReach(layout: Layout): Reach {
  async function isWhereItSeems(target: Target, dir: string, real: string): Promise<boolean> {
    if (real === dir) return true;
    const bucketDir = layout.bucketDir(target);
    const realBucket = await ifPresent(realpath(bucketDir));
    return realBucket !== undefined && real === realBucket + dir.slice(bucketDir.length);
  }

  return {
    async deepestAbove(target) {
      const parent = dirname(layout.objectPath(target));
      // Nearly always it is there, and no link leads to it. What is no directory is none with a slash behind it, either.
      if ((await ifPresent(realpath(`${parent}/`)).catch(() => undefined)) === parent) return parent;
      const bucketDir = layout.bucketDir(target);
      for (let dir = parent; dir.length > layout.root.length; dir = dirname(dir)) {
        // The entry itself first: asked in any other order, one that somebody makes meanwhile looks like a dangling link.
        const entry = await ifPresent(lstat(dir)).catch(asConflict('ELOOP'));
        if (!entry) continue;
        const isOperators = dir.length <= bucketDir.length;
        const isDirectory = isOperators ? (await stat(dir)).isDirectory() : entry.isDirectory();
        if (!isDirectory) throw new StoreError('path-conflict');
        const real = await ifPresent(realpath(dir));
        if (real === undefined) continue;
        if (!isOperators && !(await isWhereItSeems(target, dir, real))) throw new StoreError('path-conflict');
        return dir;
      }
      return layout.root;
    },
    async isReached(target, dir) {
      const real = await ifPresent(realpath(dir));
      return real !== undefined && isWhereItSeems(target, dir, real);
    },
  };
}

/** Turns errors of these codes into the conflict they stand for. */
export function asConflict(...codes: string[]): (error: unknown) => never {
  return (error) => {
    throw hasCode(error, ...codes) ? new StoreError('path-conflict', { cause: error }) : error;
  };
}
