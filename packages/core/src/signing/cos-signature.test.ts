import { describe, expect, test } from 'vitest';
import { type CosRequest, cosHeader, cosQuery, cosSignature } from './cos-signature.ts';

/** Of the vendor's documentation. */
const D = { secretId: 'AKIDQjz3ltompVjBni5LitkWHFlFpwkn9U5q', secretKey: 'BQYIM75p8x0iWVFSIgqEKwFprpRSVHlz' };
const GO = { secretId: 'QmFzZTY0IGlzIGEgZ2VuZXJp', secretKey: 'AKIDZfbOA78asKUYBcXFrJD0a1ICvR98JM' };
const CPP = { secretId: 'access_key_test', secretKey: 'secret_key_test' };
const H = 'examplebucket-1250000000.cos.ap-beijing.myqcloud.com';
const CPP_HEADERS = { host: 'hostname_test', 'x-cos-meta-xx': 'meta_test' };
const CPP_PARAMS = { first_param: 'first_value', second_param: 'second_value' };
const FILM = '/films/a b+c%&#腾.mp4';

const vectors: readonly (readonly [name: string, typeof D, time: string, request: CosRequest, signature: string])[] = [
  [
    'documentation, PUT',
    D,
    '1557989151;1557996351',
    {
      method: 'PUT',
      path: '/exampleobject(腾讯云)',
      headers: {
        'Content-Length': '13',
        'Content-MD5': 'mQ/fVh815F3k6TAUm8m0eg==',
        'Content-Type': 'text/plain',
        Date: 'Thu, 16 May 2019 06:45:51 GMT',
        Host: H,
        'x-cos-acl': 'private',
        'x-cos-grant-read': 'uin="100000000011"',
      },
    },
    '3b8851a11a569213c17ba8fa7dcf2abec6935172',
  ],
  [
    'documentation, GET',
    D,
    '1557989753;1557996953',
    {
      method: 'GET',
      path: '/exampleobject(腾讯云)',
      params: { 'response-content-type': 'application/octet-stream', 'response-cache-control': 'max-age=600' },
      headers: { Date: 'Thu, 16 May 2019 06:55:53 GMT', Host: H },
    },
    '01681b8c9d798a678e43b685a9f1bba0f6c0e012',
  ],
  [
    'Go SDK',
    GO,
    '1480932292;1481012292',
    {
      method: 'PUT',
      path: '/testfile2',
      headers: {
        host: 'testbucket-125000000.cos.ap-guangzhou.myqcloud.com',
        'x-cos-content-sha1': 'db8ac1c259eb89d4a131b253bacfca5f319d54f2',
        'x-cos-stroage-class': 'nearline',
      },
    },
    'ce4ac0ecbcdb30538b3fee0a97cc6389694ce53a',
  ],
  [
    'C++ SDK, parameters and headers',
    CPP,
    '1502493430;1502573430',
    { method: 'GET', path: 'xxxx', params: CPP_PARAMS, headers: CPP_HEADERS },
    '7686473b75487163d6e204d3c68e5c3b74e06164',
  ],
  [
    'C++ SDK, headers',
    CPP,
    '1502493430;1502573430',
    { method: 'GET', path: 'xxxx', headers: CPP_HEADERS },
    '8e196637993353bdff2466e0d34034130c9a2aca',
  ],
  [
    'C++ SDK, neither',
    CPP,
    '1502493430;1502573430',
    { method: 'GET', path: 'xxxx' },
    '122c75ad3f7c230b8cc88f4f38410b9d3d347997',
  ],
  [
    'an older documentation',
    D,
    '1417773892;1417853898',
    {
      method: 'GET',
      path: '/testfile',
      headers: { Host: 'bucket1-1254000000.cos.ap-beijing.myqcloud.com', Range: 'bytes=0-3' },
    },
    '4b6cbab14ce01381c29032423481ebffd514e8be',
  ],
  [
    'a key with letters of all kinds, neither',
    D,
    '1700000000;1700003600',
    { method: 'PUT', path: FILM },
    'acf062c9c0681ae2b4ca8622af3d9577657a3904',
  ],
  [
    'the same, a part and its host',
    D,
    '1700000000;1700003600',
    { method: 'PUT', path: FILM, params: { partNumber: '7', uploadId: '1585130821cbb7' }, headers: { host: H } },
    '3f80ac28c30d63dbc52094f64fca776688bf8250',
  ],
];

const windowOf = (time: string) => {
  const [startSec = 0, endSec = 0] = time.split(';').map(Number);
  return { startSec, endSec };
};

describe('vectors', () => {
  test.each(vectors)('%s', async (_name, credentials, time, request, signature) => {
    const fields = await cosSignature(request, credentials, windowOf(time));
    expect(Object.fromEntries(fields)['q-signature']).toBe(signature);
  });
});

test('a header has the fields as they are, a query encodes them', async () => {
  const request = {
    method: 'GET',
    path: '/a',
    params: { b: '1', 'A c': '2' },
    headers: { Host: H, range: 'bytes=0-1' },
  };
  const fields = await cosSignature(request, D, windowOf('1;2'));
  expect(cosHeader(fields)).toMatch(
    /^q-sign-algorithm=sha1&q-ak=AKID\w+&q-sign-time=1;2&q-key-time=1;2&q-header-list=host;range&q-url-param-list=a%20c;b&q-signature=[0-9a-f]{40}$/,
  );
  expect(cosQuery(fields)).toMatch(
    /^q-sign-algorithm=sha1&q-ak=AKID\w+&q-sign-time=1%3B2&q-key-time=1%3B2&q-header-list=host%3Brange&q-url-param-list=a%2520c%3Bb&q-signature=/,
  );
});
