import { randomUUID } from 'node:crypto';
import { StoreError, type Target } from '../store.ts';
import type { Calls, ListedObject, Place } from './calls.ts';
import { forEachOf } from './for-each-of.ts';
import { type Keys, targetHash } from './keys.ts';
import { infoOf } from './labels.ts';
import type { Lease, S3Locker } from './locker.ts';
import type { Objects } from './objects.ts';
import { S3Error } from './s3-error.ts';

export interface DirectoriesGround {
  readonly calls: Calls;
  readonly keys: Keys;
  readonly objects: Objects;
  readonly locker: S3Locker;
}

/** Begins the names of notes of moves under way. */
export const MOVES = 'moves/';

export interface Move {
  readonly source: Target;
  readonly target: Target;
}

/**
 * The lock of a directory as a whole. A move holds two of them while it takes those of the objects and markers inside, one pair
 * after another: whoever holds one of the latter never waits for one of the former.
 */
export const directoryLock = (target: Target): string => `directory-${targetHash(target)}`;

/**
 * Moves what is in a directory, object by object, since an object store has no other way. A note of it is kept meanwhile: what
 * a dead server leaves half done is brought to its end by another.
 *
 * @param lease of both directories
 * @param begin makes the new directory
 */
export async function moveDirectory(
  ground: DirectoriesGround,
  move: Move,
  lease: Lease,
  begin: () => Promise<void>,
): Promise<void> {
  const note = ground.keys.own(MOVES + randomUUID());
  await ground.calls.put(note, JSON.stringify(move));
  await begin();
  await moveContents(ground, move, lease);
  await ground.calls.delete(note);
}

/** The same for what a dead server has left of a move. */
export async function resumeMove(ground: DirectoriesGround, note: Place): Promise<void> {
  const noted = await ground.calls.read(note);
  if (!noted) return;
  const move = JSON.parse(noted.text) as Move;
  await ground.locker.withLocks([directoryLock(move.source), directoryLock(move.target)], async (lease) => {
    // Whoever held the locks has come to its end, perhaps.
    if (!(await ground.calls.head(note))) return;
    await moveContents(ground, move, lease);
    await ground.calls.delete(note);
  });
}

/** Whether another try would end in the same way. */
function isFinal(error: unknown): error is StoreError | S3Error {
  if (error instanceof StoreError) return error.problem === 'path-conflict' || error.problem === 'refused';
  return error instanceof S3Error && error.refusal !== undefined;
}

interface Kept {
  readonly name: string;
  readonly error: StoreError | S3Error;
}

/** Moves what is left. May be done again at any time. */
async function moveContents(ground: DirectoriesGround, { source, target }: Move, lease: Lease): Promise<void> {
  const { calls, keys } = ground;
  const from = keys.directory(source);
  const inside = (directory: Target, name: string): Target => ({ ...directory, path: `${directory.path}/${name}` });
  let isMarked = false;
  /** What another try may mend. */
  let failure: unknown;
  /** What stays for good, the first of it. */
  let kept: Kept | undefined;
  let keptCount = 0;

  /** One that cannot be moved does not keep the others. */
  const moveOne = async ({ key }: ListedObject): Promise<void> => {
    const name = key.slice(from.key.length);
    await moveEntry(ground, inside(source, name), inside(target, name)).catch((error) => {
      if (!isFinal(error)) failure ??= error;
      else if (keptCount++ === 0) kept = { name, error };
    });
  };

  for (let marker: string | undefined; ; ) {
    const page = await calls.list(from.bucket, from.key, marker === undefined ? {} : { marker });
    isMarked ||= page.objects.some(({ key }) => key === from.key);
    await forEachOf(
      page.objects.filter(({ key }) => key !== from.key),
      moveOne,
    );
    marker = page.nextMarker;
    if (marker === undefined) break;
  }
  if (failure !== undefined) throw failure;
  if (kept) throw keptError(source, keptCount, kept);
  lease.check();
  if (isMarked) await calls.delete(from);
}

/** Moves an object or a marker, unless it has gone, or come to the new path already. */
async function moveEntry({ calls, keys, objects }: DirectoriesGround, source: Target, target: Target): Promise<void> {
  await objects.withBoth(source, target, async (lease) => {
    const at = keys.object(source);
    const [head, there] = await Promise.all([calls.head(at), calls.head(keys.object(target))]);
    if (!head) return;
    const info = infoOf(head);
    if (there && infoOf(there).revision !== info.revision) {
      throw new StoreError('path-conflict', { detail: 'something else is at its new path' });
    }
    // Somebody may have described it after a server had copied it and died.
    if (!there || there.modifiedAtMs < head.modifiedAtMs) {
      lease.check();
      await objects.copyBytes(at, head, target, info);
    }
    await objects.remember(target, info.sha);
    lease.check();
    await calls.delete(at);
    if (await calls.head(at)) {
      throw new StoreError('busy', { detail: 'the object store still has what it said that it deleted' });
    }
  });
}

/** What the client is told of what stays. */
function keptError({ path }: Target, count: number, { name, error }: Kept): StoreError {
  const [problem, reason] =
    error instanceof StoreError ? [error.problem, error.detail] : (['refused', error.refusal] as const);
  return new StoreError(problem, { cause: error, detail: `${count} stay in ${path}/, such as ${name}: ${reason}` });
}
