import type { DirectoryLabels } from '../directory-store.ts';
import { StoreError, type Target } from '../store.ts';
import { type Calls, CLOCK_MS, type ListedObject, type Place } from './calls.ts';
import { directoryLock, markDirectory } from './directory-marker.ts';
import { forEachOf } from './for-each-of.ts';
import { type Keys, targetHash } from './keys.ts';
import { infoOf } from './labels.ts';
import type { Lease, S3Locker } from './locker.ts';
import type { Objects } from './objects.ts';
import { isConditionFailed, S3Error } from './s3-error.ts';

export interface DirectoriesGround {
  readonly calls: Calls;
  readonly keys: Keys;
  readonly objects: Objects;
  readonly locker: S3Locker;
}

/** Begins the names of notes of moves under way. */
export const MOVES = 'moves/';

/** What is noted of a move. */
interface Move {
  readonly source: Target;
  readonly target: Target;
  /** Of the new directory. */
  readonly labels: DirectoryLabels;
}

/**
 * Moves what is in a directory, object by object, since an object store has no other way. A note of it is kept meanwhile: whoever
 * asks again for a move that has failed, or whose server has died, goes on with it, and so does a sweep.
 *
 * @param begin what is said of the new directory, once it is certain that there may be one. Undefined when nothing is to be moved
 * @throws StoreError `path-conflict`, `refused` when some of it stays for good; nobody goes on with it then
 */
export function moveDirectory(
  ground: DirectoriesGround,
  source: Target,
  target: Target,
  begin: () => Promise<DirectoryLabels | undefined>,
): Promise<boolean> {
  const { calls, keys, locker } = ground;
  return locker.withLocks([directoryLock(source), directoryLock(target)], async (lease) => {
    const place = keys.own(MOVES + targetHash(source) + targetHash(target));
    const note = await calls.read(place);
    if (note) {
      await finishMove(ground, place, JSON.parse(note.text) as Move, lease);
      return true;
    }
    const labels = await begin();
    if (!labels) return false;
    const move: Move = { source, target, labels };
    await calls.put(place, JSON.stringify(move));
    await finishMove(ground, place, move, lease);
    return true;
  });
}

/** Goes on with a move that nobody has asked for again. What has been put in the old directory since stays. */
export async function resumeMove(ground: DirectoriesGround, place: Place): Promise<void> {
  const { calls, locker } = ground;
  const noted = await calls.read(place);
  if (!noted) return;
  const { source, target } = JSON.parse(noted.text) as Move;
  await locker.withLocks([directoryLock(source), directoryLock(target)], async (lease) => {
    // Whoever held the locks may have come to its end.
    const note = await calls.read(place);
    if (!note) return;
    await finishMove(ground, place, JSON.parse(note.text) as Move, lease, note.head.modifiedAtMs + CLOCK_MS);
  });
}

/** @param untilMs nothing is moved that is younger, by the store's clock. Default: all that is there */
async function finishMove(
  ground: DirectoriesGround,
  note: Place,
  move: Move,
  lease: Lease,
  untilMs: number = Number.POSITIVE_INFINITY,
): Promise<void> {
  const { calls } = ground;
  try {
    await markDirectory(ground, move.target, move.labels, true).catch((error) => {
      if (!isConditionFailed(error)) throw error;
    });
    await moveContents(ground, move, lease, untilMs);
  } catch (error) {
    if (isFinal(error)) await calls.delete(note).catch(() => {});
    throw error;
  }
  await calls.delete(note).catch(() => {});
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
async function moveContents(
  ground: DirectoriesGround,
  { source, target }: Move,
  lease: Lease,
  untilMs: number,
): Promise<void> {
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
    await moveEntry(ground, inside(source, name), inside(target, name), untilMs).catch((error) => {
      if (!isFinal(error)) failure ??= error;
      else if (keptCount++ === 0) kept = { name, error };
    });
  };

  for (let marker: string | undefined; ; ) {
    const page = await calls.list(from.bucket, from.key, marker === undefined ? {} : { marker });
    const old = page.objects.filter(({ modifiedAtMs }) => modifiedAtMs <= untilMs);
    isMarked ||= old.some(({ key }) => key === from.key);
    await forEachOf(
      old.filter(({ key }) => key !== from.key),
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
async function moveEntry(
  { calls, keys, objects }: DirectoriesGround,
  source: Target,
  target: Target,
  untilMs: number,
): Promise<void> {
  await objects.withBoth(source, target, async (lease) => {
    const at = keys.object(source);
    const [head, there] = await Promise.all([calls.head(at), calls.head(keys.object(target))]);
    if (!head || head.modifiedAtMs > untilMs) return;
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
