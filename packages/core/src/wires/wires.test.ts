import { describe, expect, test } from 'vitest';
import { parseOptions } from '../options/options.ts';
import type { Authorizer, Credentials, SignClaim, WireRequest } from '../ports.ts';
import { cosSignature } from '../signing/cos-signature.ts';
import { createSigner } from '../signing/create-signer.ts';
import { createManualClock } from '../testing/manual-clock.ts';
import { cosXml } from './cos-xml.ts';
import { s3 } from './s3.ts';

const SECRET = { secretId: 'AKIDx', secretKey: 'KEY' };
const NOW_SEC = 1_700_000_000;
const HOST = 'films-10055004.cos.ap-shanghai.myqcloud.com';
const AT = `https://${HOST}/a%20b/%E8%85%BE.mp4`;
const PLACE = { region: 'ap-shanghai', bucket: 'films', appId: '10055004' };

const authorizerOf = (wire: ReturnType<typeof s3>, credentials: Credentials = SECRET): Authorizer => {
  const made = wire.authorizer?.(credentials, { clock: createManualClock(), timeoutMs: 1000 });
  if (!made) throw new Error('no authorizer');
  return made;
};
const claim = (more: Partial<SignClaim> = {}): SignClaim => {
  return { appId: '1', bucket: 'b', path: 'p', effect: 'multi', nowSec: NOW_SEC, ...more };
};
const sign = (authorizer: Authorizer, request: Partial<WireRequest<string>>, more?: Partial<SignClaim>) =>
  authorizer.authorize({ method: 'PUT', url: AT, ...request }, claim(more), new AbortController().signal);
const part = (number: number) => ({
  url: `${AT}?partNumber=${number}&uploadId=u`,
  content: { name: '', body: 'bytes', sizeBytes: 5 },
});
const fieldsOf = ({ authorization }: WireRequest<string>) =>
  Object.fromEntries(new URLSearchParams(authorization?.value));

describe('cosXml', () => {
  test('has one signature for all parts of an upload until shortly before it ends, and others for all else', async () => {
    const authorizer = authorizerOf(cosXml(PLACE));
    const values = await Promise.all([1, 2, 3].map((number) => sign(authorizer, part(number))));
    values.push(await sign(authorizer, part(4), { nowSec: NOW_SEC + 3400 }));
    expect(new Set(values.map(({ authorization }) => authorization?.value)).size).toBe(1);
    const covered = { method: 'PUT', path: '/a b/腾.mp4', params: { uploadId: 'u' }, headers: { host: HOST } };
    const fields = await cosSignature(covered, SECRET, { startSec: NOW_SEC - 60, endSec: NOW_SEC + 3600 });
    expect(fieldsOf(values[0] as WireRequest<string>)).toEqual(Object.fromEntries(fields));
    const later = await sign(authorizer, part(5), { nowSec: NOW_SEC + 3500 });
    const posted = await sign(authorizer, { method: 'POST', url: `${AT}?uploadId=u`, text: 'x' });
    const whole = await sign(authorizer, { url: AT });
    const other = await sign(authorizer, { ...part(1), url: `${AT}?partNumber=1&uploadId=v` });
    expect(new Set([values[0], later, posted, whole, other].map((one) => one?.authorization?.value)).size).toBe(5);
  });

  test('signs anew what the server has refused', async () => {
    const authorizer = authorizerOf(cosXml(PLACE));
    const first = await sign(authorizer, part(1));
    const refused = first.authorization?.value;
    const second = await sign(authorizer, part(1), { refused, nowSec: NOW_SEC + 1 });
    expect(second.authorization?.value).not.toBe(refused);
    expect(await sign(authorizer, part(2), { refused, nowSec: NOW_SEC + 2 })).toMatchObject({
      authorization: second.authorization,
    });
  });

  test('strict: signs each request with its query, its length and the headers that stay what they are', async () => {
    const authorizer = authorizerOf(cosXml({ ...PLACE, strict: true }), { ...SECRET, token: 'TOKEN' });
    const request = { ...part(7), headers: { 'Content-MD5': 'x==', 'Content-Type': 'y', 'x-cos-acl': 'private' } };
    const fields = fieldsOf(await sign(authorizer, request));
    expect(fields['q-header-list']).toBe('content-length;content-md5;host;x-cos-acl;x-cos-security-token');
    expect(fields['q-url-param-list']).toBe('partnumber;uploadid');
    const headers = {
      host: HOST,
      'content-length': '5',
      'content-md5': 'x==',
      'x-cos-acl': 'private',
      'x-cos-security-token': 'TOKEN',
    };
    const covered = { method: 'PUT', path: '/a b/腾.mp4', params: { partNumber: '7', uploadId: 'u' }, headers };
    const window = { startSec: NOW_SEC - 60, endSec: NOW_SEC + 3600 };
    expect(fields).toEqual(Object.fromEntries(await cosSignature(covered, SECRET, window)));
  });

  test('sends the token of temporary credentials, and signs for no longer than they live', async () => {
    const credentials = { ...SECRET, token: 'TOKEN', expiresAtSec: NOW_SEC + 1000 };
    const authorizer = authorizerOf(cosXml(PLACE), credentials);
    const signed = await sign(authorizer, part(1));
    expect(signed.headers).toEqual({ 'x-cos-security-token': 'TOKEN' });
    expect(fieldsOf(signed)['q-sign-time']).toBe(`${NOW_SEC - 60};${NOW_SEC + 1000}`);
    const url = await authorizer.presign?.({ method: 'GET', url: AT }, claim(), new AbortController().signal);
    expect(url).toMatch(/mp4\?q-sign-algorithm=sha1&.*q-signature=[0-9a-f]{40}&x-cos-security-token=TOKEN$/);
  });
});

