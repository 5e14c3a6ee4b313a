import { lockKey } from '../../locker.ts';
import type { Target } from '../store.ts';
import { PATIENCE_MS, within } from './patience.ts';

/**
 * Keeps moves of directories apart from changes of what is in them: labels go a way of their own, and what was written on the way
 * would stay behind. What comes first goes first.
 */
export interface Moves {
  /** Runs a change of what is at these paths. @throws StoreError `busy` when a directory there is being moved for long */
  change<T>(targets: readonly Target[], task: () => Promise<T>): Promise<T>;
  /** Runs a move from one of these directories to the other. @throws StoreError `busy` when changes there take long */
  move<T>(targets: readonly Target[], task: () => Promise<T>): Promise<T>;
}

interface Task {
  readonly paths: readonly string[];
  readonly over: Promise<void>;
}

export function createMoves(patienceMs: number = PATIENCE_MS): Moves {
  const changes = new Set<Task>();
  const moves = new Set<Task>();

  async function run<T>(
    own: Set<Task>,
    others: readonly Set<Task>[],
    targets: readonly Target[],
    act: () => Promise<T>,
  ): Promise<T> {
    const paths = targets.map(lockKey);
    const before = others.flatMap((tasks) => [...tasks]).filter((task) => overlap(task.paths, paths));
    let end = () => {};
    const task: Task = { paths, over: new Promise((resolve) => (end = resolve)) };
    own.add(task);
    try {
      if (before.length > 0) {
        const free = Promise.all(before.map(({ over }) => over));
        await within(free, patienceMs, 'a directory there is being moved: ask again');
      }
      return await act();
    } finally {
      own.delete(task);
      end();
    }
  }

  return {
    change: (targets, task) => run(changes, [moves], targets, task),
    move: (targets, task) => run(moves, [moves, changes], targets, task),
  };
}

function overlap(some: readonly string[], others: readonly string[]): boolean {
  return some.some((one) => others.some((other) => isWithin(one, other) || isWithin(other, one)));
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
