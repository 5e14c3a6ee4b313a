import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { send } from '../testing/client.ts';
import { dial } from '../testing/dial.ts';
import { createHttpServer } from './listener.ts';
import { type LongList, sendSuccess } from './reply.ts';

function* items(count: number, gap = 0): LongList {
  for (let index = 0; index < count; index++) {
    for (let nothing = 0; nothing < gap; nothing++) yield undefined;
    yield { offset: index };
  }
}

/** A server whose every reply has these items. */
async function startReplying(list: () => LongList) {
  const server = createHttpServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server, 'listening');
  const outcomes: Promise<unknown>[] = [];
  server.on('request', (_, res) => {
    const sent = sendSuccess(res, 0, { session: 's', list: list(), after: 1 });
    outcomes.push(
      sent.then(
        () => 'sent',
        (error: Error) => {
          res.destroy();
          return error.name;
        },
      ),
    );
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, outcomes };
}

describe('a reply with a list', () => {
  test.each([
    [0, 0],
    [1, 3],
    [1999, 0],
    [2000, 0],
    [2001, 0],
    [50_000, 0],
    [300, 40],
  ])('of %i items with gaps of %i is whole JSON', async (count, gap) => {
    const { origin } = await startReplying(() => items(count, gap));
    const reply = await send(`${origin}/`);
    expect(reply.json()).toEqual({
      code: 0,
      message: 'SUCCESS',
      request_id: expect.any(String),
      data: { session: 's', after: 1, list: Array.from({ length: count }, (_, offset) => ({ offset })) },
    });
  });

  test('of a million items lets others in meanwhile', async () => {
    const { origin, outcomes } = await startReplying(() => items(1_000_000));
    const { socket } = await dial(origin);
    socket.removeAllListeners('data');
    let bytes = 0;
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns++;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await once(socket, 'end');
    isOver = true;
    expect(await outcomes[0]).toBe('sent');
    expect(bytes).toBeGreaterThan(15_000_000);
    expect(turns).toBeGreaterThan(400);
  });

  test('stops being made when nobody takes it', async () => {
    let made = 0;
    function* counted(): LongList {
      for (;;) {
        made += 1;
        yield { offset: made };
      }
    }
    const { origin, outcomes } = await startReplying(counted);
    const { socket } = await dial(origin);
    socket.pause();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => outcomes.length).toBe(1);
    let before = -1;
    while (made !== before) {
      before = made;
      await sleep(200);
    }
    socket.destroy();
    expect(await outcomes[0]).toBe('ClientGoneError');
  });

  test('whose items fail in the middle does not end like a whole one', async () => {
    function* failing(): LongList {
      yield* items(5000);
      throw new Error('the disk is gone');
    }
    const { origin } = await startReplying(failing);
    await expect(send(`${origin}/`)).rejects.toThrow();
  });
});
