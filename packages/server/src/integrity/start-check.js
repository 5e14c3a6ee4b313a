// @ts-check
// Plain JavaScript, because a worker thread loads it as it is.
import { createHash } from 'node:crypto';
import { followChain } from './follow-chain.js';

/** @import { IHasher } from 'hash-wasm' */
/** @import { Expected } from './checker.ts' */

/**
 * Holds bytes, as they are read, against what they should be.
 *
 * @param {IHasher} sha1 must not be used for anything else meanwhile
 * @param {Expected} expected
 * @returns {{ take(bytes: Uint8Array): boolean, isGood(): boolean }} `take` tells whether all is well so far
 */
export function startCheck(sha1, { chain, md5 }) {
  const hash = md5 === undefined ? undefined : createHash('md5');
  const follow = chain && followChain(sha1, chain);
  return {
    take(bytes) {
      hash?.update(bytes);
      return !follow || follow(bytes);
    },
    isGood: () => hash === undefined || hash.digest('hex') === md5,
  };
}
