// @ts-check
import { parentPort, workerData } from 'node:worker_threads';
import { readNames } from './read-names.js';

const names = await readNames(workerData, Number.POSITIVE_INFINITY);
if (names) parentPort?.postMessage(names, [names.bytes.buffer, names.ends.buffer]);
