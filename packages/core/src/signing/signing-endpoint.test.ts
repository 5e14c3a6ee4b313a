import { describe, expect, test } from 'vitest';
import type { RequestToSign, SignedRequest } from '../ports.ts';
import { cosXml } from '../wires/cos-xml.ts';
import { s3 } from '../wires/s3.ts';
import { cosSignature } from './cos-signature.ts';
import type { Deed, SigningAllowance } from './signing-allowance.ts';
import { createSigningEndpoint, type SigningEndpointOptions } from './signing-endpoint.ts';

const SECRET = { secretId: 'AKIDx', secretKey: 'KEY' };
const COS = cosXml({ region: 'ap-shanghai', bucket: 'films', appId: '10055004' });
const S3 = s3({ endpoint: 'https://s3.test', bucket: 'films', pathStyle: true });
const MINE: SigningAllowance = { path: 'users/7/' };

type Asked = Partial<Omit<RequestToSign, 'query'>> & { readonly query?: Record<string, string> };

function ask(given: Asked): RequestToSign {
  return { method: 'PUT', bucket: 'films', key: 'users/7/a.mp4', query: {}, headers: {}, ...given };
}

async function answersOf(
  asked: readonly unknown[],
  allowed: SigningAllowance = MINE,
  options: Partial<SigningEndpointOptions> = {},
): Promise<readonly unknown[]> {
  const sign = createSigningEndpoint({ wire: S3, credentials: SECRET, ...options });
  const { status, body } = await sign({ requests: asked }, allowed);
  expect(status).toBe(200);
  return (body as { signed: readonly unknown[] }).signed;
}

/** Whether each may be signed. */
async function mayEach(...args: Parameters<typeof answersOf>): Promise<boolean[]> {
  return (await answersOf(...args)).map((answer) => {
    const { url, refused } = answer as { url?: string; refused?: string };
    expect((url === undefined) !== (refused === undefined)).toBe(true);
    return url !== undefined;
  });
}

const PART = { partNumber: '7', uploadId: 'u' };
/** Requests about an object, and who may make them. */
const REQUESTS: readonly [name: string, asked: Asked, deeds: readonly Deed[]][] = [
  ['send it whole', {}, ['upload']],
  ['begin parts', { method: 'POST', query: { uploads: '' } }, ['upload']],
  ['send a part', { query: PART }, ['upload']],
  ['send any part', { query: { uploadId: 'u' } }, ['upload']],
  ['list parts', { method: 'GET', query: { 'max-parts': '1000', uploadId: 'u' } }, ['upload']],
  [
    'a page of parts',
    { method: 'GET', query: { 'max-parts': '1', 'part-number-marker': '9', uploadId: 'u' } },
    ['upload'],
  ],
  ['finish', { method: 'POST', query: { uploadId: 'u' } }, ['upload']],
  ['abort', { method: 'DELETE', query: { uploadId: 'u' } }, ['upload']],
  ['look', { method: 'HEAD' }, ['upload', 'download']],
  ['read', { method: 'GET' }, ['download']],
  ['delete', { method: 'DELETE' }, ['remove']],
  ['list', { method: 'GET', key: '', query: { prefix: 'users/7/', 'max-keys': '1' } }, ['list']],
  ['list uploads', { method: 'GET', key: '', query: { prefix: 'users/7/', uploads: '' } }, ['list']],
];
const DEEDS: readonly Deed[] = ['upload', 'download', 'list', 'remove'];

