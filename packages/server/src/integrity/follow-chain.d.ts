import type { IHasher } from 'hash-wasm';
import type { ChainPlan } from './chain-plan.ts';

/**
 * Takes a slice piece by piece, and says whether all is well so far.
 *
 * @param sha1 must not be used for anything else meanwhile
 */
export function followChain(sha1: IHasher, plan: ChainPlan): (bytes: Uint8Array) => boolean;
