import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { readBody } from '../http/body.ts';
import { createHttpServer } from '../http/listener.ts';
import { createBatchWriter } from '../store/files/batch-writer.ts';
import { createHeld, type Held } from './held.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** What comes in one piece from a socket, and how many of them a request may hold when there is no room: one waits, one is written, one is next. */
const PIECES_BYTES = 3 * 64 * KIB;

/** A server whose disk stands still until it is told to go on. */
async function startStuck(held: Held) {
  let goOn = (): void => {};
  const stuck = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let [writtenBytes, ended, failed] = [0, 0, 0];
  const server = createHttpServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close().closeAllConnections());
  server.on('request', async (req: IncomingMessage, res: ServerResponse) => {
    const writer = createBatchWriter(
      {
        async write(chunks) {
          await stuck;
          for (const { length } of chunks) writtenBytes += length;
        },
      },
      0,
      held,
    );
    try {
      await readBody(
        req,
        16 * MIB,
        () => {},
        (chunk) => writer.write(chunk),
        undefined,
        held,
      );
      await writer.flush();
      ended += 1;
      res.end('whole');
    } catch {
      failed += 1;
      await writer.stop();
    }
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    goOn,
    port,
    get counts() {
      return { writtenBytes, ended, failed };
    },
  };
}

function send(port: number, bytes: Buffer): Socket {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${bytes.length}\r\n\r\n`);
  socket.write(bytes);
  socket.resume();
  return socket;
}

/** Resolves once a value has stood still for a while. */
async function settled(read: () => number): Promise<void> {
  for (let [before, still] = [-1, 0]; still < 10; await sleep(50)) {
    const now = read();
    still = now === before ? still + 1 : 0;
    before = now;
  }
}

const SENDERS = 150;
const BODY = Buffer.alloc(3 * MIB, 7);

test('many bodies for a disk that stands still stay within the bound and one piece for each request', async () => {
  const held = createHeld(4 * MIB);
  const server = await startStuck(held);
  const sockets = Array.from({ length: SENDERS }, () => send(server.port, BODY));
  let most = 0;
  await settled(() => {
    most = Math.max(most, held.bytes);
    return held.bytes;
  });
  expect(held.isFull).toBe(true);
  expect(most).toBeLessThanOrEqual(4 * MIB + SENDERS * PIECES_BYTES);
  // Nobody is refused for it: once the disk goes on, all arrive.
  server.goOn();
  await Promise.all(sockets.map((socket) => once(socket, 'close')));
  expect(server.counts).toEqual({ writtenBytes: SENDERS * BODY.length, ended: SENDERS, failed: 0 });
  expect(held.bytes).toBe(0);
});

test('what is held for somebody who has gone is given back', async () => {
  const held = createHeld(MIB);
  const server = await startStuck(held);
  const sockets = Array.from({ length: 20 }, () => send(server.port, BODY));
  await settled(() => held.bytes);
  for (const socket of sockets) socket.destroy();
  server.goOn();
  while (server.counts.ended + server.counts.failed < sockets.length) await sleep(20);
  expect(held.bytes).toBe(0);
});

test('those who send slowly hold up nobody: what has come of others is written at once', async () => {
  const held = createHeld(2 * MIB);
  const server = await startStuck(held);
  server.goOn();
  // Each leaves less than a batch lying.
  const slow = Array.from({ length: 8 }, () => {
    const socket = connect(server.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${MIB}\r\n\r\n`);
    socket.write(BODY.subarray(0, 400 * KIB));
    return socket;
  });
  await settled(() => held.bytes);
  const quick = Array.from({ length: 10 }, () => send(server.port, BODY));
  await Promise.all(quick.map((socket) => once(socket, 'close')));
  expect(server.counts.ended).toBe(10);
  expect(held.bytes).toBeLessThanOrEqual(2 * MIB + slow.length * PIECES_BYTES);
});
