import { once } from 'node:events';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fileStore } from '../store/files/file-store.ts';
import { post, type SendOptions, send } from '../testing/client.ts';
import { patternBytes, sha1 } from '../testing/content.ts';
import { dial } from '../testing/dial.ts';
import { startServer, temporaryDir } from '../testing/server.ts';
import { sign } from '../testing/sign.ts';
import { sendObject } from './download.ts';
import { readRangeHeader } from './range.ts';

const BYTES = patternBytes(0, 1000);

describe('downloads', () => {
  test('send the file, its head, and its ranges', async () => {
    const test = await startServer({ publicRead: true });
    await post(test.urlOf('a.bin'), { op: 'upload', filecontent: BYTES });
    const get = (headers: Record<string, string> = {}, method = 'GET') =>
      send(test.urlOf('a.bin'), { method, headers });
    const whole = await get();
    expect(whole.status).toBe(200);
    expect(whole.body.equals(BYTES)).toBe(true);
    expect(whole.headers).toMatchObject({
      'content-length': '1000',
      'content-type': 'application/octet-stream',
      'content-disposition': "attachment; filename*=UTF-8''a.bin",
      'accept-ranges': 'bytes',
      etag: `"${sha1(BYTES)}"`,
      'last-modified': expect.any(String),
      'x-content-type-options': 'nosniff',
      'access-control-allow-origin': '*',
    });
    const head = await get({}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '1000', 0]);
    const part = await get({ Range: 'bytes=10-19' });
    expect([part.status, part.headers['content-range']]).toEqual([206, 'bytes 10-19/1000']);
    expect(part.body.equals(BYTES.subarray(10, 20))).toBe(true);
    expect((await get({ Range: 'bytes=-5' })).body.equals(BYTES.subarray(995))).toBe(true);
    const beyond = await get({ Range: 'bytes=1000-' });
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */1000']);
    const etag = String(whole.headers.etag);
    expect((await get({ 'If-None-Match': etag })).status).toBe(304);
    expect((await get({ Range: 'bytes=0-1', 'If-Range': etag })).status).toBe(206);
    expect((await get({ Range: 'bytes=0-1', 'If-Range': '"other"' })).status).toBe(200);
  });

  test('send empty files', async () => {
    const test = await startServer({ publicRead: true });
    await post(test.urlOf('empty'), { op: 'upload', filecontent: '' });
    const reply = await send(test.urlOf('empty'), { method: 'GET' });
    expect([reply.status, reply.headers['content-length']]).toEqual([200, '0']);
    expect((await send(test.urlOf('empty'), { method: 'GET', headers: { Range: 'bytes=0-0' } })).status).toBe(416);
  });

  test('show pictures and offer everything that could run as a file to save', async () => {
    const test = await startServer({ publicRead: true });
    for (const [name, type, disposition] of [
      ['a.PNG', 'image/png', 'inline'],
      ['a.txt', 'text/plain; charset=utf-8', 'inline'],
      ['a.html', 'application/octet-stream', 'attachment'],
      ['a.svg', 'application/octet-stream', 'attachment'],
      ["中'\n".trim(), 'application/octet-stream', 'attachment'],
    ] as const) {
      await post(test.urlOf(name), { op: 'upload', filecontent: 'x' });
      const { headers } = await send(test.urlOf(name), { method: 'GET' });
      expect(headers['content-type']).toBe(type);
      expect(headers['content-disposition']).toMatch(new RegExp(`^${disposition};`));
    }
  });

  test('need a signature that covers the path unless reading is public', async () => {
    const test = await startServer();
    await post(test.urlOf('a/b c.bin'), { op: 'upload', filecontent: BYTES });
    const get = async (signature?: string, options: SendOptions = {}) => {
      const query = signature === undefined ? '' : `?sign=${encodeURIComponent(signature)}`;
      return (await send(test.urlOf('a/b c.bin') + query, { method: 'GET', ...options })).status;
    };
    expect(await get()).toBe(403);
    expect(await get(sign({ f: '/a/b%20c.bin' }))).toBe(200);
    expect(await get(sign({ f: '/10055004/demobucket/a/' }))).toBe(200);
    expect(await get(sign({ f: '' }))).toBe(200);
    expect(await get(undefined, { headers: { Authorization: sign() } })).toBe(200);
    expect(await get(sign({ f: '/a/other' }))).toBe(403);
    expect(await get(sign({ e: 1 }))).toBe(403);
  });

  test('end when nobody takes them any more, and not while somebody does', async () => {
    const dir = await temporaryDir();
    const target = { appId: '1', bucket: 'b', path: 'big' };
    const sizeBytes = 64 * 1024 * 1024;
    await mkdir(join(dir, '1/b'), { recursive: true });
    await writeFile(join(dir, '1/b/big'), '');
    await truncate(join(dir, '1/b/big'), sizeBytes);
    const store = fileStore(dir);
    onTestFinished(() => store.close());
    const sent: Promise<string>[] = [];
    const server = createServer((req, res) => {
      const sending = sendObject(req, res, store, target, 0, () => {}, 4000);
      sent.push(
        sending.then(
          () => 'all',
          () => 'cut',
        ),
      );
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const request = () => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      onTestFinished(() => void socket.destroy());
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      return socket;
    };
    const slow = request();
    let taken = 0;
    // Longer than the server waits, all in all.
    const untilMs = performance.now() + 6000;
    for await (const chunk of slow) {
      taken += chunk.length;
      if (performance.now() < untilMs) await sleep(10);
    }
    expect(taken).toBeGreaterThan(sizeBytes);
    request().pause();
    await expect.poll(() => sent.length).toBe(2);
    expect(await Promise.race([Promise.all(sent), sleep(120_000, undefined, { ref: false })])).toEqual(['all', 'cut']);
  });

  test.each([
    ['the whole file', ''],
    ['a range', 'Range: bytes=10-29999999\r\n'],
  ])('of %s that becomes shorter meanwhile break the connection', async (_, range) => {
    const test = await startServer({ publicRead: true });
    await mkdir(join(test.dir, '10055004/demobucket'), { recursive: true });
    const file = join(test.dir, '10055004/demobucket/log');
    await writeFile(file, Buffer.alloc(30_000_000));
    const { socket, closed } = await dial(test.origin);
    let bytes = 0;
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    socket.pause();
    const get = 'GET /files/v2/10055004/demobucket/log HTTP/1.1\r\nHost: x\r\n';
    // The second request's reply must not end up inside of the first one's body.
    socket.write(`${get}${range}\r\n${get}Range: bytes=0-0\r\n\r\n`);
    await sleep(300);
    await truncate(file, 1000);
    socket.resume();
    await closed;
    expect(bytes).toBeGreaterThan(1000);
    expect(bytes).toBeLessThan(30_000_000);
  });

  test('say 404 in JSON for what is not there', async () => {
    const test = await startServer({ publicRead: true });
    for (const path of ['missing', 'missing/', 'a/b']) {
      const reply = await send(test.urlOf(path), { method: 'GET' });
      expect([reply.status, reply.json().code]).toEqual([404, -197]);
    }
    const bucket = test.urlOf('x').replace('demobucket', 'nobucket');
    expect((await send(bucket, { method: 'GET' })).json().code).toBe(-133);
  });
});

describe('Range', () => {
  test.each([
    [undefined, undefined],
    ['bytes=0-', { start: 0, end: 9 }],
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=5-100', { start: 5, end: 9 }],
    ['bytes=-3', { start: 7, end: 9 }],
    ['bytes=-30', { start: 0, end: 9 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=5-4', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,3-4', undefined],
    ['lines=0-1', undefined],
  ])('%s of 10 bytes is %o', (header, expected) => {
    expect(readRangeHeader(header, 10)).toEqual(expected);
  });
});
