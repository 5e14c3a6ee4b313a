import { expect, test } from 'vitest';
import type { WireResponse } from '../../ports.ts';
import { cosXmlWire } from '../cos-xml/index.ts';
import { s3Wire } from '../s3/index.ts';
import type { XmlWire } from './wire.ts';

const S3 = s3Wire({ endpoint: 'http://127.0.0.1:7480', bucket: 'films' });
const AWS = s3Wire({ endpoint: 'https://s3.eu-west-1.amazonaws.com', bucket: 'films' });
const COS = cosXmlWire({ region: 'sh', bucket: 'films', appId: '10055004' });
const OWN = cosXmlWire({ region: 'sh', bucket: 'films', appId: '10055004', endpoint: 'https://films.example' });

const STORED = { 'content-type': 'video/mp4', 'cache-control': 'no-store', 'x-amz-meta-attributes': 'a%20film' };
const head = (sizeBytes: number): WireResponse => {
  const headers = new Headers({ ...STORED, 'content-length': String(sizeBytes), etag: '"e"' });
  return { status: 200, body: '', header: (name) => headers.get(name) ?? undefined };
};
const copyTo = (bucket: string) =>
  ({ op: 'copy', to: { appId: '10055004', bucket, path: 'b ü' }, overwrite: true }) as const;

/** The request that copies, once the size is known. */
async function copyRequest(wire: XmlWire, bucket: string, sizeBytes = 5) {
  const at = wire.locate({ endpoint: '', appId: '', bucket: '', path: 'a+1' });
  const operation = copyTo(bucket);
  expect(wire.encode(operation, at)).toMatchObject({ method: 'HEAD', url: at });
  const reply = await wire.decode(operation, head(sizeBytes), at);
  if (reply.kind !== 'more') throw new Error(`it ends: ${reply.kind}`);
  return wire.encode({ ...operation, more: reply.more }, at);
}

test.each([
  ['within a bucket', S3, 'films', 'http://127.0.0.1:7480/films/b%20%C3%BC', 'films/a%2B1'],
  ['to another bucket in the path', S3, 'other', 'http://127.0.0.1:7480/other/b%20%C3%BC', 'films/a%2B1'],
  ['to another host', AWS, 'other', 'https://other.s3.eu-west-1.amazonaws.com/b%20%C3%BC', 'films/a%2B1'],
  [
    'to another host of COS',
    COS,
    'other',
    'https://other-10055004.cos.ap-shanghai.myqcloud.com/b%20%C3%BC',
    'films-10055004.cos.ap-shanghai.myqcloud.com/a%2B1',
  ],
])('copies %s', async (_name, wire, bucket, url, source) => {
  const { method, url: to, headers } = await copyRequest(wire, bucket);
  expect([method, to, Object.values(headers ?? {})]).toEqual(['PUT', url, [source]]);
});

test('copies in parts what one request does not copy, to another bucket, too, with what is stored with it', async () => {
  const { method, url, headers = {} } = await copyRequest(S3, 'other', 6 * 1024 ** 3);
  expect([method, url]).toEqual(['POST', 'http://127.0.0.1:7480/other/b%20%C3%BC?uploads']);
  expect(Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))).toEqual(
    STORED,
  );
});

test.each([
  ['whose address nothing tells', OWN, 'other'],
  ['that cannot be', S3, '..'],
])('refuses a bucket %s', async (_name, wire, bucket) => {
  await expect(copyRequest(wire, bucket)).rejects.toMatchObject({
    code: 'invalid-options',
    issues: [{ option: 'bucket', message: expect.stringMatching(/^must be the same/) }],
  });
});
