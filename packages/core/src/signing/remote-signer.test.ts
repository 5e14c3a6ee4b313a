import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import type { SignClaim } from '../ports.ts';
import { remoteCredentials } from './remote-credentials.ts';
import { type RemoteSignerOptions, remoteSigner } from './remote-signer.ts';
import { tokenServerSigner } from './token-server-signer.ts';

const claim: SignClaim = { appId: '1', bucket: 'b', path: '目录/p', effect: 'multi', nowSec: 1_600_000_000 };
const never = new AbortController().signal;
const signed = (expiresSec: number, more = ''): string =>
  Buffer.concat([Buffer.alloc(20), Buffer.from(`a=1&b=b&k=k&e=${expiresSec}&t=1&r=1&f=${more}`)]).toString('base64');

let close = async (): Promise<void> => {};
afterEach(() => close());

/** A real endpoint; `answer` gets what it was asked. */
async function endpoint(
  answer: (claim: SignClaim, request: IncomingMessage, count: number) => { status?: number; body: string },
): Promise<{ url: string; readonly count: number }> {
  let count = 0;
  const server = createServer(async (request, response) => {
    count += 1;
    let text = '';
    for await (const chunk of request) text += chunk;
    const { status = 200, body } = answer(JSON.parse(text), request, count);
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  close = () => new Promise((resolve) => void server.close(() => resolve()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/sign`,
    get count() {
      return count;
    },
  };
}

describe('remoteSigner', () => {
  test('posts the claim and returns the signature', async () => {
    const signature = signed(1_600_003_600);
    const { url } = await endpoint((asked, request) => {
      expect(asked).toEqual(claim);
      expect(request.headers['x-app']).toBe('mine');
      return { body: JSON.stringify({ signature }) };
    });
    expect(await remoteSigner({ url, headers: { 'X-App': 'mine' } }).sign(claim, never)).toBe(signature);
  });

  test('keeps what it got, and asks again for what the server has refused', async () => {
    const service = await endpoint((asked, _request, count) => ({
      body: JSON.stringify({ signature: signed(asked.nowSec + 600, String(count)) }),
    }));
    const signer = remoteSigner(service.url);
    const [first] = await Promise.all(
      Array.from({ length: 20 }, () => signer.sign(claim, new AbortController().signal)),
    );
    expect(service.count).toBe(1);
    expect(await signer.sign({ ...claim, refused: first }, never)).not.toBe(first);
    expect(service.count).toBe(2);
  });

  test.each([
    [500, '{}', 'backoff', 500],
    [429, '{}', 'backoff', 429],
    [403, '{}', 'none', 403],
    [200, 'hello', 'none', 200],
    [200, '{"signature":7}', 'none', 200],
  ])('an answer of %i %s is an error with remedy %s', async (status, body, remedy, httpStatus) => {
    const service = await endpoint(() => ({ status, body }));
    await expect(remoteSigner(service.url).sign(claim, never)).rejects.toMatchObject({
      code: 'signing-failed',
      remedy,
      httpStatus,
    });
    expect(service.count).toBe(1);
  });

  test('an endpoint that is not there is worth another try', async () => {
    const signer = remoteSigner('http://127.0.0.1:9/sign');
    await expect(signer.sign(claim, never)).rejects.toMatchObject({ code: 'signing-failed', remedy: 'backoff' });
  });

  test.each<[string, NonNullable<RemoteSignerOptions['headers']>]>([
    ['an object', { 'X-App': 'mine' }],
    ['Headers', new Headers({ 'X-App': 'mine' })],
    ['pairs', [['X-App', 'mine']]],
    ['a map', new Map([['X-App', 'mine']])],
    ['a function', () => ({ 'X-App': 'mine' })],
    ['an async function', async () => ({ 'X-App': 'mine' })],
    ['an async function that returns Headers', async () => new Headers({ 'X-App': 'mine' })],
    ['a promise', Promise.resolve({ 'X-App': 'mine' })],
  ])('sends headers given as %s', async (_name, headers) => {
    const seen: unknown[] = [];
    const { url } = await endpoint((_asked, request) => {
      seen.push(request.headers['x-app'], request.headers['content-type']);
      return { body: JSON.stringify({ signature: signed(1_600_003_600) }) };
    });
    await remoteSigner({ url, headers }).sign(claim, never);
    expect(seen).toEqual(['mine', 'application/json']);
  });

  test.each([
    ['a text', 'X-App: mine'],
    ['a number as value', { 'X-App': 7 }],
    ['a promise as value', { 'X-App': Promise.resolve('mine') }],
    ['nothing, from a function', () => undefined],
    ['null', null],
  ])('refuses headers that are %s', async (_name, headers) => {
    const { url } = await endpoint(() => ({ body: JSON.stringify({ signature: signed(1_600_003_600) }) }));
    const signing = remoteSigner({ url, headers: headers as never }).sign(claim, never);
    await expect(signing).rejects.toMatchObject({ code: 'signing-failed', remedy: 'none' });
  });

  test('follows no redirect, names its target, and shows nobody the credentials', async () => {
    let leaked = 0;
    const elsewhere = createServer((_request, response) => {
      leaked += 1;
      response.end();
    }).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    for (const status of [301, 302, 307, 308]) {
      const server = createServer((request, response) => {
        request.resume();
        const { port } = elsewhere.address() as AddressInfo;
        response.writeHead(status, { Location: `http://127.0.0.1:${port}/login?token=secret` }).end();
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sign`;
      const error = await remoteSigner({ url, headers: { Authorization: 'Bearer x' } })
        .sign(claim, never)
        .catch((reason) => reason);
      expect(error).toMatchObject({ code: 'signing-failed', remedy: 'none' });
      expect(error.message).toMatch(/redirects to http:\/\/127\.0\.0\.1:\d+\/login:/);
      expect(error.message).not.toContain('secret');
      server.close();
    }
    elsewhere.close();
    expect(leaked).toBe(0);
  });

  test.each<[what: string, settings: RemoteSignerOptions, why: RegExp]>([
    ['a part of a URL', { url: 'hush' }, /its URL must be a whole one/],
    ['a password in the URL', { url: 'http://user:hush@sign.test' }, /without user and password/],
    ['a line break in a header', { url: 'http://sign.test', headers: { Authorization: 'hush\n.' } }, /line break/],
    ['a space in the name of a header', { url: 'http://sign.test', headers: { 'X Hush': 'hush' } }, /headers/],
  ])(
    'a request that no runtime makes is told of at once, and nothing that it holds is shown: %s',
    async (_what, settings, why) => {
      for (const own of [{}, { fetch: (...request: Parameters<typeof fetch>) => fetch(...request) }]) {
        const signing = remoteSigner({ ...settings, ...own }).sign(claim, never);
        const error = await signing.catch((reason) => reason);
        expect(error).toMatchObject({ code: 'signing-failed', remedy: 'none' });
        expect(error.message).toMatch(/^the signing endpoint cannot be asked: /);
        expect(error.message).toMatch(why);
        expect(inspect(error)).not.toMatch(/hush/i);
      }
    },
  );

  test("a fetch of one's own needs nothing else of the runtime", async () => {
    const { Request } = globalThis;
    onTestFinished(() => void Object.assign(globalThis, { Request }));
    Reflect.deleteProperty(globalThis, 'Request');
    const signer = remoteSigner({ url: 'sign', fetch: () => Promise.reject(new TypeError('fails')) });
    await expect(signer.sign(claim, never)).rejects.toMatchObject({ remedy: 'backoff' });
  });

  test.each([
    ['remoteSigner', remoteSigner],
    ['remoteCredentials', remoteCredentials],
    ['tokenServerSigner', tokenServerSigner],
  ] as const)('%s refuses a time that is none, by name', (name, create) => {
    const given = { url: 'http://sign.test/', password: 'id' };
    for (const timeoutMs of ['30s', Number.NaN, 0, -1, 0.5, Number.POSITIVE_INFINITY, null]) {
      const refused = expect.objectContaining({
        code: 'invalid-options',
        message: `${name}: timeoutMs must be a whole number from 1 to 86400000`,
      });
      expect(() => create({ ...given, timeoutMs: timeoutMs as never })).toThrowError(refused);
    }
    expect(() => create({ ...given, timeoutMs: 1 })).not.toThrow();
    expect(() => create({ ...given, timeoutMs: undefined as never })).not.toThrow();
  });

  test('stops when aborted', async () => {
    await expect(remoteSigner('http://127.0.0.1:9/').sign(claim, AbortSignal.abort('enough'))).rejects.toBe('enough');
  });
});
