import { describe, expect, test } from 'vitest';
import { digestHex } from './hash.ts';
import { amzDate, presignV4, signV4, UNSIGNED_PAYLOAD, type V4Request } from './sig-v4.ts';

const AWS = { secretId: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
const HOST = 'https://examplebucket.s3.amazonaws.com';
const SCOPE = { region: 'us-east-1', nowSec: Date.parse('2013-05-24T00:00:00Z') / 1000 };

async function signatureOf(
  request: Omit<V4Request, 'headers' | 'payloadHash' | 'method'> & Partial<V4Request>,
): Promise<string> {
  const payloadHash = request.payloadHash ?? (await digestHex('SHA-256', ''));
  const headers = {
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': amzDate(SCOPE.nowSec),
    ...request.headers,
  };
  const value = await signV4({ method: 'GET', ...request, payloadHash, headers }, AWS, SCOPE);
  return /Signature=(\w+)$/.exec(value)?.[1] ?? value;
}

describe('the vectors of AWS', () => {
  test('GET with a range', async () => {
    expect(await signatureOf({ url: `${HOST}/test.txt`, headers: { Range: 'bytes=0-9' } })).toBe(
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    );
  });

  test('PUT with a body and a path to encode', async () => {
    const request = {
      method: 'PUT',
      url: `${HOST}/test%24file.text`,
      headers: { Date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      payloadHash: await digestHex('SHA-256', 'Welcome to Amazon S3.'),
    };
    expect(await signatureOf(request)).toBe('98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd');
  });

  test.each([
    ['?lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
    ['?max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
    ['?prefix=J&max-keys=2', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
  ])('GET %s', async (query, signature) => {
    expect(await signatureOf({ url: `${HOST}/${query}` })).toBe(signature);
  });

  test('a URL that is signed', async () => {
    const request = { method: 'GET', url: `${HOST}/test.txt`, headers: {} };
    expect(await presignV4(request, AWS, { ...SCOPE, expiresSec: 86_400 })).toBe(
      `${HOST}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request` +
        '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
        '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    );
  });
});

test('a part in path style, of a key with letters of all kinds, its bytes not signed', async () => {
  const url = 'http://127.0.0.1:7480/examplebucket/films/a%20b%2Bc%25%26%23%E8%85%BE.mp4?partNumber=7&uploadId=2~abc';
  expect(await signatureOf({ method: 'PUT', url, payloadHash: UNSIGNED_PAYLOAD })).toBe(
    '74456d7e4802ab873578b6531bcd672efad79f784a5f0d3be405fadf27356319',
  );
});

describe('what @smithy/signature-v4 makes of', () => {
  test('a name given twice, and a header with more spaces than it needs', async () => {
    const headers = { 'X-Amz-Meta-Title': '  two   words ' };
    for (const query of ['a=1&b=1&b=2', 'b=2&a=1&b=1', 'b=1&b=2&a=1']) {
      expect(await signatureOf({ url: `${HOST}/k?${query}`, headers })).toBe(
        '1ce95dddd1d646ac94a0cc4775c6b96e957dd01f3e37af59adccb8c2fbc7547c',
      );
    }
  });

  test('a URL with a query, for those who send a header and temporary credentials with it', async () => {
    const request = { method: 'GET', url: `${HOST}/k?versionId=7`, headers: { Range: 'bytes=0-9' } };
    const credentials = { ...AWS, token: 'to/ken+=' };
    expect(await presignV4(request, credentials, { ...SCOPE, expiresSec: 60 })).toBe(
      `${HOST}/k?versionId=7&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request` +
        '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-Security-Token=to%2Fken%2B%3D' +
        '&X-Amz-SignedHeaders=host%3Brange' +
        '&X-Amz-Signature=a5ffe87f007162d29b77cc07a8cb957ef4fb1540e91d2c379cff774e6fd56196',
    );
  });
});

test('a header says who has signed, where, and what', async () => {
  const request = {
    method: 'GET',
    url: `${HOST}/k`,
    headers: { 'x-amz-date': '20130524T000000Z', Range: 'bytes=0-9' },
  };
  expect(await signV4({ ...request, payloadHash: UNSIGNED_PAYLOAD }, AWS, SCOPE)).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE\/20130524\/us-east-1\/s3\/aws4_request, SignedHeaders=host;range;x-amz-date, Signature=[0-9a-f]{64}$/,
  );
});

test('the port that goes without saying is not signed, since it is not sent', async () => {
  const [one, other] = await Promise.all(
    ['https://h.test/k', 'https://H.test:443/k'].map((url) => signatureOf({ url })),
  );
  expect(one).toBe(other);
});

test('the key of a day is made once, and that of another day or secret anew', async () => {
  const keys = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  const made: unknown[] = [];
  const request = { method: 'GET', url: `${HOST}/k`, headers: {}, payloadHash: UNSIGNED_PAYLOAD };
  for (const [credentials, nowSec] of [
    [AWS, SCOPE.nowSec],
    [AWS, SCOPE.nowSec + 10],
    [AWS, SCOPE.nowSec + 86_400],
    [{ ...AWS, secretKey: 'other' }, SCOPE.nowSec + 86_400],
  ] as const) {
    const scope = { ...SCOPE, nowSec };
    expect(await signV4(request, credentials, { ...scope, keys })).toBe(await signV4(request, credentials, scope));
    made.push(...keys.values());
    expect(keys.size).toBe(1);
  }
  expect(made).toHaveLength(4);
  expect(made[1]).toBe(made[0]);
  expect(new Set(made).size).toBe(3);
});
