import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { SendContext, Transport, WireRequest } from '@cos-slice/core';
import { patternBytes } from '@cos-slice/core/testing';
import { Agent } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { createDispatcherTransport } from './dispatcher-transport.ts';
import { createHttpTransport } from './transport.ts';
import { toTransportError } from './transport-errors.ts';

const REPLY = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}';
const context = (): SendContext => ({
  signal: new AbortController().signal,
  connectMs: 5_000,
  onConnected() {},
  onSent() {},
});
const request = (url: string, sizeBytes = 1000): WireRequest<Uint8Array> => ({
  method: 'POST',
  url,
  fields: [['op', 'upload_slice_data']],
  content: { name: 'filecontent', body: patternBytes(sizeBytes), sizeBytes },
});

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});
async function listen(onSocket: (socket: Socket, nth: number) => void): Promise<string> {
  let count = 0;
  const server = createTcpServer((socket) => {
    closers.push(() => socket.destroy());
    socket.on('error', () => {});
    count += 1;
    onSocket(socket, count);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
}

/** A connection goes back to where it is kept shortly after its reply. */
const restored = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

/** Answers the first request once all of it is there, and lets `then` meet the second. */
function answerFirst(socket: Socket, then: () => void): void {
  let text = '';
  const onData = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
    if (!text.endsWith('--\r\n')) return;
    socket.off('data', onData).once('data', then);
    socket.write(REPLY);
  };
  socket.on('data', onData);
}

describe.each([
  ['node:http', (): Transport<Uint8Array> => createHttpTransport(), ['end', 'resetAndDestroy', 'destroy']],
  // Of a reset, undici does not say which connection it was.
  ['a dispatcher', (): Transport<Uint8Array> => createDispatcherTransport(new Agent({ connections: 1 })), ['end']],
] as const)('a connection that breaks before a reply, with %s', (_name, create, ends) => {
  test('is stale when it has carried a reply before, however it ends', async () => {
    for (const end of ends) {
      const transport = create();
      const url = await listen((socket) => answerFirst(socket, () => socket[end]()));
      expect((await transport.send(request(url), context())).status).toBe(200);
      await restored();
      const error = await transport.send(request(url), context()).catch((reason) => reason);
      expect([end, error]).toMatchObject([end, { code: 'network', remedy: 'backoff', stale: true }]);
    }
  });

  test('is no such thing when it is new, or when the reply has begun', async () => {
    const fresh = await listen((socket) => socket.once('data', () => socket.destroy()));
    const begun = await listen((socket) => {
      const half = 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{';
      answerFirst(socket, () => socket.write(half, () => socket.destroy()));
    });
    const transport = create();
    await transport.send(request(begun), context());
    await restored();
    for (const url of [fresh, begun]) {
      const error = await transport.send(request(url), context()).catch((reason) => reason);
      expect(error).toMatchObject({ code: 'network', remedy: 'backoff' });
      expect(error.stale).toBeUndefined();
    }
  });
});

test('a stale connection takes those that wait beside it along: the next request is on a new one', async () => {
  let connections = 0;
  const url = await listen((socket, nth) => {
    connections = nth;
    // Those of the first round break with their second request.
    const live = nth > 4;
    let replies = 0;
    socket.on('data', (chunk) => {
      if (!String(chunk).includes('--\r\n')) return;
      replies += 1;
      if (live || replies === 1) setTimeout(() => socket.write(REPLY), 50);
      else socket.destroy();
    });
  });
  const transport = createHttpTransport();
  await Promise.all([1, 2, 3, 4].map(() => transport.send(request(url, 10), context())));
  expect(connections).toBe(4);
  await expect(transport.send(request(url, 10), context())).rejects.toMatchObject({ stale: true });
  expect((await transport.send(request(url, 10), context())).status).toBe(200);
});

test('a server that refuses bodies unheard and breaks off is asked before the next one: its refusal arrives', async () => {
  // In a process of its own, so that the connection is reset while this one is busy writing.
  const script = `require('node:net').createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.pause();
      socket.write('HTTP/1.1 413 Too Large\\r\\nContent-Length: 5\\r\\nConnection: close\\r\\n\\r\\nlarge', () => socket.destroy());
    });
  }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  closers.push(() => child.kill());
  const [port] = await once(child.stdout, 'data');
  const transport = createHttpTransport();
  for (let round = 0; round < 10; round += 1) {
    const send = (): Promise<number> =>
      transport.send(request(`http://127.0.0.1:${Number(port)}/`, 8 * 1024 * 1024), context()).then(
        ({ status }) => status,
        () => 0,
      );
    const statuses = [await send(), await send()];
    expect(statuses).toContain(413);
  }
});

test('a server that knows nothing of being asked gets the body all the same', async () => {
  let heard = '';
  const url = await listen((socket, nth) => {
    if (nth === 1) return socket.once('data', () => socket.destroy());
    return socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
      if (heard.endsWith('--\r\n')) socket.write(REPLY);
    });
  });
  const transport = createHttpTransport();
  await transport.send(request(url), context()).catch(() => {});
  expect((await transport.send(request(url), context())).status).toBe(200);
  expect(heard).toMatch(/\r\nExpect: 100-continue\r\n/);
});

describe('what cannot be reached is called what it is', () => {
  const url = new URL('http://cos.test:8080/files/v2/1/b/o?sign=secret');
  const failure = (code: string, ...of: string[]): Error =>
    Object.assign(new Error(code), { code, ...(of.length > 0 && { errors: of.map((each) => ({ code: each })) }) });

  test.each([
    [
      'no route to one address, nobody at the other',
      failure('ENETUNREACH', 'ENETUNREACH', 'ECONNREFUSED'),
      /nothing listens at cos.test:8080/,
    ],
    [
      'no route to one address, silence at the other',
      failure('ENETUNREACH', 'ENETUNREACH', 'ETIMEDOUT'),
      /did not accept a connection in time/,
    ],
    ['no route at all', failure('EHOSTUNREACH', 'ENETUNREACH', 'EHOSTUNREACH'), /cannot be reached \(EHOSTUNREACH\)/],
    ['no such name', failure('ENOTFOUND'), /there is no host named cos.test/],
    ['no descriptor left', failure('EMFILE'), /too many files and connections are open/],
  ])('%s', (_what, error, message) => {
    const named = toTransportError(error, url);
    expect(named.message).toMatch(message);
    expect(named.message).not.toContain('secret');
    expect(named.remedy).toBe('backoff');
  });
});

describe('plain HTTP to a port of TLS', () => {
  test('is told by the alert that comes back', async () => {
    const url = await listen((socket) => socket.once('data', () => socket.end(Buffer.from('15030100020246', 'hex'))));
    const error = await createHttpTransport()
      .send(request(url, 10), context())
      .catch((reason) => reason);
    expect(error).toMatchObject({ code: 'bad-reply', remedy: 'none' });
    expect(error.message).toMatch(/speaks TLS: use an endpoint with https:/);
  });

  test('is hinted at when nothing comes back', async () => {
    const server = createTlsServer({}).listen(0, '127.0.0.1');
    closers.push(() => server.close());
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
    const error = await createHttpTransport()
      .send(request(url, 10), context())
      .catch((reason) => reason);
    expect(error.message).toMatch(/https:/);
  });
});
