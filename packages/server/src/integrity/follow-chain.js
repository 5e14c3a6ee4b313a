// @ts-check
// Plain JavaScript, because a worker thread loads it as it is.

/** @import { IHasher } from 'hash-wasm' */
/** @import { ChainPlan } from './chain-plan.ts' */

/** hash-wasm's saved state holds the five chaining words here, each little-endian: as `datasha` spells them. */
const [STATE_AT, STATE_END] = [4, 24];

/**
 * Takes a slice piece by piece, and says whether all is well so far.
 *
 * @param {IHasher} sha1 must not be used for anything else meanwhile
 * @param {ChainPlan} plan
 * @returns {(bytes: Uint8Array) => boolean}
 */
export function followChain(sha1, { fromBytes, state, marks }) {
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
