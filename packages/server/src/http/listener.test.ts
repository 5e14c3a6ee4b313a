import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { dial } from '../testing/dial.ts';
import { createHttpServer, startListening } from './listener.ts';

test.each([
  ['sends nothing', '', ''],
  ['sends its headers a byte at a time', 'GET / HTTP/1.1\r\nX-Long: ', 'x'],
])('a connection that %s comes to an end', async (_, first, next) => {
  const server = createHttpServer({ headersMs: 200 }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => {}).resume();
  socket.write(first);
  const dripping = setInterval(() => socket.write(next), 20);
  onTestFinished(() => clearInterval(dripping));
  const result = await Promise.race([
    once(socket, 'close').then(() => 'closed'),
    sleep(60_000, 'open', { ref: false }),
  ]);
  expect(result).toBe('closed');
});

test('a request may take longer than its headers', async () => {
  const server = createHttpServer({ headersMs: 100 }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  server.on('request', (req, res) => req.on('end', () => res.end('done')).resume());
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1');
  await sleep(400);
  socket.write('2');
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
});

test.each<[name: string, text: string | Buffer, status: number, message: RegExp]>([
  ['a TLS handshake', Buffer.from('16030100a5010000a10303', 'hex'), 400, /TLS handshake.*use http:/],
  ['something else', 'SSH-2.0-OpenSSH_9.6\r\n', 400, /no HTTP request/],
  ['headers without end', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, /headers are too long/],
])('%s is answered in JSON and reported', async (_, text, status, message) => {
  const reports: [string, number][] = [];
  const server = createHttpServer({ onBroken: (problem, status) => reports.push([problem.message, status]) });
  await startListening(server, 0, '127.0.0.1');
  onTestFinished(() => void server.close());
  const { socket, closed, text: received } = await dial(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  socket.write(text);
  await closed;
  expect(received()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(JSON.parse(received().split('\r\n\r\n')[1] ?? '')).toMatchObject({ code: -5999 });
  expect(reports).toEqual([[expect.stringMatching(message), status]]);
});

test('connections beyond the limit are closed, and one that ends makes room', async () => {
  const server = createHttpServer({ maxConnections: 2 });
  server.on('request', (_, res) => res.end('here'));
  await startListening(server, 0, '127.0.0.1');
  onTestFinished(() => void server.close().closeAllConnections());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = async () => {
    const dialled = await dial(origin);
    dialled.socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await dialled.closed;
    return dialled.text();
  };
  const first = await dial(origin);
  await dial(origin);
  expect(await ask()).toBe('');
  first.socket.destroy();
  await expect.poll(ask).toMatch(/here/);
});
