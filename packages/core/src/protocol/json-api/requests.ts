import type { Wire } from '../wire.ts';
import { encode, locate } from './encode.ts';
import { checkTarget } from './target.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** The COS JSON API, but for what answers mean. */
export const jsonApiRequests: Omit<Wire, 'decode'> = {
  name: 'cos-json',
  traits: {
    // SHA-1 has a chaining state only after whole 64-byte blocks.
    sliceSize: { default: MIB, min: 64 * KIB, max: 16 * MIB, step: 64, chosenBy: 'server' },
    // What a list can tell of within the size that replies may have.
    maxParts: 1_000_000,
    maxSingleBytes: 20 * MIB,
    integrity: ['none', 'md5', 'sha1'],
    detectsUnfinished: true,
    tagsSlices: false,
    signatureCovers: 'object',
  },
  check: checkTarget,
  locate,
  encode,
  attach: (request, signature) => ({ authorization: { value: signature, query: 'sign' }, ...request }),
  effectOf: (op) => (op === 'discard' ? 'once' : 'multi'),
};
