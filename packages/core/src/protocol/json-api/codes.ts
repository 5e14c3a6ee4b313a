import type { ErrorCode, Remedy } from '../../errors.ts';
import { CONFLICT_HINT, TOO_LARGE_HINT } from '../responses.ts';

export type Meaning = readonly [code: ErrorCode, hint: string, remedy?: Remedy];

const EXPIRED: Meaning = ['signature-expired', "the signature has expired: check the signer's clock", 'resign'];
// What arrived is not what was sent: worth sending again.
export const CORRUPTED: Meaning = ['integrity', 'the content arrived damaged', 'backoff'];
export const FAILING: Meaning = ['unavailable', 'the server failed: try again later, or look at its log', 'backoff'];
export const TOO_LARGE: Meaning = ['bad-request', TOO_LARGE_HINT];
export const REFUSED: Meaning = ['bad-request', 'the server refused the request'];

/** Meaning of the server's codes (protocol section 5); what has no remedy is final. */
export const MEANINGS: Readonly<Record<number, Meaning>> = {
  [-47]: ['unauthorized', 'the secret id is unknown: check it and the application id'],
  [-48]: ['unauthorized', 'the signature cannot be read: check the signer'],
  [-59]: EXPIRED,
  [-61]: ['unauthorized', 'the signature is for another bucket: check the signer'],
  [-63]: ['unauthorized', 'the signature is for another path: check the signer'],
  [-70]: ['unauthorized', 'the application id is unknown: check it'],
  [-71]: ['unavailable', 'the server asks for fewer requests', 'backoff'],
  [-96]: EXPIRED,
  [-97]: ['unauthorized', 'the signature is refused: check application id, bucket, secret id and secret key'],
  [-121]: ['unauthorized', "the bucket's CORS rules refuse this page"],
  [-133]: ['bucket-not-found', 'the bucket does not exist: check its name, the application id and the region'],
  [-168]: CORRUPTED,
  [-174]: CORRUPTED,
  [-177]: ['exists', 'an object is at this path: choose another path or turn overwrite on'],
  [-178]: ['exists', 'a directory and an object collide at this path: choose another path'],
  [-180]: ['bad-request', 'the path is not allowed: choose another path'],
  [-181]: FAILING,
  [-195]: FAILING,
  [-196]: ['unavailable', 'the server is overloaded', 'backoff'],
  [-197]: ['not-found', 'nothing is at this path'],
  [-199]: ['bad-request', 'the bucket is not allowed: check its name'],
  [-284]: ['bad-request', 'the slice size is not allowed: real COS takes 512 KiB, 1, 2 and 3 MiB'],
  [-4016]: CORRUPTED,
  [-4020]: ['conflict', CONFLICT_HINT],
  [-5965]: ['bad-request', 'the server refused uploadparts'],
  [-5997]: FAILING,
  [-5999]: ['bad-request', 'the server refused a parameter'],
};

export const UNFINISHED = -4019;
export const CONFLICT = -4020;
export const NOT_FOUND = -197;
export const BUCKET_NOT_FOUND = -133;
