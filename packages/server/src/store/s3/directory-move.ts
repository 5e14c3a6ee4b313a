import { randomUUID } from 'node:crypto';
import { StoreError, type Target } from '../store.ts';
import type { Calls, ListedObject } from './calls.ts';
import { forEachOf } from './for-each-of.ts';
import type { Keys } from './keys.ts';
import { infoOf } from './labels.ts';
import type { S3Locker } from './locker.ts';
import type { Objects } from './objects.ts';

export interface DirectoriesGround {
  readonly calls: Calls;
  readonly keys: Keys;
  readonly objects: Objects;
  readonly locker: S3Locker;
}

/** Until there is nothing left: others may put something there meanwhile. */
const MAX_PASSES = 10;
/** Begins the names of notes of moves under way. */
export const MOVES = 'moves/';

export interface Move {
  readonly source: Target;
  readonly target: Target;
}

/**
 * Moves what is in a directory, object by object, since an object store has no other way. A note of it is kept meanwhile: what
 * a dead server leaves half done is brought to its end by another.
 *
 * @param begin makes the new directory
 */
export async function moveDirectory(ground: DirectoriesGround, move: Move, begin: () => Promise<void>): Promise<void> {
  const note = ground.keys.own(MOVES + randomUUID());
  await ground.calls.put(note, JSON.stringify(move));
  await begin();
  await moveContents(ground, move);
  await ground.calls.delete(note);
}

/** Moves what is left. May be done again at any time. */
export async function moveContents(
  { calls, keys, objects }: DirectoriesGround,
  { source, target }: Move,
): Promise<void> {
  const from = keys.directory(source);
  const to = keys.directory(target);
  const moveOne = async ({ key }: ListedObject): Promise<void> => {
    const at = { ...from, key };
    const head = await calls.head(at);
    if (!head) return;
    const name = key.slice(from.key.length);
    const info = infoOf(head);
    await objects.copyBytes(at, head, { ...to, key: to.key + name }, info);
    await objects.remember({ ...target, path: `${target.path}/${name}` }, info.sha);
    await calls.delete(at);
  };

  for (let passes = 0; passes < MAX_PASSES; passes++) {
    let moved = 0;
    for (let marker: string | undefined; ; ) {
      const page = await calls.list(from.bucket, from.key, marker === undefined ? {} : { marker });
      const inside = page.objects.filter(({ key }) => key !== from.key);
      await forEachOf(inside, moveOne);
      moved += inside.length;
      marker = page.nextMarker;
      if (marker === undefined) break;
    }
    if (moved === 0) return calls.delete(from);
  }
  throw new StoreError('busy', { detail: 'the object store still lists what it said that it deleted' });
}
