import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createSliceServer } from './server.ts';
import { fileStore } from './store/files/file-store.ts';
import { formBody, formHeaders } from './testing/client.ts';
import { startServer, temporaryDir } from './testing/server.ts';
import { ACCOUNT } from './testing/sign.ts';
import { createUploader, SLICE_BYTES } from './testing/upload.ts';

const CROWD = 300;
const GREEDY = '127.0.0.2';
const ofLinux = process.platform === 'linux';

test.runIf(ofLinux)('hundreds of requests of one client do not come before the few of another', async () => {
  const server = createSliceServer({ store: fileStore(await temporaryDir()), accounts: [ACCOUNT], maxRequests: 8 });
  onTestFinished(() => server.close());
  let greedyEnds = 0;
  /** How many requests of the greedy client ended between the arrival and the end of each of the modest one. */
  const between: number[] = [];
  const front = createServer((req, res) => {
    const before = greedyEnds;
    const isGreedy = req.socket.remoteAddress?.endsWith(GREEDY);
    res.on('close', () => {
      if (isGreedy) greedyEnds += 1;
      else between.push(greedyEnds - before);
    });
    void server.handle(req, res);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void front.close().closeAllConnections());
  const { port } = front.address() as AddressInfo;
  const urlOf = (path: string): string => `http://127.0.0.1:${port}/files/v2/${ACCOUNT.appId}/demobucket/${path}`;

  const greedy = createUploader(urlOf('greedy'));
  await greedy.init();
  const filecontent = greedy.bytes.subarray(0, SLICE_BYTES);
  const body = formBody({ op: 'upload_slice_data', session: greedy.session, offset: 0, filecontent });
  const agent = new Agent({ keepAlive: true, localAddress: GREEDY });
  onTestFinished(() => agent.destroy());
  const answers = new Set<string>();
  let isOver = false;
  const ask = (): Promise<void> =>
    new Promise((resolve) => {
      const asking = request(urlOf('greedy'), { method: 'POST', agent, headers: formHeaders() }, (reply) => {
        answers.add(`${reply.statusCode}, again after ${reply.headers['retry-after']}`);
        reply.resume().on('close', resolve);
      });
      asking.on('error', () => resolve());
      asking.end(body);
    });
  const crowd = Array.from({ length: CROWD }, async () => {
    while (!isOver) await ask();
  });
  await expect.poll(() => greedyEnds).toBeGreaterThan(CROWD / 5);

  between.length = 0;
  const modest = createUploader(urlOf('modest'), Buffer.alloc(12 * SLICE_BYTES, 'm'));
  expect((await modest.all()).json().code).toBe(0);
  isOver = true;
  agent.destroy();
  await Promise.all(crowd);
  expect(between).toHaveLength(14);
  // Those who were in their seats, and whoever took these: not the crowd that waits.
  const [median = CROWD] = between.sort((one, other) => one - other).slice(7);
  expect(median).toBeLessThan(CROWD / 10);
  expect([...answers].filter((one) => !/^200, |^503, again after \d+$/.test(one))).toEqual([]);
});

test.runIf(ofLinux)('one address cannot take all connections there are', async () => {
  const { origin, urlOf } = await startServer({ maxConnections: 40 });
  const { port } = new URL(origin);
  let cut = 0;
  const sockets = Array.from({ length: 60 }, () =>
    connect({ port: Number(port), host: '127.0.0.1', localAddress: GREEDY }),
  );
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) {
    socket.on('error', () => {});
    socket.on('close', () => {
      cut += 1;
    });
  }
  await expect.poll(() => cut).toBe(30);
  expect((await createUploader(urlOf('modest')).all()).json().code).toBe(0);
});
