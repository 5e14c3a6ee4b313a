import { once } from 'node:events';
import { createServer, Agent as HttpAgent, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createUpload } from '@cos-slice/core';
import { Agent as UndiciAgent } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDispatcherTransport } from './dispatcher-transport.ts';
import { createHasher } from './hasher.ts';
import { createBytesSource } from './source-bytes.ts';
import { createHttpTransport } from './transport.ts';

const DONE = JSON.stringify({ code: 0, message: 'SUCCESS', data: { access_url: 'http://a/' } });
const CONNECT_MS = 1_500;

/** Takes longer for an answer than a connection may take to be made. */
let server: Server;
let endpoint: string;
beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume().on('end', () => setTimeout(() => response.end(DONE), CONNECT_MS * 2));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/v2`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe('what waits for a connection, where there are fewer than requests, is not late', () => {
  const dispatcher = new UndiciAgent({ connections: 1 });
  const agent = new HttpAgent({ maxSockets: 1 });
  afterAll(() => {
    agent.destroy();
    return dispatcher.destroy();
  });
  const ways = [
    ['a dispatcher of undici', createDispatcherTransport(dispatcher)],
    ['an agent', createHttpTransport({ agent })],
  ] as const;

  test.each(ways)('uploads, with %s', async (_name, transport) => {
    const upload = (path: string) =>
      createUpload(
        async () => createBytesSource(new Uint8Array(10)),
        {
          endpoint,
          appId: '1',
          bucket: 'b',
          path,
          signer: () => 'c2ln',
          integrity: 'none',
          resume: false,
          retry: { attempts: 1 },
          timeouts: { connectMs: CONNECT_MS },
        },
        { transport, hasher: createHasher() },
      ).done;
    await expect(Promise.all([upload('a'), upload('b')])).resolves.toHaveLength(2);
  });

  test.each(ways)('downloads, with %s', async (_name, transport) => {
    const receive = () => {
      const { signal } = new AbortController();
      return transport.receive?.({ method: 'GET', url: endpoint }, { signal, connectMs: CONNECT_MS });
    };
    const read = async () => {
      let bytes = 0;
      for await (const chunk of (await receive())?.body ?? []) bytes += chunk.length;
      return bytes;
    };
    expect(await Promise.all([read(), read()])).toEqual([DONE.length, DONE.length]);
  });
});
