import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { dial } from '../testing/dial.ts';
import { type Patience, readBody } from './body.ts';
import { createHttpServer } from './listener.ts';

const PATIENT: Patience = { idleMs: 60_000, minBytesPerSec: 1 };

interface Reading {
  origin: string;
  /** The pieces that came so far. */
  pieces: Buffer[];
  /** How reading ended. */
  outcome: Promise<unknown>;
}

/** A server that reads one body. */
async function startReading(patience: Patience = PATIENT, onPiece: () => Promise<void> | undefined = () => undefined) {
  const server = createHttpServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server, 'listening');
  const pieces: Buffer[] = [];
  const outcome = once(server, 'request').then(([req]: IncomingMessage[]) =>
    readBody(
      req as IncomingMessage,
      1e7,
      () => {},
      (piece) => {
        pieces.push(piece);
        return onPiece();
      },
      patience,
    ).then(
      () => 'whole',
      (error: Error) => error,
    ),
  );
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, pieces, outcome } satisfies Reading;
}

const CHUNKED = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';

describe('a body', () => {
  test.each([1, 7, 500])('in chunks of %i bytes is passed on in large pieces, nothing lost', async (size) => {
    const reading = await startReading();
    const { socket } = await dial(reading.origin);
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
    socket.write(CHUNKED);
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = bytes.subarray(at, at + size);
      socket.write(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]));
    }
    socket.write('0\r\n\r\n');
    expect(await reading.outcome).toBe('whole');
    expect(Buffer.concat(reading.pieces).equals(bytes)).toBe(true);
    expect(reading.pieces.length).toBeLessThanOrEqual(Math.ceil(bytes.length / 4096));
  });

  test('keeps its order when small and large chunks take turns', async () => {
    const reading = await startReading(PATIENT, () => sleep(1));
    const { socket } = await dial(reading.origin);
    const chunks = Array.from({ length: 60 }, (_, index) => Buffer.alloc(index % 3 === 0 ? 9000 : 5, index));
    socket.write(CHUNKED);
    for (const chunk of chunks) {
      socket.write(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]));
    }
    socket.write('0\r\n\r\n');
    expect(await reading.outcome).toBe('whole');
    expect(Buffer.concat(reading.pieces).equals(Buffer.concat(chunks))).toBe(true);
  });

  test('that drips is refused with a code that is worth a retry', async () => {
    const reading = await startReading({ idleMs: 200, minBytesPerSec: 1000 });
    const { socket } = await dial(reading.origin);
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n');
    const dripping = setInterval(() => socket.write('x'), 20);
    onTestFinished(() => clearInterval(dripping));
    expect(await reading.outcome).toMatchObject({ code: -5997, message: expect.stringMatching(/too slowly/) });
  });

  test('that stops coming is given up', async () => {
    const reading = await startReading({ idleMs: 100, minBytesPerSec: 1 });
    const { socket, closed } = await dial(reading.origin);
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nstart');
    expect(await reading.outcome).toMatchObject({ name: 'ClientGoneError' });
    await closed;
  });

  test('is not given up while what came of it is still at work', async () => {
    let go = (): void => {};
    const work = new Promise<void>((resolve) => {
      go = resolve;
    });
    const reading = await startReading({ idleMs: 500, minBytesPerSec: 1 }, () => work);
    const { socket } = await dial(reading.origin);
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5001\r\n\r\n${'x'.repeat(5000)}`);
    await sleep(1200);
    socket.write('y');
    go();
    expect(await reading.outcome).toBe('whole');
  });
});
