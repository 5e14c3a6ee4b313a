import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { CosSliceError, type SendContext, type WireRequest } from '@cos-slice/core';
import { patternBytes, receivingContract, transportContract } from '@cos-slice/core/testing';
import { type Reflector, startReflector } from '@cos-slice/testkit/reflector';
import { Agent as UndiciAgent } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createDispatcherTransport } from './dispatcher-transport.ts';
import { createHttpTransport } from './transport.ts';

const transport = createHttpTransport();
const REFUSED_URL = 'http://127.0.0.1:1';
let reflector: Reflector;
beforeAll(async () => {
  reflector = await startReflector();
});
afterAll(() => reflector.close());

const undiciAgent = new UndiciAgent({ connect: { timeout: 2_000 } });
afterAll(() => undiciAgent.destroy());

describe.each([
  ['node:http', transport],
  ['a dispatcher of undici', createDispatcherTransport(undiciAgent)],
])('the contract, with %s', (_name, candidate) => {
  for (const { name, run } of [...transportContract<Uint8Array>(), ...receivingContract<Uint8Array>()]) {
    test(name, () =>
      run(async () => ({
        transport: candidate,
        reflectorUrl: reflector.url,
        refusedUrl: REFUSED_URL,
        content: (bytes) => bytes,
      })),
    );
  }
});

const context = (): SendContext => ({
  signal: new AbortController().signal,
  connectMs: 2_000,
  onConnected() {},
  onSent() {},
});

const request = (url: string, sizeBytes = 1000): WireRequest<Uint8Array> => ({
  method: 'POST',
  url,
  authorization: { value: 'c2ln' },
  fields: [['op', 'upload_slice_data']],
  content: { name: 'filecontent', body: patternBytes(sizeBytes), sizeBytes },
});

const failure = async (url: string, sizeBytes?: number): Promise<CosSliceError> => {
  const error = await transport.send(request(url, sizeBytes), context()).catch((reason) => reason);
  expect(error).toBeInstanceOf(CosSliceError);
  return error;
};

describe('errors', () => {
  test('a refused connection is unreachable and names the host', async () => {
    const error = await failure(`${REFUSED_URL}/a/b?x=1`);
    expect(error).toMatchObject({ code: 'network', remedy: 'backoff', unreachable: true });
    expect(error.message).toBe(
      'nothing listens at 127.0.0.1:1 (ECONNREFUSED): check the endpoint and that the server runs',
    );
  });

  test('a host that does not exist is unreachable', async () => {
    const error = await failure('http://no-such-host.invalid/a');
    expect(error).toMatchObject({ code: 'network', remedy: 'backoff', unreachable: true });
    expect(error.message).toContain('no-such-host.invalid');
  });

  test('a broken connection is not called unreachable', async () => {
    const error = await failure(`${reflector.url}/drop`);
    expect(error.unreachable).toBeUndefined();
  });

  test('https to a server that speaks http is final and says so', async () => {
    const error = await failure(`${reflector.url.replace('http:', 'https:')}/echo`);
    expect(error).toMatchObject({ code: 'network', remedy: 'none' });
    expect(error.message).toContain('no secure connection to 127.0.0.1');
  });

  test('a signature that cannot be a header is refused without being shown', async () => {
    const sending = transport.send(
      { ...request(`${reflector.url}/echo`), authorization: { value: 'secret\r\nX: 1' } },
      context(),
    );
    const error = await sending.catch((reason) => reason);
    expect(error).toMatchObject({ code: 'bad-request', remedy: 'none' });
    expect(error.message).not.toContain('secret');
  });
});

test('follows no redirect', async () => {
  const response = await transport.send(request(`${reflector.url}/redirect`), context());
  expect([response.status, response.header('location')]).toEqual([302, '/echo']);
});

describe('against raw servers', () => {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });
  const listen = (onSocket: (socket: Socket) => void): Promise<string> =>
    new Promise((resolve) => {
      const server = createTcpServer((socket) => {
        sockets.add(socket.on('error', () => {}));
        onSocket(socket);
      });
      servers.push(server);
      server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as { port: number }).port}`));
    });

  test('one that does not speak HTTP gives bad-reply', async () => {
    const url = await listen((socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.6\r\n')));
    expect(await failure(url)).toMatchObject({ code: 'bad-reply', remedy: 'backoff' });
  });

  test('one that closes idle connections gives network errors at worst, never a wrong reply', async () => {
    const reply = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}';
    const url = await listen((socket) => socket.once('data', () => socket.write(reply, () => socket.end())));
    for (let round = 0; round < 30; round += 1) {
      const outcome = await transport.send(request(url, 10), context()).catch((reason) => reason);
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'network', remedy: 'backoff' });
      else expect(outcome.body).toBe('{}');
    }
  });

  test('an answer and a close in the middle of the content give the answer, or else a network error', async () => {
    const statuses: unknown[] = [];
    for (let round = 0; round < 10; round += 1) {
      const outcome = await transport
        .send(request(`${reflector.url}/early-close/413`, 4 * 1024 * 1024), context())
        .catch((reason) => reason);
      statuses.push(outcome.status ?? outcome.code);
    }
    expect(statuses.every((status) => status === 413 || status === 'network')).toBe(true);
    expect(statuses.filter((status) => status === 413).length).toBeGreaterThan(5);
  });

  test('one that does not accept connections gives a timeout after connectMs', async () => {
    // The child listens with a short queue and then sleeps for good: the kernel lets further connections wait.
    const child = spawn(process.execPath, [
      '-e',
      `const server = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
        require('fs').writeSync(1, String(server.address().port));
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`,
    ]);
    const [chunk] = await once(child.stdout, 'data');
    const port = Number(chunk);
    for (let filled = 0; filled < 8; filled += 1) sockets.add(connect(port, '127.0.0.1').on('error', () => {}));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const startedAtMs = Date.now();
    const sending = transport.send(request(`http://127.0.0.1:${port}/`), { ...context(), connectMs: 500 });
    const error = await sending.catch((reason) => reason);
    child.kill('SIGKILL');
    expect(error).toMatchObject({ code: 'timeout', phase: 'connect', remedy: 'backoff' });
    // The system itself gives up after minutes.
    expect(Date.now() - startedAtMs).toBeLessThan(20_000);
  });
});

test('an agent of its own carries the requests', async () => {
  const agent = new Agent({ keepAlive: true });
  const own = createHttpTransport({ agent });
  expect((await own.send(request(`${reflector.url}/echo`), context())).status).toBe(200);
  expect(Object.keys(agent.freeSockets)).toHaveLength(1);
  agent.destroy();
});
