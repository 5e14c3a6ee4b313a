import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Operation, Reply } from '../operations.ts';
import { decode } from './decode.ts';
import { encode } from './encode.ts';

const OPERATIONS: readonly Operation<string>[] = [
  { op: 'init', sizeBytes: 100, sliceSizeBytes: 64, overwrite: false },
  { op: 'list' },
  { op: 'slice', session: 's', index: 1, range: { offset: 64, length: 36 }, content: 'c', md5: 'm' },
  { op: 'finish', session: 's', sizeBytes: 100, overwrite: false },
  { op: 'single', sizeBytes: 100, content: 'c', overwrite: false },
  { op: 'discard' },
];
const [INIT, LIST, SLICE, FINISH] = OPERATIONS as [
  Operation<string>,
  Operation<string>,
  Operation<string>,
  Operation<string>,
];

function reply(operation: Operation<string>, body: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return decode(operation, { status, header: (name) => headers[name.toLowerCase()], body: text });
}

describe('replies', () => {
  test('numbers may come as text, optionals may be missing, extras are ignored', () => {
    expect(reply(INIT, { code: '0', data: { session: 's', slice_size: '1048576', extra: [] } })).toEqual({
      kind: 'opened',
      session: 's',
      sliceSizeBytes: 1048576,
      serial: false,
    });
    expect(
      reply(LIST, { code: 0, data: { session: 's', slice_size: 64, listparts: [{ offset: '0', datalen: '64' }] } }),
    ).toEqual({
      kind: 'listed',
      session: 's',
      sliceSizeBytes: 64,
      serial: false,
      stored: [{ offset: 0, length: 64 }],
    });
    expect(
      reply(LIST, { code: 0, data: { session: 's', slice_size: 64, listparts: '[{"offset":0,"datalen":64}]' } }),
    ).toMatchObject({
      stored: [{ offset: 0, length: 64 }],
    });
    expect(reply(SLICE, { code: 0 })).toEqual({ kind: 'stored' });
    expect(reply(FINISH, { code: 0, data: {} })).toMatchObject({ kind: 'present', location: { accessUrl: '' } });
  });

  test('a list whose parts cannot be read is not taken for an empty one', () => {
    for (const listparts of ['x', {}, [{ offset: -1, datalen: 1 }], [{ offset: 0 }], [null]]) {
      expect(reply(LIST, { code: 0, data: { session: 's', slice_size: 64, listparts } }).kind).toBe('failed');
    }
  });

  test('a slice size of nothing is refused', () => {
    for (const slice_size of [0, -1, 1.5, 'many', undefined]) {
      expect(reply(INIT, { code: 0, data: { session: 's', slice_size } }).kind).toBe('failed');
    }
  });

  test('an answer for another slice is not an answer', () => {
    expect(reply(SLICE, { code: 0, data: { offset: 0 } }).kind).toBe('failed');
    expect(reply(SLICE, { code: 0, data: { offset: 64, datalen: 35 } }).kind).toBe('failed');
    expect(reply(SLICE, { code: 0, data: { offset: 64, datalen: 36, datamd5: 'n' } })).toMatchObject({
      error: { code: 'integrity', remedy: 'backoff' },
    });
  });

  test('Retry-After is read in seconds and as a date', () => {
    const date = 'Wed, 31 Aug 2016 20:46:40 GMT';
    const later = 'Wed, 31 Aug 2016 20:46:50 GMT';
    expect(reply(LIST, { code: -71 }, 503, { 'retry-after': '3' })).toMatchObject({ error: { retryAfterMs: 3000 } });
    expect(reply(LIST, { code: -71 }, 503, { 'retry-after': later, date })).toMatchObject({
      error: { retryAfterMs: 10_000, serverDateMs: Date.parse(date) },
    });
  });

  test.each([
    [-181, 500, 'unavailable', 'backoff'],
    [-98765, 500, 'unavailable', 'backoff'],
    [-98765, 429, 'unavailable', 'backoff'],
    [-98765, 400, 'bad-request', 'none'],
    [-4016, 409, 'integrity', 'backoff'],
    [-59, 403, 'signature-expired', 'resign'],
  ])('code %i with HTTP %i is %s, remedy %s', (code, status, expected, remedy) => {
    expect(reply(SLICE, { code, message: 'M' }, status)).toMatchObject({
      error: { code: expected, remedy, wireCode: code },
    });
  });

  test('XML, as the real COS answers where the JSON API is not reached, is read', () => {
    const xml = (code: string, message: string): string =>
      `<?xml version='1.0' encoding='utf-8' ?>\n<Error>\n<Code>${code}</Code><Message>${message}</Message><Resource></Resource>` +
      '<RequestId>NTk0MWUx</RequestId></Error>';
    expect(reply(INIT, xml('InvalidRequest', 'Missing header:\n Appid &amp; more'), 400)).toMatchObject({
      error: {
        code: 'bad-request',
        remedy: 'none',
        wireCode: 'InvalidRequest',
        requestId: 'NTk0MWUx',
        httpStatus: 400,
        message: expect.stringContaining('(server: InvalidRequest Missing header: Appid & more)'),
      },
    });
    expect(reply(SLICE, xml('SlowDown', 'x'), 503)).toMatchObject({
      error: { code: 'unavailable', remedy: 'backoff' },
    });
    expect(reply(SLICE, xml('InternalError', 'x'), 500)).toMatchObject({ error: { remedy: 'backoff' } });
    expect(reply(INIT, xml('NoSuchBucket', 'x'), 404)).toMatchObject({ error: { code: 'bucket-not-found' } });
    const keys = {
      error: { code: 'unauthorized', message: expect.stringMatching(/application id, bucket, secret id/) },
    };
    expect(reply(INIT, xml('SignatureDoesNotMatch', 'x'), 403)).toMatchObject(keys);
    expect(reply(INIT, { code: -97, message: 'ERROR_PROXY_AUTH_APPID' }, 403)).toMatchObject(keys);
    expect(reply(INIT, '<Error/>', 400, { 'x-cos-request-id': 'r7' })).toMatchObject({
      error: { requestId: 'r7', message: expect.stringContaining('(server: HTTP 400)') },
    });
  });

  test('a redirect is final and names its target without what may be secret in it', () => {
    for (const [status, location, named] of [
      [301, 'https://files.example/files/v2/1/b/p?sign=c2ln', 'https://files.example/files/v2/1/b/p'],
      [307, '/login#c2ln', '/login'],
      [308, 'http://[::1]:80/\r\nx?c2ln', 'http://[::1]:80/ x'],
    ] as const) {
      const { error } = reply(SLICE, '<h1>Moved</h1>', status, { location }) as { error: Error };
      expect(error).toMatchObject({ code: 'bad-reply', remedy: 'none', httpStatus: status });
      expect(error.message).toContain(`redirects to ${named}:`);
      expect(error.message).not.toContain('c2ln');
    }
    expect(reply(LIST, '', 302)).toMatchObject({ error: { remedy: 'none' } });
  });

  test('a body that is too large for somebody on the way is final and says what to set', () => {
    const error = {
      remedy: 'none',
      httpStatus: 413,
      message: expect.stringMatching(/body.*sliceSize.*client_max_body_size/),
    };
    expect(reply(SLICE, '<html><h1>413 Request Entity Too Large</h1></html>', 413)).toMatchObject({ error });
    expect(reply(SLICE, '', 413)).toMatchObject({ error });
    expect(reply(SLICE, { code: -1, message: 'too large' }, 413)).toMatchObject({ error });
    expect(reply(SLICE, '<Error><Code>EntityTooLarge</Code></Error>', 413)).toMatchObject({ error });
  });

  test('a server that can discard a session by its name says so with the session', () => {
    const data = { session: 's', slice_size: 64, listparts: [] };
    for (const operation of [INIT, LIST]) {
      expect(reply(operation, { code: 0, data: { ...data, session_delete: 1 } })).toMatchObject({
        sessionDelete: true,
      });
      expect(reply(operation, { code: 0, data })).not.toMatchObject({ sessionDelete: true });
    }
    expect(encode({ op: 'discard', session: 's' }, 'http://x/o').fields).toEqual([
      ['op', 'delete'],
      ['session', 's'],
    ]);
    expect(encode({ op: 'discard' }, 'http://x/o').fields).toEqual([['op', 'delete']]);
  });

  test('anything at all can come back: the answer is a reply, never an exception', () => {
    const data = fc.oneof(
      fc.json(),
      fc.string(),
      fc.jsonValue().map((value) => JSON.stringify({ code: 0, data: value })),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...OPERATIONS),
        data,
        fc.integer({ min: 100, max: 599 }),
        (operation, body, status) => {
          const result = reply(operation, body, status);
          expect(typeof result.kind).toBe('string');
          if ('error' in result) expect(result.error.message).not.toContain('\n');
        },
      ),
      { numRuns: 2000 },
    );
  });
});

test.each([
  '<html><center>The plain HTTP request was sent to HTTPS port</center></html>',
  "<p>Reason: You're speaking plain HTTP to an SSL-enabled server port.</p>",
  'Client sent an HTTP request to an HTTPS server.\n',
])('a port of TLS that answers %j says that the endpoint has to be https', (body) => {
  for (const operation of OPERATIONS) {
    expect(reply(operation, body, 400)).toMatchObject({
      error: { code: 'bad-reply', remedy: 'none', message: expect.stringContaining('https://') },
    });
  }
});