describe('s3', () => {
  const wire = s3({ endpoint: 'http://127.0.0.1:7480', bucket: 'films' });

  test('signs every request by itself: its texts whole, of its bytes their MD5', async () => {
    const authorizer = authorizerOf(wire, { ...SECRET, token: 'TOKEN' });
    const signed = await sign(authorizer, { ...part(1), headers: { 'Content-MD5': 'x==', 'Content-Type': 'y' } });
    expect(signed.headers).toEqual({
      'Content-MD5': 'x==',
      'Content-Type': 'y',
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-date': '20231114T221320Z',
      'x-amz-security-token': 'TOKEN',
    });
    expect(signed.authorization?.value).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDx\/20231114\/us-east-1\/s3\/aws4_request, SignedHeaders=content-md5;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$/,
    );
    const other = await sign(authorizer, part(2));
    expect(other.authorization?.value).not.toBe(signed.authorization?.value);
    const text = await sign(authorizer, { method: 'POST', text: '' });
    expect(text.headers?.['x-amz-content-sha256']).toMatch(/^e3b0c44298fc1c14/);
  });
});

describe('options', () => {
  const given = { path: 'k', signer: SECRET, resume: false } as const;

  test('a wire that is made for one place needs no other, and goes before one that is left over', () => {
    const leftOver = { endpoint: 'https://sh.file.myqcloud.com/files/v2', appId: 'x', bucket: 'y' };
    for (const more of [{}, leftOver]) {
      const config = parseOptions({ ...given, ...more, wire: cosXml(PLACE) });
      expect(config).toMatchObject({ endpoint: `https://${HOST}`, bucket: 'films', appId: '10055004' });
      expect(config.sliceSizeBytes).toBe(8 * 1024 * 1024);
    }
  });

  test('the signer of the JSON API is one of the XML API, too', async () => {
    const signer = createSigner({ ...SECRET, appId: '10055004', bucket: 'films' });
    expect(() => parseOptions({ ...given, signer, wire: cosXml(PLACE) })).not.toThrow();
    expect(signer.credentials(new AbortController().signal)).toEqual(SECRET);
  });

  test('what cannot sign requests, and places that cannot be, are refused by name', () => {
    const wire = cosXml({ ...PLACE, region: '/' });
    expect(() => parseOptions({ ...given, signer: () => 'c2ln', wire })).toThrowError(
      /wire\.region must be a region's name.*signer must be one of credentials, signatures for requests, an authorizer, got a function/,
    );
  });

  test.each(['secretId', 'secretKey', 'token'])('a line break in %s is told of, and not shown', (name) => {
    for (const wire of [cosXml(PLACE), s3({ endpoint: 'http://127.0.0.1:7480', bucket: 'films' })]) {
      const parse = (value: string) => parseOptions({ ...given, wire, signer: { ...SECRET, [name]: value } });
      expect(() => parse('hush\n')).toThrowError(/signer must have no line break in .*, got an object$/);
      expect(() => parse('hush')).not.toThrow();
    }
  });

  test('parts grow with the size, to a MiB: 10,000 of them carry 5 GiB each at most', () => {
    const { sliceSize, maxParts } = cosXml(PLACE).traits;
    expect([sliceSize.step, sliceSize.max, maxParts]).toEqual([1024 ** 2, 5 * 1024 ** 3, 10_000]);
  });
});
