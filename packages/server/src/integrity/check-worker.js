// @ts-check
// Plain JavaScript: a worker thread loads it as it is, from the sources as well as from the package.
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { createSHA1 } from 'hash-wasm';
import { followChain } from './follow-chain.js';

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
function matches({ range: { fd, startBytes, endBytes }, chain, md5 }) {
  const hash = md5 === undefined ? undefined : createHash('md5');
  const follow = chain && followChain(sha1, chain);
  for (let at = startBytes; at < endBytes; ) {
    const bytesRead = readSync(fd, buffer, 0, Math.min(buffer.length, endBytes - at), at);
    if (bytesRead === 0) throw new Error('the file is shorter than what was written');
    const bytes = buffer.subarray(0, bytesRead);
    if (follow && !follow(bytes)) return false;
    hash?.update(bytes);
    at += bytesRead;
  }
  return hash === undefined || hash.digest('hex') === md5;
}