describe('what may be done', () => {
  test.each(REQUESTS)('%s', async (_name, asked, deeds) => {
    for (const deed of DEEDS) {
      expect(await mayEach([ask(asked)], { ...MINE, to: [deed] })).toEqual([deeds.includes(deed)]);
    }
    expect(await mayEach([ask(asked)])).toEqual([deeds.includes('upload')]);
    expect(await mayEach([ask(asked)], { ...MINE, to: [] })).toEqual([false]);
  });

  const QUERIES: readonly (readonly [method: string, query: Record<string, string>])[] = [
    ...[
      'acl',
      'policy',
      'tagging',
      'cors',
      'lifecycle',
      'torrent',
      'restore',
      'select',
      'append',
      'delete',
      'versions',
      'retention',
      'legal-hold',
      'replication',
    ].flatMap((name) => ['PUT', 'POST', 'GET', 'DELETE', 'HEAD'].map((method) => [method, { [name]: '' }] as const)),
    ['PUT', { ...PART, acl: '' }],
    ['PUT', { uploadId: 'u', acl: '' }],
    ['GET', { 'response-content-type': 'text/html' }],
    ['DELETE', { versionId: '1' }],
    // An id that is missing would make an abort a deletion, and a part an object.
    ['DELETE', { uploadId: '' }],
    ['POST', { uploadId: '' }],
    ['PUT', { partNumber: '1', uploadId: '' }],
    ['POST', { uploads: 'x' }],
    ...['0', '-1', '1.5', '1e-9', '', 'x', '100000', '٣'].map(
      (partNumber) => ['PUT', { partNumber, uploadId: 'u' }] as const,
    ),
    ['PUT', { partNumber: '1' }],
    ['PUT', { partnumber: '1', uploadid: 'u' }],
    ['PUT', { ...PART, 'X-Amz-Expires': '1' }],
    ['put', {}],
    ['PATCH', {}],
    ['OPTIONS', {}],
    ['constructor', {}],
    ['toString', {}],
  ];
  test.each(QUERIES)('nobody may %s %j', async (method, query) => {
    expect(await mayEach([ask({ method, query })], { path: '', to: DEEDS })).toEqual([false]);
  });

  test('the bucket itself is listed and nothing else', async () => {
    const all = { path: '', to: DEEDS };
    for (const method of ['PUT', 'POST', 'DELETE', 'HEAD']) {
      for (const query of [{}, { delete: '' }, { policy: '' }, { uploads: '' }] as Record<string, string>[]) {
        expect(await mayEach([ask({ key: '', method, query })], all)).toEqual([false]);
      }
    }
    for (const name of ['acl', 'policy', 'cors', 'location', 'versions', 'website', 'inventory']) {
      expect(await mayEach([ask({ key: '', method: 'GET', query: { [name]: '' } })], all)).toEqual([false]);
    }
  });
});

describe('where it may be done', () => {
  const KEYS: readonly [key: string, may: boolean][] = [
    ['users/7/a.mp4', true],
    ['users/7/a/b c%2F腾.mp4', true],
    ['users/7/...', true],
    ['users/7/', false],
    ['users/7', false],
    ['users/8/a.mp4', false],
    ['users/70/a.mp4', false],
    ['a.mp4', false],
    ['users/7/../8/a.mp4', false],
    ['users/7/./a.mp4', false],
    ['users/7/..', false],
    ['users/7/a/../../8/a.mp4', false],
    ['/users/7/a.mp4', false],
    ['../films/users/7/a.mp4', false],
    ['Users/7/a.mp4', false],
    ['users/7/a\n.mp4', false],
    ['users/7/a\0', false],
    ['users/7/\ud800', false],
    [`users/7/${'a'.repeat(1017)}`, false],
  ];
  test.each(KEYS)('%j below users/7/: %s', async (key, may) => {
    expect(await mayEach([ask({ key })])).toEqual([may]);
    const cos = { wire: COS, credentials: SECRET };
    expect(await mayEach([ask({ key, bucket: 'films-10055004' })], MINE, cos)).toEqual([may]);
  });

  test('in this bucket only', async () => {
    const buckets = ['other', 'films-10055004', '', 'films/users', '../films', 'Films'];
    expect(await mayEach(buckets.map((bucket) => ask({ bucket })))).toEqual(buckets.map(() => false));
    expect(await mayEach([ask({ bucket: 'films' })], MINE, { wire: COS })).toEqual([false]);
  });

  test('at one object, where that is what is allowed', async () => {
    const keys = ['a.mp4', 'a.mp4.exe', 'a.mp4/b', 'a.mp'];
    const one = { path: 'a.mp4', to: DEEDS };
    expect(
      await mayEach(
        keys.map((key) => ask({ key })),
        one,
      ),
    ).toEqual([true, false, false, false]);
    expect(await mayEach([ask({ key: '', method: 'GET', query: { prefix: 'a.mp4' } })], one)).toEqual([false]);
  });

  test('lists are of the folder', async () => {
    const prefixes = ['users/7/', 'users/7/sub/', 'users/7', 'users/', '', 'users/8/'];
    const asked = prefixes.map((prefix) => ask({ key: '', method: 'GET', query: { prefix } }));
    const lists = { ...MINE, to: ['list'] } as const;
    expect(await mayEach(asked, lists)).toEqual([true, true, false, false, false, false]);
    expect(await mayEach([ask({ key: '', method: 'GET' })], lists)).toEqual([false]);
    expect(await mayEach(asked, { path: '', to: ['list'] })).toEqual(asked.map(() => true));
  });
});

