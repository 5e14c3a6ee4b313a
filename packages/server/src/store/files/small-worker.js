// @ts-check
import { parentPort, workerData } from 'node:worker_threads';
import { placeSmall } from './place-small.js';

/** @import { SmallJob, SmallMemory } from './small-files.ts' */

/** @type {SmallMemory} */
const { memory, roomBytes } = workerData;

parentPort?.on('message', (/** @type {readonly SmallJob[]} */ jobs) => {
  // One after another: who has sent the first goes on while the others are put in place.
  for (const { object, room, sizeBytes } of jobs) {
    parentPort?.postMessage(placeSmall(object, new Uint8Array(memory, room * roomBytes, sizeBytes)));
  }
});
