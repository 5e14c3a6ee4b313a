import type { ErrorCode, Remedy } from '../../errors.ts';
import { TOO_LARGE_HINT } from '../responses.ts';

/** What a code means, and what to do about it. */
export type Meaning = readonly [code: ErrorCode, hint: string, remedy?: Remedy];

const DENIED: Meaning = ['unauthorized', 'the server refuses the credentials: check them, and what they allow'];
const REGION: Meaning = ['unauthorized', 'the bucket is in another region: give that one'];
const CLOCK: Meaning = ['signature-expired', 'the signature is not good at this time: check the clock', 'resign'];
const BROKEN: Meaning = ['unavailable', 'the request did not arrive in whole', 'backoff'];
const CORRUPTED: Meaning = ['integrity', 'the bytes arrived differently from how they were sent', 'backoff'];
const BUSY: Meaning = ['unavailable', 'the server is overloaded', 'backoff'];
const EXISTS: Meaning = ['exists', 'an object is at the path already: choose another one or overwrite'];
const IN_THE_WAY: Meaning = ['conflict', 'something else is done with this object at the same time'];
const PARTS: Meaning = ['bad-request', 'the server does not put the parts together: they are not what was sent'];

export const FAILING: Meaning = ['unavailable', 'the server is failing', 'backoff'];
export const REFUSED: Meaning = ['bad-request', 'the server refused the request'];

/** The codes of COS and S3. One that is not here goes by its status. */
export const MEANINGS: Readonly<Record<string, Meaning | undefined>> = {
  AccessDenied: DENIED,
  AccountProblem: DENIED,
  AllAccessDisabled: DENIED,
  AuthorizationHeaderMalformed: REGION,
  BadDigest: CORRUPTED,
  ConditionalRequestConflict: ['unavailable', 'another upload to this path ended at the same time', 'backoff'],
  EntitySizeNotMatch: BROKEN,
  EntityTooLarge: ['bad-request', TOO_LARGE_HINT],
  EntityTooSmall: ['bad-request', 'the server wants larger parts: raise sliceSize'],
  ExpiredToken: ['signature-expired', 'the temporary credentials have ended, and fresh ones too', 'resign'],
  FileAlreadyExists: EXISTS,
  IncompleteBody: BROKEN,
  InternalError: FAILING,
  InvalidAccessKeyId: DENIED,
  InvalidDigest: CORRUPTED,
  InvalidPart: PARTS,
  InvalidPartOrder: PARTS,
  InvalidSHA1Digest: CORRUPTED,
  KmsFreqControl: BUSY,
  MissingContentLength: ['bad-request', 'a proxy on the way took the length of the request away'],
  NoSuchBucket: ['bucket-not-found', 'there is no such bucket: check its name and region'],
  NoSuchKey: ['not-found', 'nothing is at the path'],
  NoSuchUpload: ['session-lost', 'the server does not know the upload any more'],
  ObjectAlreadyExists: EXISTS,
  OperationAborted: ['unavailable', 'something else is done with this bucket at the same time', 'backoff'],
  PathConflict: IN_THE_WAY,
  PaymentRequired: ['unauthorized', 'the account is not in order: look at its bills'],
  PermanentRedirect: REGION,
  PreconditionFailed: EXISTS,
  RequestTimeTooSkewed: CLOCK,
  RequestTimeout: BROKEN,
  ServiceUnavailable: BUSY,
  SignatureDoesNotMatch: DENIED,
  SlowDown: BUSY,
  SlowDownRead: BUSY,
  SlowDownWrite: BUSY,
  TokenRefreshRequired: ['signature-expired', 'the temporary credentials are not good any more', 'resign'],
  TooManyRequests: BUSY,
  UnavailableForLegalReasons: ['unauthorized', 'the server may not serve this account for legal reasons'],
  UploadConflict: IN_THE_WAY,
  UserNetworkTooSlow: BROKEN,
};

/** What a status means that comes without a body, as answers to HEAD do. */
export const STATUSES: Readonly<Record<number, Meaning | undefined>> = {
  301: REGION,
  307: REGION,
  // Perhaps for temporary credentials that have ended.
  400: ['unauthorized', 'the server refuses the request without a reason: check region and credentials', 'resign'],
  // Perhaps for the clock: a reply to HEAD does not say, but it tells the server's.
  403: [DENIED[0], DENIED[1], 'resign'],
  404: MEANINGS.NoSuchKey,
  409: IN_THE_WAY,
  412: EXISTS,
  413: MEANINGS.EntityTooLarge,
};

/** Requests whose signatures were too old: COS says so in words, not by a code of their own. */
export const EXPIRED: Meaning = CLOCK;
