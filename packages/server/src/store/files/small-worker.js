// @ts-check
import { parentPort, workerData } from 'node:worker_threads';
import { placeSmall } from './place-small.js';

/** @import { SmallJob, SmallMemory } from './small-files.ts' */

/** @type {SmallMemory} */
const { memory, roomBytes } = workerData;

parentPort?.on('message', (/** @type {readonly SmallJob[]} */ jobs) => {
  const placed = jobs.map(({ object, room, sizeBytes }) =>
    placeSmall(object, new Uint8Array(memory, room * roomBytes, sizeBytes)),
  );
  parentPort?.postMessage(placed);
});
