// @ts-check
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Whether processes can be bound to processors here, and there are two of these. */
export function canBind() {
  return availableParallelism() > 1 && spawnSync('taskset', ['-p', String(process.pid)]).status === 0;
}

/**
 * From now on all threads of a process run on one processor.
 *
 * @param {number} processor counted from 0
 * @param {number} pid
 */
export function bindTo(processor, pid) {
  const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', String(processor), String(pid)]);
  if (status !== 0) throw new Error(`taskset: ${stderr}`);
}
