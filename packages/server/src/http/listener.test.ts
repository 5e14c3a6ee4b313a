import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { createHttpServer } from './listener.ts';

it.each([
  ['sends nothing', '', ''],
  ['sends its headers a byte at a time', 'GET / HTTP/1.1\r\nX-Long: ', 'x'],
])('a connection that %s comes to an end', async (_, first, next) => {
  const server = createHttpServer(200).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => {}).resume();
  socket.write(first);
  const dripping = setInterval(() => socket.write(next), 20);
  onTestFinished(() => clearInterval(dripping));
  const result = await Promise.race([once(socket, 'close').then(() => 'closed'), sleep(3000, 'open')]);
  expect(result).toBe('closed');
});

it('a request may take longer than its headers', async () => {
  const server = createHttpServer(100).listen(0, '127.0.0.1');
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
