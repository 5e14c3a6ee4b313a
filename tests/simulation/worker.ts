import { parentPort, workerData } from 'node:worker_threads';
import { play } from './play.ts';

/** What a thread is asked to play, and what it answers, seed by seed. */
interface Task {
  readonly first: number;
  readonly step: number;
  readonly count: number;
  readonly isTold: boolean;
}

const { first, step, count, isTold } = workerData as Task;
// Where an error comes from matters to those who are told.
if (!isTold) Error.stackTraceLimit = 0;
for (let i = 0; i < count; i++) parentPort?.postMessage(await play(first + i * step, isTold));
parentPort?.close();
