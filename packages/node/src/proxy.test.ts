import { once } from 'node:events';
import { createServer, request as requestHttp, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { PassThrough } from 'node:stream';
import type { CosSliceError } from '@cos-slice/core';
import { ProxyAgent } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createClient } from './client.ts';
import { proxyFor } from './proxy.ts';
import { type ProxiedSignerOptions, remoteCredentials, remoteSigner } from './remote-signer.ts';
import { type UploadFileOptions, uploadFile } from './upload-file.ts';

const DONE = JSON.stringify({ code: 0, message: 'SUCCESS', data: { access_url: 'http://a/' } });
const ANSWERS: ReadonlyMap<string, string> = new Map([
  ['/sign', '{"signature":"c2lnbmF0dXJlc2lnbmF0dXJl"}'],
  ['/sts', '{"secretId":"id","secretKey":"key"}'],
]);
const CLAIM = { appId: '1', bucket: 'b', path: 'p', effect: 'once', nowSec: 1 } as const;
let origin: Server;
let proxy: Server;
/** What the proxy was asked, `METHOD target`. */
let asked: string[];
let credentials: unknown;
let answer: number;
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** Knows the way to `files.corp.test`, which no DNS does. */
beforeAll(async () => {
  origin = createServer((req, res) => {
    req.resume().on('end', () => res.end(ANSWERS.get(req.url ?? '') ?? DONE));
  }).listen(0, '127.0.0.1');
  proxy = createServer((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    credentials = req.headers['proxy-authorization'];
    if (answer !== 200) {
      req.resume();
      return res.writeHead(answer).end();
    }
    const { pathname, search } = new URL(req.url ?? '');
    const { headers, method } = req;
    const on = requestHttp({ port: portOf(origin), method, path: pathname + search, headers }, (reply) => {
      res.writeHead(reply.statusCode ?? 500, reply.headers);
      reply.pipe(res);
    });
    return req.pipe(on);
  });
  proxy.on('connect', (req, socket) => {
    asked.push(`CONNECT ${req.url}`);
    if (answer !== 200) return socket.end(`HTTP/1.1 ${answer} No\r\n\r\n`);
    const on = connect(portOf(origin), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      on.pipe(socket).pipe(on);
    });
    return on.on('error', () => socket.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await Promise.all([origin, proxy].map((server) => server.listening || once(server, 'listening')));
});
afterAll(() => {
  for (const server of [origin, proxy]) {
    server.closeAllConnections();
    server.close();
  }
});
beforeEach(() => {
  asked = [];
  answer = 200;
});

const upload = (options: Partial<UploadFileOptions>): Promise<unknown> =>
  uploadFile(new Uint8Array(10), {
    endpoint: 'http://files.corp.test/files/v2',
    appId: '1',
    bucket: 'b',
    path: 'a.bin',
    signer: () => 'c2ln',
    resume: false,
    retry: { attempts: 1 },
    ...options,
  }).done.then(
    () => 'done',
    (error) => error,
  );

test('an upload goes through the proxy that it is given, with its credentials', async () => {
  expect(await upload({ proxy: `http://user:pass@127.0.0.1:${portOf(proxy)}` })).toBe('done');
  expect(asked).toEqual(['POST http://files.corp.test/files/v2/1/b/a.bin']);
  expect(credentials).toBe(`Basic ${Buffer.from('user:pass').toString('base64')}`);
});

describe('what goes wrong names the proxy, and not its password', () => {
  test('it refuses the tunnel', async () => {
    answer = 407;
    const endpoint = 'https://files.corp.test/files/v2';
    const error = await upload({ proxy: `http://user:pass@127.0.0.1:${portOf(proxy)}`, endpoint });
    expect(asked).toEqual(['CONNECT files.corp.test:443']);
    expect(error).toMatchObject({ code: 'network', httpStatus: 407, remedy: 'none' });
    const { message } = error as Error;
    expect(message).toMatch(/^the proxy 127.0.0.1:\d+ does not lead to files.corp.test \(HTTP 407\)/);
    expect(message).not.toContain('pass@');
  });

  test.each<[string, (url: string) => Partial<UploadFileOptions>]>([
    ['named', (url) => ({ proxy: url })],
    ['of a dispatcher', (url) => ({ dispatcher: new ProxyAgent({ uri: url, proxyTunnel: false }) })],
  ])('it wants another password for plain HTTP, and is %s', async (_how, options) => {
    answer = 407;
    const error = await upload({
      ...options(`http://user:pass@127.0.0.1:${portOf(proxy)}`),
      retry: { baseDelayMs: 1 },
    });
    expect(asked).toEqual(['POST http://files.corp.test/files/v2/1/b/a.bin']);
    expect(error).toMatchObject({ code: 'network', httpStatus: 407, remedy: 'none' });
    const { message } = error as Error;
    expect(message).toMatch(
      /^the proxy( 127.0.0.1:\d+)? does not lead to files.corp.test \(HTTP 407\): check its user/,
    );
    expect(message).not.toContain('pass@');
  });

  test('it is not there', async () => {
    const error = await upload({ proxy: 'http://user:pass@127.0.0.1:1' });
    expect(error).toMatchObject({ code: 'network', unreachable: true });
    expect((error as Error).message).toMatch(/^the proxy: nothing listens at 127.0.0.1:1 /);
  });
});

describe('what goes wrong on the way to a signing service is told as it is, and not as in pages', () => {
  const failureOf = async (options: ProxiedSignerOptions): Promise<CosSliceError> =>
    remoteSigner(options)
      .sign(CLAIM, new AbortController().signal)
      .then(String, (error) => error);

  test.each([407, 502])('the proxy answers %i', async (status) => {
    answer = status;
    const { port } = proxy.address() as AddressInfo;
    const secret = `http://user:pass@127.0.0.1:${port}`;
    const error = await failureOf({ url: 'https://sign.corp.test/', proxy: secret });
    const remedy = status === 407 ? 'none' : 'backoff';
    expect(error).toMatchObject({ code: 'signing-failed', httpStatus: status, remedy });
    expect(error.message).toMatch(
      new RegExp(`^the signing endpoint cannot be asked: the proxy 127.0.0.1:${port} does not lead to .*${status}`),
    );
    if (status !== 407) return;
    const plain = await failureOf({ url: 'http://sign.corp.test/', proxy: secret });
    expect(plain).toMatchObject({ remedy, message: error.message });
  });

  test('the proxy is not there', async () => {
    const error = await failureOf({ url: 'http://sign.corp.test/', proxy: 'http://user:pass@127.0.0.1:1' });
    expect(error).toMatchObject({ code: 'signing-failed', remedy: 'backoff' });
    expect(error.message).toMatch(/^the signing endpoint cannot be asked: the proxy: nothing listens at 127.0.0.1:1 /);
  });

  test('the reply breaks off', async () => {
    const broken = createServer((_request, response) => {
      response.writeHead(200, { 'Content-Length': 99 });
      response.write('{', () => response.destroy());
    }).listen(0, '127.0.0.1');
    await once(broken, 'listening');
    const error = await failureOf({ url: `http://127.0.0.1:${portOf(broken)}/sign` });
    expect(error).toMatchObject({ code: 'signing-failed', remedy: 'backoff' });
    expect(error.message).toMatch(/^the signing endpoint cannot be asked: the connection to 127.0.0.1:\d+ broke /);
    broken.close();
  });

  test('there are ports that no request goes to', async () => {
    const error = await failureOf({ url: 'http://127.0.0.1:6667/sign' });
    expect(error).toMatchObject({ code: 'signing-failed', remedy: 'none' });
    expect(error.message).toBe('the signing endpoint cannot be asked: fetch refuses port 6667');
  });
});

describe('hosts that NO_PROXY names are reached without it', () => {
  beforeEach(() => {
    for (const name of ['http_proxy', 'no_proxy', 'NODE_USE_ENV_PROXY']) vi.stubEnv(name, undefined);
    vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${portOf(proxy)}`);
    vi.stubEnv('NO_PROXY', '127.0.0.1');
  });
  afterEach(() => void vi.unstubAllEnvs());

  test('by uploads, also at a rate', async () => {
    const endpoint = `http://127.0.0.1:${portOf(origin)}/files/v2`;
    expect(await upload({ endpoint, bandwidth: 1_000_000 })).toBe('done');
    expect(asked).toEqual([]);
    expect(await upload({})).toBe('done');
    expect(asked).toHaveLength(1);
  });

  test('and what goes wrong there is not put down to it', async () => {
    const endpoint = 'http://127.0.0.1:1/files/v2';
    expect(await upload({ endpoint })).toMatchObject({
      message: expect.stringMatching(/^nothing listens at 127.0.0.1:1 .*check the endpoint/),
    });
    const client = createClient({ endpoint, appId: '1', bucket: 'b', signer: () => 'c2ln', retry: { attempts: 1 } });
    const download = client.download('a.bin', new PassThrough()).done;
    await expect(download).rejects.toThrow(/^nothing listens at 127.0.0.1:1 /);
  });
});

test('the signing service is asked through it, too', async () => {
  const signer = remoteSigner({ url: 'http://signer.corp.test/sign', proxy: `http://127.0.0.1:${portOf(proxy)}` });
  expect(await signer.sign(CLAIM, new AbortController().signal)).toBe('c2lnbmF0dXJlc2lnbmF0dXJl');
  expect(asked.join()).toContain('signer.corp.test');
});

test('the service for credentials is asked through it, too', async () => {
  const proxied = `http://127.0.0.1:${portOf(proxy)}`;
  const { credentials } = remoteCredentials({ url: 'http://sts.corp.test/sts', proxy: proxied });
  expect(await credentials(new AbortController().signal)).toMatchObject({ secretId: 'id', secretKey: 'key' });
  expect(asked.join()).toContain('sts.corp.test');
});

test.each([
  ['http://a/', undefined, { HTTP_PROXY: 'http://p:1' }, 'http://p:1'],
  ['http://a/', undefined, { http_proxy: 'http://small:1', HTTP_PROXY: 'http://p:1' }, 'http://small:1'],
  ['https://a/', undefined, { HTTPS_PROXY: 'http://s:1' }, 'http://s:1'],
  ['http://a/', undefined, { HTTPS_PROXY: 'http://s:1' }, undefined],
  ['http://a/', undefined, { HTTP_PROXY: '' }, undefined],
  ['http://a/', undefined, { HTTP_PROXY: 'http://p:1', NODE_USE_ENV_PROXY: '1' }, 'http://p:1'],
  ['http://a/', undefined, { HTTP_PROXY: 'http://p:1', NODE_USE_ENV_PROXY: '0' }, undefined],
  ['http://a/', undefined, { ALL_PROXY: 'http://all:1' }, 'http://all:1'],
  ['https://a/', undefined, { all_proxy: 'http://all:1', HTTP_PROXY: 'http://p:1' }, 'http://all:1'],
  ['https://a/', undefined, { ALL_PROXY: 'http://all:1', HTTPS_PROXY: 'http://s:1' }, 'http://s:1'],
  ['https://a/', undefined, { ALL_PROXY: 'socks5://all:1' }, undefined],
  ['http://a/', false as const, { HTTP_PROXY: 'http://p:1' }, undefined],
  ['http://a/', 'http://own:1', { HTTP_PROXY: 'http://p:1', NO_PROXY: '*' }, 'http://own:1'],
])('for %s, with option %s and %o, the proxy is %s', (url, choice, env, expected) => {
  const settings = proxyFor(url, choice, env);
  expect(url.startsWith('https') ? settings?.httpsProxy : settings?.httpProxy).toBe(expected);
});
