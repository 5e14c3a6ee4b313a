import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CosSliceError } from '../../errors.ts';
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
const [INIT, LIST, SLICE, FINISH, SINGLE, DISCARD] = OPERATIONS as [
  Operation<string>,
  Operation<string>,
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

  test.each<readonly [code: number, expected: string, remedy: string]>([
    [-47, 'unauthorized', 'none'],
    [-48, 'unauthorized', 'none'],
    [-59, 'signature-expired', 'resign'],
    [-61, 'unauthorized', 'none'],
    [-63, 'unauthorized', 'none'],
    [-70, 'unauthorized', 'none'],
    [-71, 'unavailable', 'backoff'],
    [-96, 'signature-expired', 'resign'],
    [-97, 'unauthorized', 'none'],
    [-121, 'unauthorized', 'none'],
    [-133, 'bucket-not-found', 'none'],
    [-168, 'integrity', 'backoff'],
    [-174, 'integrity', 'backoff'],
    [-177, 'exists', 'none'],
    [-178, 'exists', 'none'],
    [-180, 'bad-request', 'none'],
    [-181, 'unavailable', 'backoff'],
    [-195, 'unavailable', 'backoff'],
    [-196, 'unavailable', 'backoff'],
    [-197, 'not-found', 'none'],
    [-199, 'bad-request', 'none'],
    [-284, 'bad-request', 'none'],
    [-4016, 'integrity', 'backoff'],
    [-5965, 'bad-request', 'none'],
    [-5997, 'unavailable', 'backoff'],
    [-5999, 'bad-request', 'none'],
  ])('code %i is %s, remedy %s, whatever the status', (code, expected, remedy) => {
    expect(reply(SINGLE, { code, message: ' M\nN ', request_id: 'r1' }, 400)).toMatchObject({
      kind: 'failed',
      error: {
        code: expected,
        remedy,
        wireCode: code,
        requestId: 'r1',
        message: expect.stringMatching(/. \(server: -\d+ M N\)$/),
      },
    });
  });

  test('a refusal without words is told by its code alone', () => {
    const { error } = reply(SINGLE, { code: -5999 }, 400) as { error: CosSliceError };
    expect(error.requestId).toBeUndefined();
    expect(error.message).toMatch(/\(server: -5999\)$/);
  });

  test('what does not exist is an answer to each operation in its own way', () => {
    const kinds = (code: number, status: number): string[] =>
      [INIT, LIST, SLICE, FINISH, SINGLE, DISCARD].map((operation) => reply(operation, { code }, status).kind);
    const gone = ['failed', 'absent', 'session-gone', 'session-gone', 'failed', 'discarded'];
    expect(kinds(-197, 404)).toEqual(gone);
    expect(kinds(-197, 400)).toEqual(gone);
    expect(kinds(-98765, 404)).toEqual(gone);
    const failed = ['failed', 'failed', 'failed', 'failed', 'failed', 'failed'];
    expect(kinds(-133, 404)).toEqual(failed);
    expect(kinds(-97, 403)).toEqual(failed);
    expect(reply(SLICE, { code: -197 }, 404)).toMatchObject({ error: { code: 'not-found', wireCode: -197 } });
    expect(reply(FINISH, { code: -197 }, 404)).toMatchObject({ error: { code: 'not-found', wireCode: -197 } });
  });

  test('an unfinished upload is one to go on with, or one that lacks slices', () => {
    expect(reply(INIT, { code: -4019 }, 409)).toEqual({ kind: 'unfinished' });
    expect(reply(FINISH, { code: -4019 }, 409)).toMatchObject({ kind: 'incomplete', error: { wireCode: -4019 } });
    expect(reply(FINISH, { code: -5999 }, 400)).toMatchObject({ kind: 'incomplete', error: { wireCode: -5999 } });
    for (const operation of [LIST, SLICE, SINGLE, DISCARD]) {
      expect(reply(operation, { code: -4019 }, 409).kind).toBe('failed');
      expect(reply(operation, { code: -5999 }, 400).kind).toBe('failed');
    }
    expect(reply(INIT, { code: -5999 }, 400).kind).toBe('failed');
    for (const operation of OPERATIONS) {
      expect(reply(operation, { code: -4020 }, 409)).toMatchObject({ kind: 'conflict', error: { code: 'conflict' } });
    }
  });

  test('content that does not fit is sent again, but not asked about again once all is sent', () => {
    for (const code of [-168, -174, -4016]) {
      expect(reply(FINISH, { code }, 409)).toMatchObject({
        kind: 'failed',
        error: { code: 'integrity', remedy: 'none' },
      });
      expect(reply(SLICE, { code }, 409)).toMatchObject({ error: { code: 'integrity', remedy: 'backoff' } });
    }
    expect(reply(FINISH, { code: -71 }, 503)).toMatchObject({ error: { remedy: 'backoff' } });
  });

  test('an object makes a session unnecessary, where its address is told', () => {
    const data = { access_url: 'a', source_url: 'b', url: 'c', resource_path: 'd', filesize: '100', sha: 'AB' };
    const present = {
      kind: 'present',
      location: { accessUrl: 'a', sourceUrl: 'b', url: 'c', resourcePath: 'd' },
      sizeBytes: 100,
      sha: 'ab',
    };
    for (const operation of [INIT, LIST]) {
      expect(reply(operation, { code: 0, data })).toEqual(present);
      for (const name of ['access_url', 'source_url', 'url']) {
        expect(reply(operation, { code: 0, data: { [name]: 'x' } }).kind).toBe('present');
      }
      expect(reply(operation, { code: 0, data: { resource_path: 'd' } })).toMatchObject({
        kind: 'failed',
        error: { code: 'bad-reply', remedy: 'backoff', message: expect.stringContaining('no usable session') },
      });
      expect(reply(operation, { code: 0, data: { ...data, session: 's' } })).toMatchObject({
        error: { message: expect.stringContaining(`reply to ${operation.op} has no usable slice_size`) },
      });
    }
    expect(reply(LIST, { code: 0, data: { ...data, made_by: 's' } })).toEqual({ ...present, madeBy: 's' });
    expect(reply(LIST, { code: 0, data: { ...data, made_by: 7 } })).toEqual(present);
    expect(reply(DISCARD, { code: 0 })).toEqual({ kind: 'discarded' });
  });

  test('a list tells what it knows of the file, and may have no parts yet', () => {
    const session = { session: 's', slice_size: 64, filesize: 100, sha: 'AB' };
    for (const more of [{}, { listparts: '' }, { listparts: [] }, { listparts: '[]' }, { listparts: null }]) {
      expect(reply(LIST, { code: 0, data: { ...session, ...more } })).toEqual({
        kind: 'listed',
        session: 's',
        sliceSizeBytes: 64,
        serial: false,
        stored: [],
        sizeBytes: 100,
        sha: 'ab',
      });
    }
    const listparts = [
      { offset: 64, datalen: 36 },
      { offset: 0, datalen: 64 },
    ];
    expect(reply(LIST, { code: 0, data: { ...session, listparts } })).toMatchObject({
      stored: [
        { offset: 64, length: 36 },
        { offset: 0, length: 64 },
      ],
    });
    expect(reply(LIST, { code: 0, data: { ...session, listparts: 'x' } })).toMatchObject({
      error: { message: expect.stringContaining('no usable listparts') },
    });
  });

  test('an answer for another slice says which of its fields is another', () => {
    const wrong = (data: object): unknown => reply(SLICE, { code: 0, data });
    const lacks = (field: string) => ({ error: { code: 'bad-reply', message: expect.stringContaining(field) } });
    expect(wrong({ offset: 0, datalen: 36 })).toMatchObject(lacks('no usable offset'));
    expect(wrong({ offset: 64, datalen: 35 })).toMatchObject(lacks('no usable datalen'));
    expect(wrong({ datalen: 35 })).toMatchObject(lacks('no usable datalen'));
    expect(wrong({ offset: 0, datamd5: 'M' })).toMatchObject(lacks('no usable offset'));
    expect(wrong({ offset: 0, datamd5: '' })).toMatchObject(lacks('no usable offset'));
    const unchecked = { ...(SLICE as Operation<string, 'slice'>), md5: undefined };
    expect(reply(unchecked as Operation<string>, { code: 0, data: { offset: 0, datamd5: 'n' } })).toMatchObject(
      lacks('no usable offset'),
    );
  });

  test('XML, as the real COS answers where the JSON API is not reached, is read', () => {
    const xml = (code: string, message: string): string =>
      `<?xml version='1.0' encoding='utf-8' ?>\n\n<Error>\n<Code>${code}</Code><Message>${message}</Message><Resource></Resource>` +
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
    expect(reply(INIT, xml('NoSuchKey', '&lt;a&gt; &quot;b&quot; &apos;c&apos;'), 404)).toMatchObject({
      error: { code: 'not-found', message: expect.stringContaining(`(server: NoSuchKey <a> "b" 'c')`) },
    });
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
    expect(reply(INIT, '', 413)).toMatchObject({ error });
    const parts = [{ offset: 0, datalen: 64, datasha: '0'.repeat(40) }];
    const init = reply(
      { ...INIT, parts } as Operation<string>,
      '<html><h1>413 Request Entity Too Large</h1></html>',
      413,
    );
    expect(init).toMatchObject({ error: { ...error, message: expect.stringContaining("use integrity 'md5'") } });
    expect(init).not.toMatchObject({ error: { message: expect.stringContaining('lower sliceSize') } });
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
