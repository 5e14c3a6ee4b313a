import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { cosXml, createSigningEndpoint, s3 } from '@cos-slice/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from './testing/cli.ts';

const KEYS = { AWS_ACCESS_KEY_ID: 'AKID', AWS_SECRET_ACCESS_KEY: 'hush' };
const COS = { COS_REGION: 'sh', COS_SECRET_ID: 'AKID', COS_SECRET_KEY: 'hush' };

test.each<[name: string, args: string[], env: NodeJS.ProcessEnv, message: RegExp]>([
  [
    'nothing of s3',
    ['s3://films'],
    {},
    /missing --endpoint \(or AWS_ENDPOINT_URL_S3\), --secret-id \(or AWS_ACCESS_KEY_ID\), --secret-key/,
  ],
  [
    'nothing of cos',
    ['cos://films-10055004'],
    {},
    /missing --region \(or COS_REGION\), --secret-id \(or COS_SECRET_ID\)/,
  ],
  [
    'a bucket of cos without its id',
    ['cos://films'],
    COS,
    /films lacks the application's id: give cos:\/\/films-APPID, or --app-id/,
  ],
  ['no bucket', ['s3://'], KEYS, /give BUCKET\/PATH, cos:\/\/BUCKET-APPID\/PATH or s3:\/\/BUCKET\/PATH/],
  ['a wire that there is not', ['films', '--wire', 'ftp'], {}, /--wire must be json, cos or s3, got 'ftp'/],
  ['a wire from a variable', ['films'], { COS_SLICE_WIRE: 's3' }, /missing --endpoint \(or AWS_ENDPOINT_URL_S3\)/],
  ['two wires', ['s3://films', '--wire', 'cos'], KEYS, /s3:\/\/films and --wire cos exclude each other/],
  ['a server that there is not', ['s3://films', '--server', 'tape'], KEYS, /--server must be aws, ceph/],
  [
    'an endpoint that is none',
    ['s3://films', '--endpoint', 'here'],
    KEYS,
    /--endpoint must be a URL with http:\/\/ or https:\/\//,
  ],
  ['a region that is none', ['cos://films-10055004', '--region', 'a/b'], COS, /--region must be a region's name/],
  ['two ways to sign', ['s3://films', '--sign-url', 'http://x/', '--secret-key', 'x'], KEYS, /exclude each other/],
  [
    'a service for signatures and one for credentials',
    ['s3://films', '--sign-url', 'http://x/', '--credentials-url', 'http://x/'],
    {},
    /--sign-url and --credentials-url exclude each other/,
  ],
  [
    'a service for credentials that is none',
    ['s3://films', '--endpoint', 'http://x', '--credentials-url', 'here'],
    {},
    /--credentials-url \(or COS_CREDENTIALS_URL\) must be a URL/,
  ],
])('%s is told in one line', async (_name, args, env, message) => {
  const { code, stdout, stderr } = await runCli(['ls', ...args], { env });
  expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(message)]);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).not.toContain('hush');
});

test.each([
  [['upload', import.meta.filename, 's3://films/', '--integrity', 'sha1'], 'none, md5 or crc64'],
  [['put', import.meta.dirname, 's3://films/', '--server', 'ceph', '--integrity', 'crc64'], 'none or md5'],
  [['copy', 's3://films/a', 'json://films/a', '--app-id', '1', '--integrity', 'crc64'], 'none, md5 or sha1'],
])('%j is refused, since the server has no such integrity', async (args, has) => {
  const env = { ...KEYS, AWS_REGION: 'us-east-1', COS_SECRET_ID: 'AKID', COS_SECRET_KEY: 'hush' };
  const endpoint = args.includes('--server') || args[0] === 'copy' ? ['--endpoint', 'http://127.0.0.1:9'] : [];
  const { code, stdout, stderr } = await runCli([...args, ...endpoint], { env });
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(new RegExp(`^cos-slice: --integrity of this server must be ${has}, got '\\w+'[^\n]*\n$`));
});

/** What was asked of a server that has nothing. */
const seen: IncomingMessage[] = [];
const server = createServer(async (req, res) => {
  const wire = /^\/sign\/(\w+)$/.exec(req.url ?? '')?.[1];
  if (wire !== undefined) {
    const sign = createSigningEndpoint({
      wire:
        wire === 's3'
          ? s3({ endpoint: origin, bucket: 'films' })
          : cosXml({ endpoint: origin, region: 'sh', bucket: 'films', appId: '10055004' }),
      credentials: { secretId: 'SIGNER', secretKey: 'key' },
    });
    const { status, body } = await sign(await json(req), { path: '', to: ['list'] });
    return res.writeHead(status).end(JSON.stringify(body));
  }
  if (req.method === 'POST') {
    const credentials = {
      secretId: 'TEMPORARY',
      secretKey: 'key',
      token: 'a-token',
      expiresAtSec: Date.now() / 1000 + 3600,
    };
    return res.end(JSON.stringify(credentials));
  }
  seen.push(req);
  res.end('<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>');
});
let origin: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

test('variables of AWS say where and who, flags go first', async () => {
  const env = { ...KEYS, AWS_SESSION_TOKEN: 'session', AWS_DEFAULT_REGION: 'eu-west-1', AWS_ENDPOINT_URL: origin };
  expect(await runCli(['ls', 's3://films'], { env })).toMatchObject({ code: 0, stdout: '' });
  expect(seen.at(-1)).toMatchObject({
    url: expect.stringMatching(/^\/films\/\?/),
    headers: {
      authorization: expect.stringMatching(/Credential=AKID\/\d{8}\/eu-west-1\/s3\/aws4_request/),
      'x-amz-security-token': 'session',
    },
  });
  await runCli(['ls', 's3://films', '--region', 'us-west-2', '--secret-id', 'OTHER', '--endpoint', origin], {
    env: KEYS,
  });
  expect(seen.at(-1)?.headers.authorization).toMatch(/Credential=OTHER\/\d{8}\/us-west-2\//);
});

test('--wire speaks for a plain bucket, with the id of the application beside it', async () => {
  const env = { ...COS, COS_APP_ID: '10055004', COS_ENDPOINT: origin, COS_SECRET_TOKEN: 'session' };
  expect(await runCli(['ls', 'films', '--wire', 'cos'], { env })).toMatchObject({ code: 0, stdout: '' });
  expect(seen.at(-1)?.headers).toMatchObject({
    authorization: expect.stringContaining('q-ak=AKID'),
    'x-cos-security-token': 'session',
  });
});

test.each([
  ['s3://films', 's3', /X-Amz-Credential=SIGNER/],
  ['cos://films-10055004', 'cos', /q-ak=SIGNER/],
])('--sign-url has the requests about %s signed', async (bucket, wire, signature) => {
  const args = ['ls', bucket, '--endpoint', origin, '--region', 'sh', '--sign-url', `${origin}/sign/${wire}`];
  expect(await runCli(args, {})).toMatchObject({ code: 0, stderr: '' });
  expect(seen.at(-1)?.url).toMatch(signature);
});

test('--credentials-url brings temporary credentials', async () => {
  const args = ['ls', 's3://films', '--endpoint', origin, '--credentials-url', `${origin}/credentials`];
  expect(await runCli(args, {})).toMatchObject({ code: 0 });
  expect(seen.at(-1)?.headers).toMatchObject({
    authorization: expect.stringContaining('Credential=TEMPORARY/'),
    'x-amz-security-token': 'a-token',
  });
});
