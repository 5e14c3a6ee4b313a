import type { ObjectOperationName } from '../operations.ts';
import type { Wire } from '../wire.ts';
import { decodeObjects } from './decode-objects.ts';
import { encodeObjects } from './encode-objects.ts';
import { jsonApiRequests } from './requests.ts';
import { checkTarget } from './target.ts';

const ONCE: ReadonlySet<ObjectOperationName> = new Set(['remove', 'move', 'copy', 'update']);

/** The part of the COS JSON API that is about objects which are there. Apart from uploads: pages load what they use. */
export const jsonObjects: Wire<ObjectOperationName> = {
  ...jsonApiRequests,
  // Directories end in a slash, and the bucket has an empty path.
  check: (target) => checkTarget({ ...target, path: target.path.replace(/\/$/, '') || 'bucket' }),
  encode: encodeObjects,
  // A signature for one use is bound to what is copied, and leaves open where to; one for many would have to cover both.
  effectOf: (op) => (ONCE.has(op) ? 'once' : 'multi'),
  decode: decodeObjects,
};
