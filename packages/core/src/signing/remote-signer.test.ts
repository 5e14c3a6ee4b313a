import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { SignClaim } from '../ports.ts';
import { remoteSigner } from './remote-signer.ts';

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
    const [first] = await Promise.all(Array.from({ length: 20 }, () => signer.sign(claim, never)));
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

  test('stops when aborted', async () => {
    await expect(remoteSigner('http://127.0.0.1:9/').sign(claim, AbortSignal.abort('enough'))).rejects.toBe('enough');
  });
});
