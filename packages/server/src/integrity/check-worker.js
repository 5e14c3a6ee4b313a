// @ts-check
// Plain JavaScript: a worker thread loads it as it is, from the sources as well as from the package.
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { createSHA1 } from 'hash-wasm';

/** @import { ChainPlan } from './chain-plan.ts' */
/** @import { CheckJob } from './checker.ts' */

const buffer = Buffer.allocUnsafeSlow(256 * 1024);
const sha1 = await createSHA1();
/** hash-wasm's saved state holds the five chaining words here, each little-endian: as `datasha` spells them. */
const [STATE_AT, STATE_END] = [4, 24];

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
  const follow = chain && followChain(chain);
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

/**
 * Takes a slice piece by piece, and says whether all is well so far.
 *
 * @param {ChainPlan} plan
 */
function followChain({ fromBytes, state, marks }) {
  sha1.init();
  if (state) {
    const saved = sha1.save();
    saved.set(state, STATE_AT);
    sha1.load(saved);
  }
  let position = fromBytes;
  let seenBytes = 0;
  let passed = 0;
  return (/** @type {Uint8Array} */ bytes) => {
    const startBytes = seenBytes;
    seenBytes += bytes.length;
    for (let mark = marks[passed]; mark && position < seenBytes; mark = marks[passed]) {
      const end = Math.min(mark.atBytes, seenBytes);
      sha1.update(bytes.subarray(position - startBytes, end - startBytes));
      position = end;
      if (position < mark.atBytes) break;
      if (mark.padding) sha1.update(mark.padding);
      if (Buffer.compare(sha1.save().subarray(STATE_AT, STATE_END), mark.state) !== 0) return false;
      passed += 1;
    }
    return true;
  };
}