describe('what may go with it', () => {
  test.each<[name: string, value: string, may: boolean]>([
    ['content-length', '5', true],
    ['content-md5', 'x==', true],
    ['if-none-match', '*', true],
    ['x-cos-forbid-overwrite', 'true', true],
    ['x-amz-meta-attributes', '%7B%7D', true],
    ['x-amz-acl', 'public-read', false],
    ['x-amz-acl', 'private', true],
    ['x-amz-copy-source', '/films/users/8/a.mp4', false],
    ['x-amz-copy-source-range', 'bytes=0-1', false],
    ['x-amz-grant-full-control', 'id=1', false],
    ['x-amz-website-redirect-location', 'https://evil.test', false],
    ['x-amz-security-token', 'x', false],
    ['x-amz-storage-class', 'GLACIER', false],
    ['X-Amz-Meta-A', 'upper case', false],
    ['host', 'other.test', false],
    ['x-amz-meta-a', 'x\nhost:other.test', false],
    ['x-amz-meta-', '', false],
    ['constructor', 'x', false],
    ['__proto__', 'x', false],
  ])('%s: %s: %s', async (name, value, may) => {
    const headers = Object.fromEntries([[name, value]]);
    expect(await mayEach([ask({ headers })], MINE, { headers: { 'X-Amz-Acl': 'private' } })).toEqual([may]);
  });

  test('how large: by the length, and in parts by their number, too', async () => {
    const limited = { ...MINE, maxBytes: 100 };
    const sized = (bytes: number | string | undefined, query: Record<string, string> = {}) =>
      ask({ query, ...(bytes !== undefined && { headers: { 'content-length': String(bytes) } }) });
    const part = (partNumber: number) => ({ partNumber: String(partNumber), uploadId: 'u' });
    expect(
      await mayEach(
        [100, 101, undefined, '', '1e1', '-5', '0x1'].map((bytes) => sized(bytes)),
        limited,
      ),
    ).toEqual([true, false, false, false, false, false, false]);
    // An honest upload of 95 bytes in parts of 10.
    const honest = Array.from({ length: 10 }, (_, index) => sized(index < 9 ? 10 : 5, part(index + 1)));
    expect(await mayEach(honest, limited)).toEqual(honest.map(() => true));
    expect(await mayEach([sized(51, part(2)), sized(10, part(11)), sized(undefined, part(1))], limited)).toEqual([
      false,
      false,
      false,
    ]);
    expect(await answersOf([sized(undefined, { uploadId: 'u' })], limited)).toEqual([
      { refused: 'its length is not covered: use cosXml({ strict: true })' },
    ]);
    // Whoever sends other parts than honest ones.
    let bytes = 0;
    for (let number = 1; number <= 10_000; number += 1) bytes += Math.floor(100_000_000 / number);
    expect(bytes / 100_000_000).toBeLessThan(10);
  });
});

