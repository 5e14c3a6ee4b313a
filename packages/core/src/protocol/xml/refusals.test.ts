import { expect, test } from 'vitest';
import type { WireResponse } from '../../ports.ts';
import { refusalOf } from './refusals.ts';

const answer = (status: number, body: string, headers: Record<string, string> = {}): WireResponse => ({
  status,
  body,
  header: (name) => headers[name],
});
const errorOf = (status: number, code: string, more = '', headers = {}) =>
  refusalOf(answer(status, `<Error><Code>${code}</Code>${more}</Error>`, headers))?.error;

test.each([
  [
    'unauthorized',
    'none',
    ['AccountProblem', 'AllAccessDisabled', 'InvalidAccessKeyId', 'SignatureDoesNotMatch', 'PaymentRequired'],
  ],
  ['unauthorized', 'none', ['AuthorizationHeaderMalformed', 'PermanentRedirect', 'UnavailableForLegalReasons']],
  ['signature-expired', 'resign', ['RequestTimeTooSkewed', 'ExpiredToken', 'TokenRefreshRequired']],
  ['integrity', 'backoff', ['BadDigest', 'InvalidDigest', 'InvalidSHA1Digest']],
  ['unavailable', 'backoff', ['EntitySizeNotMatch', 'IncompleteBody', 'RequestTimeout', 'UserNetworkTooSlow']],
  ['unavailable', 'backoff', ['KmsFreqControl', 'ServiceUnavailable', 'SlowDown', 'SlowDownRead', 'SlowDownWrite']],
  ['unavailable', 'backoff', ['TooManyRequests', 'InternalError', 'ConditionalRequestConflict', 'OperationAborted']],
  ['exists', 'none', ['FileAlreadyExists', 'ObjectAlreadyExists', 'PreconditionFailed']],
  ['conflict', 'none', ['PathConflict', 'UploadConflict']],
  [
    'bad-request',
    'none',
    ['EntityTooLarge', 'EntityTooSmall', 'InvalidPart', 'InvalidPartOrder', 'MissingContentLength'],
  ],
  ['bucket-not-found', 'none', ['NoSuchBucket']],
  ['not-found', 'none', ['NoSuchKey']],
  ['session-lost', 'none', ['NoSuchUpload']],
  ['bad-request', 'none', ['AnotherCode', 'constructor']],
] as const)('%s, to be mended by %s: %j', (code, remedy, wireCodes) => {
  for (const wireCode of wireCodes) {
    // What the code says counts, and not the status; each has a hint of its own before the server's words.
    expect(errorOf(400, wireCode), wireCode).toMatchObject({
      code,
      remedy,
      wireCode,
      message: expect.stringMatching(/^\w.{10,} \(server: \w+\)$/),
    });
  }
});

test('a code that nobody knows goes by its status, as far as time may mend it', () => {
  expect(errorOf(500, 'AnotherCode')).toMatchObject({ code: 'unavailable', remedy: 'backoff' });
  expect(errorOf(403, 'AnotherCode')).toMatchObject({ code: 'bad-request', remedy: 'none' });
});

test.each([
  [300, 'bad-request', 'none'],
  [301, 'unauthorized', 'none'],
  [307, 'unauthorized', 'none'],
  [400, 'unauthorized', 'resign'],
  [403, 'unauthorized', 'resign'],
  [404, 'not-found', 'none'],
  [409, 'conflict', 'none'],
  [412, 'exists', 'none'],
  [413, 'bad-request', 'none'],
  [418, 'bad-request', 'none'],
  [429, 'unavailable', 'backoff'],
  [500, 'unavailable', 'backoff'],
])('without a body, %i is %s', (status, code, remedy) => {
  expect(refusalOf(answer(status, ''))).toMatchObject({
    kind: 'failed',
    wireCode: '',
    error: { code, remedy, httpStatus: status, message: expect.stringContaining(`HTTP ${status}`) },
  });
});

test('a refusal of access without a reason may be a signature that has expired; with one it is what it says', () => {
  expect(errorOf(403, 'AccessDenied')).toMatchObject({ code: 'unauthorized', remedy: 'resign' });
  const why = (text: string) => `<Message>${text}</Message>`;
  expect(errorOf(403, 'AccessDenied', why('not yours'))).toMatchObject({ code: 'unauthorized', remedy: 'none' });
  const expired = { code: 'signature-expired', remedy: 'resign' };
  expect(errorOf(403, 'AccessDenied', why('Request has expired'))).toMatchObject(expired);
  expect(errorOf(400, 'InvalidPart', why('the upload has expired'))).toMatchObject({ code: 'bad-request' });
});

test('a 200 is a refusal where it has an error in it, and nothing else', () => {
  expect(errorOf(200, 'InternalError')).toMatchObject({ code: 'unavailable' });
  expect(refusalOf(answer(200, '<CompleteMultipartUploadResult/>'))).toBeUndefined();
  expect(refusalOf(answer(299, ''))).toBeUndefined();
});

test('what is told of the request and the bucket is kept, wherever it stands', () => {
  expect(errorOf(403, 'AccessDenied', '<RequestId>r1</RequestId>')).toMatchObject({ requestId: 'r1' });
  expect(errorOf(403, 'AccessDenied', '', { 'x-cos-request-id': 'r2' })).toMatchObject({ requestId: 'r2' });
  expect(errorOf(403, 'AccessDenied', '', { 'x-amz-request-id': 'r3' })).toMatchObject({ requestId: 'r3' });
  const elsewhere = refusalOf(answer(301, '', { 'x-amz-bucket-region': 'eu-central-1' }));
  expect(elsewhere?.error.message).toContain('; it is eu-central-1 (server: HTTP 301)');
  expect(errorOf(400, 'NoSuchKey')?.message).not.toContain('it is');
});
