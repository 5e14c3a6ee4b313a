import type { ErrorCode, Remedy } from '../../errors.ts';

interface Meaning {
  readonly code: ErrorCode;
  readonly remedy: Remedy;
  readonly hint: string;
}

const final = (code: ErrorCode, hint: string): Meaning => ({ code, remedy: 'none', hint });
const unauthorized = (hint: string): Meaning => final('unauthorized', hint);
export const badRequest = (hint: string): Meaning => final('bad-request', hint);
export const unavailable = (hint: string): Meaning => ({ code: 'unavailable', remedy: 'backoff', hint });
const expired: Meaning = {
  code: 'signature-expired',
  remedy: 'resign',
  hint: "check the clock of the signer's machine and the signature's lifetime",
};
// What arrived is not what was sent: worth sending again.
const corrupted: Meaning = { code: 'integrity', remedy: 'backoff', hint: 'the content arrived damaged' };

/** Meaning of the server's codes (protocol section 5). */
export const MEANINGS: Readonly<Record<number, Meaning>> = {
  [-47]: unauthorized('the secret id is unknown: check it'),
  [-48]: unauthorized('the signature cannot be read: check the signer'),
  [-59]: expired,
  [-61]: unauthorized("the signature is for another bucket: check the signer's bucket"),
  [-63]: unauthorized("the signature is for another path: check the signer's path"),
  [-70]: unauthorized('the application id is wrong: check it'),
  [-71]: unavailable('too many requests'),
  [-96]: expired,
  [-97]: unauthorized('the signature is wrong: check the secret key'),
  [-121]: unauthorized("the bucket's CORS settings refuse this page's origin"),
  [-133]: final('bucket-not-found', 'the bucket does not exist: check its name'),
  [-168]: corrupted,
  [-174]: corrupted,
  [-177]: final('exists', 'there is an object at this path: choose another path or turn overwrite on'),
  [-178]: final('exists', 'a directory and an object collide at this path: choose another path'),
  [-180]: badRequest('the path is not allowed: choose another path'),
  [-181]: unavailable('the store behind the server failed'),
  [-195]: unavailable('the server failed'),
  [-196]: unavailable('the server is overloaded'),
  [-197]: final('not-found', 'there is nothing at this path'),
  [-199]: badRequest("the bucket's name is not allowed: check it"),
  [-284]: badRequest('the slice size is not allowed: real COS takes 512 KiB, 1, 2 and 3 MiB'),
  [-4016]: corrupted,
  [-4020]: final(
    'conflict',
    'an unfinished upload of other content is at this path: choose another path or onConflict "restart"',
  ),
  [-5965]: badRequest('the server did not accept uploadparts'),
  [-5997]: unavailable('the server failed'),
  [-5999]: badRequest('the server refused a parameter'),
};

export const UNFINISHED = -4019;
export const CONFLICT = -4020;
export const NOT_FOUND = -197;
export const BUCKET_NOT_FOUND = -133;