describe('answers', () => {
  const only = async (asked: RequestToSign, options: Partial<SigningEndpointOptions> = {}): Promise<SignedRequest> => {
    const [answer] = await answersOf([asked], MINE, options);
    return answer as SignedRequest;
  };

  test('on S3: a URL with all of the query and the headers in its signature, as long as the endpoint says', async () => {
    const asked = ask({ query: PART, headers: { 'content-length': '5' }, key: 'users/7/a b/腾.mp4' });
    const { url, headers, expiresInSec } = await only(asked, { lifetimeSec: 300 });
    const { pathname, searchParams } = new URL(url ?? '');
    expect(pathname).toBe('/films/users/7/a%20b/%E8%85%BE.mp4');
    expect(Object.fromEntries(searchParams)).toMatchObject({
      ...PART,
      'X-Amz-Expires': '300',
      'X-Amz-SignedHeaders': 'content-length;host',
      'X-Amz-Signature': expect.stringMatching(/^[\da-f]{64}$/),
    });
    expect([headers, expiresInSec]).toEqual([undefined, 300]);
    expect(url).not.toContain('KEY');
  });

  test('on COS: a URL whose signature covers what was asked, by the server’s own clock', async () => {
    const wire = { wire: COS };
    const asked = ask({ bucket: 'films-10055004', query: { uploadId: 'u' }, headers: { 'x-cos-meta-a': 'b' } });
    const { url, expiresInSec } = await only(asked, wire);
    expect(expiresInSec).toBe(900);
    const { searchParams } = new URL(url ?? '');
    const [startSec = 0, endSec = 0] = (searchParams.get('q-sign-time') ?? '').split(';').map(Number);
    expect(Math.abs(endSec - 900 - Date.now() / 1000)).toBeLessThan(60);
    const host = 'films-10055004.cos.ap-shanghai.myqcloud.com';
    const covered = {
      method: 'PUT',
      path: '/users/7/a.mp4',
      params: { uploadId: 'u' },
      headers: { host, 'x-cos-meta-a': 'b' },
    };
    const fields = await cosSignature(covered, SECRET, { startSec, endSec });
    expect(Object.fromEntries(searchParams)).toEqual({ uploadId: 'u', ...Object.fromEntries(fields) });
  });

  test('of temporary credentials live no longer than these, and carry their token', async () => {
    const nowSec = Math.floor(Date.now() / 1000);
    let asked = 0;
    const credentials = {
      credentials: async () => {
        asked += 1;
        return { ...SECRET, token: 'TOKEN', expiresAtSec: nowSec + 600 };
      },
    };
    const { url, expiresInSec } = await only(ask({}), { credentials });
    expect(new URL(url ?? '').searchParams.get('X-Amz-Security-Token')).toBe('TOKEN');
    expect(expiresInSec).toBeLessThanOrEqual(600);
    expect(expiresInSec).toBeGreaterThan(500);
    expect(asked).toBe(1);
  });

  test('come one for each request, those that may be with those that may not', async () => {
    const answers = await answersOf([ask({}), ask({ key: 'other' }), ask({ query: { acl: '' } })]);
    expect(answers).toEqual([
      { url: expect.any(String), expiresInSec: 900 },
      { refused: 'it lies outside of what is allowed' },
      { refused: 'this may not be done' },
    ]);
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', '{"requests": []}'],
    ['no list', { requests: {} }],
    ['a request that is none', { requests: [7] }],
    ['one without a key', { requests: [{ ...ask({}), key: undefined }] }],
    ['a number in the query', { requests: [{ ...ask({}), query: { partNumber: 7 } }] }],
    ['a list of headers', { requests: [{ ...ask({}), headers: ['a'] }] }],
    ['no headers', { requests: [{ ...ask({}), headers: undefined }] }],
    ['more than it will do at once', { requests: Array.from({ length: 1001 }, () => ask({})) }],
  ])('say what is wrong with a body: %s', async (_name, body) => {
    const sign = createSigningEndpoint({ wire: S3, credentials: SECRET });
    expect(await sign(body, MINE)).toEqual({ status: 400, body: { message: expect.any(String) } });
  });
});

describe('mistakes of the application are told before anything is signed', () => {
  test.each([
    ['wire', { wire: undefined }],
    ['wire.bucket', { wire: s3({ endpoint: 'http://h', bucket: '../x' }) }],
    ['credentials', { credentials: undefined }],
    ['credentials', { credentials: { ...SECRET, credentials: () => SECRET } }],
    ['lifetimeSec', { lifetimeSec: 59 }],
    ['lifetimeSec', { lifetimeSec: 604_801 }],
    ['headers', { headers: { a: 1 } }],
  ])('%s', (option, options) => {
    const given = { wire: S3, credentials: SECRET, ...options } as unknown as SigningEndpointOptions;
    expect(() => createSigningEndpoint(given)).toThrowError(
      expect.objectContaining({ code: 'invalid-options', issues: [expect.objectContaining({ option })] }),
    );
  });

  test.each([
    ['path', undefined],
    ['path', {}],
    ['path', { path: undefined }],
    ['path', { path: '/users/7/' }],
    ['to', { path: '', to: ['everything'] }],
    ['to', { path: '', to: 'upload' }],
    ['maxBytes', { path: '', maxBytes: '5' }],
    ['maxBytes', { path: '', maxBytes: Number.NaN }],
  ])('%s of %j', async (option, allowed) => {
    const sign = createSigningEndpoint({ wire: S3, credentials: SECRET });
    await expect(sign({ requests: [ask({})] }, allowed as never)).rejects.toMatchObject({
      code: 'invalid-options',
      issues: [{ option }],
    });
  });
});
