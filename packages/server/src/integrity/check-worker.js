// @ts-check
// Plain JavaScript: a worker thread loads it as it is, from the sources as well as from the package.
import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { createSHA1 } from 'hash-wasm';
import { startCheck } from './start-check.js';

/** @import { CheckJob } from './checker.ts' */

const buffer = Buffer.allocUnsafeSlow(256 * 1024);
const sha1 = await createSHA1();

parentPort?.on('message', (/** @type {CheckJob} */ job) => {
  try {
    parentPort?.postMessage({ id: job.id, matches: matches(job) });
  } catch (error) {
    parentPort?.postMessage({ id: job.id, error });
  }
});

/** @param {CheckJob} job */
function matches({ range: { fd, startBytes, endBytes }, ...expected }) {
  const check = startCheck(sha1, expected);
  for (let at = startBytes; at < endBytes; ) {
    const bytesRead = readSync(fd, buffer, 0, Math.min(buffer.length, endBytes - at), at);
    if (bytesRead === 0) throw new Error('the file is shorter than what was written');
    if (!check.take(buffer.subarray(0, bytesRead))) return false;
    at += bytesRead;
  }
  return check.isGood();
}
