import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { cosHeader, cosSignature, presignV4, signV4, UNSIGNED_PAYLOAD } from '@cos-slice/core';
import { SignatureV4 } from '@smithy/signature-v4';
import Cos from 'cos-nodejs-sdk-v5';
import fc from 'fast-check';
import { expect, test } from 'vitest';

// Signatures as the vendors' own clients make them.

const NUM_RUNS = 1000;

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
const word = fc.stringMatching(/^[A-Za-z][\w-]{0,15}$/);
const key = fc
  .array(
    text.filter((segment) => !/^\.{1,2}$/.test(segment) && !segment.includes('/')),
    { minLength: 1, maxLength: 4 },
  )
  .map((segments) => segments.join('/'));
const headerText = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
const method = fc.constantFrom('GET', 'PUT', 'POST', 'HEAD', 'DELETE');
const paramsOf = (name: fc.Arbitrary<string>) =>
  fc.dictionary(name, fc.string({ unit: 'binary', maxLength: 20 }), { maxKeys: 5, noNullPrototype: true });
const secret = fc.record({
  secretId: fc.stringMatching(/^AKID\w{8,32}$/),
  secretKey: fc.stringMatching(/^[\w+/]{16,40}$/),
});
const nowSec = fc.integer({ min: 1, max: 4_000_000_000 });

const encode = (part: string): string =>
  encodeURIComponent(part).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
const encodePath = (path: string): string => path.split('/').map(encode).join('/');

test('COS: as cos-nodejs-sdk-v5 signs', async () => {
  const headers = fc.dictionary(
    fc.oneof(
      word.map((name) => `x-cos-meta-${name}`),
      fc.constantFrom('Content-MD5', 'Range', 'Host', 'If-Match'),
    ),
    headerText,
    { maxKeys: 4, noNullPrototype: true },
  );
  const distinct = (one: Record<string, string>): boolean => {
    const names = Object.keys(one).map((name) => encode(name).toLowerCase());
    return new Set(names).size === names.length;
  };
  const lifeSec = fc.integer({ min: 1, max: 100_000 });
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        method,
        key,
        // Where names have to be encoded, their client signs them in another order than the one it names them in.
        params: paramsOf(word).filter(distinct),
        headers: headers.filter(distinct),
        secret,
        startSec: nowSec,
        lifeSec,
      }),
      async ({ method, key, params, headers, secret, startSec, lifeSec }) => {
        const endSec = startSec + lifeSec;
        const theirs = Cos.getAuthorization({
          SecretId: secret.secretId,
          SecretKey: secret.secretKey,
          Method: method,
          Pathname: `/${key}`,
          Query: params,
          Headers: headers,
          KeyTime: `${startSec};${endSec}`,
        } as Parameters<typeof Cos.getAuthorization>[0]);
        const fields = await cosSignature({ method, path: `/${key}`, params, headers }, secret, { startSec, endSec });
        expect(cosHeader(fields)).toBe(theirs);
      },
    ),
    { numRuns: NUM_RUNS },
  );
});

/** What their client wants for hashing. */
class Sha256 {
  readonly #hash: Hash | Hmac;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as string);
  }
  update(data: Uint8Array | string): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

const v4 = fc.record({
  method,
  key,
  params: paramsOf(text.filter((name) => name !== '__proto__')),
  headers: fc.dictionary(
    fc.oneof(
      word.map((name) => `x-amz-meta-${name.toLowerCase()}`),
      fc.constantFrom('content-md5', 'range'),
    ),
    headerText,
    { maxKeys: 4, noNullPrototype: true },
  ),
  secret,
  nowSec,
  region: word,
  token: fc.option(fc.stringMatching(/^[\w+/=]{1,40}$/), { nil: undefined }),
  host: fc.constantFrom('bucket.s3.example.com', '127.0.0.1:7480'),
});
type V4 = typeof v4 extends fc.Arbitrary<infer T> ? T : never;

function theirClient({ secret, token, region }: V4): SignatureV4 {
  return new SignatureV4({
    service: 's3',
    region,
    credentials: {
      accessKeyId: secret.secretId,
      secretAccessKey: secret.secretKey,
      ...(token !== undefined && { sessionToken: token }),
    },
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
  });
}

function theirRequest({ method, key, params, headers, host }: V4) {
  return {
    method,
    protocol: 'https:',
    hostname: host,
    path: `/${encodePath(key)}`,
    query: params,
    headers: { host, ...headers },
  };
}

const queryOf = (params: Record<string, string>): string => {
  const pairs = Object.entries(params).map(([name, value]) => `${encode(name)}=${encode(value)}`);
  return pairs.length > 0 ? `?${pairs.join('&')}` : '';
};

test('S3: as the AWS SDK signs', async () => {
  await fc.assert(
    fc.asyncProperty(v4, async (one) => {
      const { method, key, params, headers, secret, nowSec, region, token, host } = one;
      const signed = await theirClient(one).sign(
        {
          ...theirRequest(one),
          headers: { host, 'x-amz-content-sha256': UNSIGNED_PAYLOAD, ...headers },
        },
        { signingDate: new Date(nowSec * 1000), unsignableHeaders: new Set() },
      );
      const ours = await signV4(
        {
          method,
          url: `https://${host}/${encodePath(key)}${queryOf(params)}`,
          headers: {
            ...headers,
            'x-amz-content-sha256': UNSIGNED_PAYLOAD,
            'x-amz-date': signed.headers['x-amz-date'] ?? '',
            ...(token !== undefined && { 'x-amz-security-token': token }),
          },
          payloadHash: UNSIGNED_PAYLOAD,
        },
        { ...secret, token },
        { region, nowSec },
      );
      expect(ours).toBe(signed.headers.authorization);
    }),
    { numRuns: NUM_RUNS },
  );
});

test('S3: as the AWS SDK signs URLs', async () => {
  await fc.assert(
    fc.asyncProperty(v4, async (one) => {
      const { method, key, params, secret, nowSec, region, token, host } = one;
      const signed = await theirClient(one).presign(
        { ...theirRequest(one), headers: { host, 'x-amz-content-sha256': UNSIGNED_PAYLOAD } },
        {
          signingDate: new Date(nowSec * 1000),
          expiresIn: 600,
          unhoistableHeaders: new Set(['x-amz-content-sha256']),
          unsignableHeaders: new Set(['x-amz-content-sha256']),
        },
      );
      const url = await presignV4(
        { method, url: `https://${host}/${encodePath(key)}${queryOf(params)}`, headers: {} },
        { ...secret, token },
        { region, nowSec, expiresSec: 600 },
      );
      expect(new URL(url).searchParams.get('X-Amz-Signature')).toBe(signed.query?.['X-Amz-Signature']);
    }),
    { numRuns: NUM_RUNS },
  );
});
