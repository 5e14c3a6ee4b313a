import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSliceServer } from './server.ts';
import { fileStore } from './store/files/file-store.ts';
import { BOUNDARY, formBody, formHeaders, post, send } from './testing/client.ts';
import { startServer, temporaryDir } from './testing/server.ts';
import { ACCOUNT, sign } from './testing/sign.ts';
import { createUploader } from './testing/upload.ts';

/** Sends text through a socket and returns what had come back when it closed, or stayed quiet for a while. */
async function talk(origin: string, pieces: (string | Buffer)[], replies = 1): Promise<string> {
  const { port } = new URL(origin);
  const socket = connect(Number(port), '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  for (const piece of pieces) {
    socket.write(piece);
    await sleep(50);
  }
  // A machine that is busy takes longer.
  await expect.poll(() => text.match(/HTTP\/1\.1 [2-5]/g)?.length).toBe(replies);
  socket.destroy();
  return text;
}

describe('createSliceServer', () => {
  test('does not start without a store, an account, or with a key that is none', async () => {
    const store = fileStore(await temporaryDir());
    const secretKey = undefined as unknown as string;
    expect(() => createSliceServer({ store, accounts: [{ ...ACCOUNT, secretKey }] })).toThrow(/secretKey must be text/);
    expect(() => createSliceServer({} as never)).toThrow(/store: .*accounts: /);
  });

  test('outlives a listener that throws', async () => {
    const warned = once(process, 'warning');
    const test = await startServer({
      onRequest: () => {
        throw new Error('a fault of the listener');
      },
    });
    for (let i = 0; i < 2; i++)
      expect((await post(test.urlOf('x'), { op: 'upload_slice_list' })).json().code).toBe(-197);
    expect((await warned)[0]).toMatchObject({ message: 'a fault of the listener' });
  });

  test('names every option that cannot be used', async () => {
    const store = fileStore(await temporaryDir());
    expect(() => createSliceServer({ store, accounts: [], prefix: 'x', sessionTtlMs: 0 })).toThrow(
      /accounts.*prefix.*sessionTtlMs/,
    );
    for (const bucket of ['..', '.cos-slice', 'a/b', '']) {
      expect(() => createSliceServer({ store, accounts: [{ ...ACCOUNT, buckets: [bucket] }] })).toThrow(TypeError);
      expect(() => createSliceServer({ store, accounts: [{ ...ACCOUNT, appId: bucket }] })).toThrow(TypeError);
    }
  });

  test('answers at addresses without a prefix, and announces the origin it is told', async () => {
    const test = await startServer({ prefix: '', publicUrl: 'https://files.example/' });
    const upload = createUploader(test.urlOf('a b'));
    expect((await upload.all()).json().data.access_url).toBe('https://files.example/10055004/demobucket/a%20b');
  });

  test('works inside another server', async () => {
    const slices = createSliceServer({ store: fileStore(await temporaryDir()), accounts: [ACCOUNT] });
    const outer = createServer((req, res) => void slices.handle(req, res));
    await new Promise<void>((resolve) => outer.listen(0, '127.0.0.1', resolve));
    onTestFinished(async () => {
      outer.close();
      await slices.close();
    });
    const { port } = outer.address() as { port: number };
    const upload = createUploader(`http://127.0.0.1:${port}/files/v2/10055004/demobucket/a`);
    expect((await upload.all()).json().code).toBe(0);
  });

  test('reports requests without their signatures', async () => {
    const test = await startServer();
    const signature = sign();
    await post(
      `${test.urlOf('a b')}?sign=${encodeURIComponent(signature)}`,
      { op: 'upload', filecontent: 'x' },
      signature,
    );
    // Told after the reply, once what the request used is tidied up.
    await expect.poll(() => test.requests).toHaveLength(1);
    await post(test.urlOf('a'), { op: 'nonsense' });
    await expect.poll(() => test.requests).toHaveLength(2);
    expect(test.requests).toEqual([
      {
        method: 'POST',
        op: 'upload',
        path: 'a b',
        status: 200,
        code: 0,
        fault: undefined,
        bytes: expect.any(Number),
        durationMs: expect.any(Number),
      },
      {
        method: 'POST',
        op: 'nonsense',
        path: 'a',
        status: 400,
        code: -5999,
        fault: undefined,
        bytes: expect.any(Number),
        durationMs: expect.any(Number),
      },
    ]);
    expect(JSON.stringify(test.requests)).not.toContain(signature.slice(0, 20));
  });
});

describe('every reply', () => {
  test('can be read by a page, and tells the time', async () => {
    const test = await startServer({ nowMs: () => 1_472_647_600_000 });
    const signed = sign({ t: 1_472_647_600, e: 1_472_647_700 });
    for (const reply of [
      await post(test.urlOf('a'), { op: 'upload', filecontent: 'x' }, signed),
      await post(test.urlOf('a'), { op: 'upload', filecontent: 'x' }, signed),
      await post(test.urlOf('a'), { op: 'upload', filecontent: 'x' }, 'nonsense'),
      await send(`${test.origin}/elsewhere`),
      await send(test.urlOf('a'), { method: 'GET' }),
    ]) {
      expect(reply.headers['access-control-allow-origin']).toBe('*');
      expect(reply.headers['access-control-expose-headers']).toMatch(/Date.*Retry-After.*ETag.*Content-Range/);
      expect(reply.headers.date).toBe('Wed, 31 Aug 2016 12:46:40 GMT');
      expect(reply.headers['content-type']).toBe('application/json; charset=utf-8');
      expect(reply.json()).toMatchObject({
        code: expect.any(Number),
        message: expect.any(String),
        request_id: expect.any(String),
      });
    }
  });

  test('to a preflight needs no signature', async () => {
    const test = await startServer();
    const reply = await send(test.urlOf('a'), {
      method: 'OPTIONS',
      headers: { 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization,x-thing' },
    });
    expect(reply.status).toBe(204);
    expect(reply.headers['access-control-allow-headers']).toBe('authorization,x-thing');
    expect(reply.headers['access-control-allow-methods']).toContain('POST');
    expect(Number(reply.headers['access-control-max-age'])).toBeGreaterThan(600);
  });

  test('to what this server does not do says so', async () => {
    const test = await startServer();
    for (const op of ['listing', 'xyz', 'toString']) {
      const reply = await post(test.urlOf('a'), { op });
      expect([reply.status, reply.json().code]).toEqual([400, -5999]);
    }
    expect((await post(test.urlOf('a'), { filesize: 1 })).json().code).toBe(-5999);
    expect((await send(test.urlOf('a'), { method: 'PATCH' })).json().code).toBe(-5999);
    expect((await send(`${test.origin}/files/v2/10055004`, { headers: formHeaders() })).json().code).toBe(-5999);
    expect((await send(`${test.urlOf('a')}?op=upload`, { method: 'GET', headers: formHeaders() })).json().code).toBe(
      -5999,
    );
  });
});

describe('the signature', () => {
  test('is checked before the body is read', async () => {
    const test = await startServer();
    const body = formBody({ op: 'upload', filecontent: Buffer.alloc(100_000) });
    const reply = await send(test.urlOf('a'), { headers: formHeaders('nonsense'), body });
    expect([reply.status, reply.json().code]).toEqual([403, -48]);
    expect(test.requests[0]?.bytes).toBe(0);
  });

  test('that is refused does not spoil the connection', async () => {
    const test = await startServer();
    const request = (signature: string) => {
      const body = formBody({ op: 'upload', filecontent: Buffer.alloc(300_000), insertOnly: 0 });
      const head = `POST /files/v2/10055004/demobucket/a HTTP/1.1\r\nHost: x\r\nAuthorization: ${signature}\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: ${body.length}\r\n\r\n`;
      return [head, body];
    };
    const text = await talk(
      test.origin,
      [...request('nonsense'), ...request(sign()), ...request('nonsense'), ...request(sign())],
      4,
    );
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 403', 'HTTP/1.1 200', 'HTTP/1.1 403', 'HTTP/1.1 200']);
  });

  test('may be in the query, where a plus may be left as it is', async () => {
    const test = await startServer();
    for (let i = 0; i < 20; i++) {
      const reply = await send(`${test.urlOf(`f${i}`)}?sign=${sign()}`, {
        headers: { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` },
        body: formBody({ op: 'upload', filecontent: 'x' }),
      });
      expect(reply.json().code).toBe(0);
    }
  });

  test('decides whether a client that asks may go on', async () => {
    const test = await startServer();
    const body = formBody({ op: 'upload', filecontent: 'x' });
    const head = (signature: string) =>
      `POST /files/v2/10055004/demobucket/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nAuthorization: ${signature}\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: ${body.length}\r\n\r\n`;
    const good = await talk(test.origin, [head(sign()), body]);
    expect(good).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/);
    expect(good.match(/100 Continue/g)).toHaveLength(1);
    const bad = await talk(test.origin, [head('nonsense')]);
    expect(bad).toMatch(/^HTTP\/1.1 403 Forbidden/);
    expect(bad).toContain('Connection: close');
  });
});

describe('paths', () => {
  test('that could lead astray are refused', async () => {
    const test = await startServer();
    const base = `${test.origin}/files/v2/10055004/demobucket/`;
    for (const path of [
      '..',
      '../x',
      'a/../b',
      'a/..',
      '.',
      './a',
      'a/./b',
      '%2e%2e/x',
      '..%2f..%2fx',
      'a/%2e%2e%2fb',
      '%2fetc/passwd',
      '/etc',
      'a//b',
      'a%00b',
      'a%0ab',
      'a%7fb',
      'a%3fb',
      'a*b',
      'a:b',
      'a%7cb',
      'a%5cb',
      'a%3cb',
      'a%3eb',
      'a%22b',
      'a%',
      'a%zz',
      '%ff%fe',
      '%c0%ae%c0%ae/x',
      '%ed%a0%80',
      'x'.repeat(256),
      `${'x/'.repeat(600)}y`,
      'dir/',
      '',
    ]) {
      for (const op of ['upload', 'upload_slice_init']) {
        const reply = await send(base + path, {
          headers: formHeaders(),
          body: formBody({ op, filesize: 1, ...(op === 'upload' && { filecontent: 'x' }) }),
        });
        expect([reply.status, reply.json().code], path).toEqual([400, -180]);
      }
      const read = await send(base + path, { method: 'GET', headers: { Authorization: sign() } });
      expect([400, 404], path).toContain(read.status);
    }
    for (const bucket of ['..', '%2e%2e', '.cos-slice']) {
      const reply = await send(`${test.origin}/files/v2/10055004/${bucket}/x`, {
        headers: formHeaders(sign({ b: bucket })),
        body: formBody({ op: 'upload', filecontent: 'x' }),
      });
      expect([403, 404]).toContain(reply.status);
    }
  });

  test('of every other kind come back as they went in', async () => {
    const test = await startServer({ publicRead: true });
    for (const path of [
      'a b',
      'a+b',
      '100%',
      '%41',
      'a#b',
      'a&b=c',
      '中文/文件',
      '😀',
      "it's",
      '...',
      '.hidden',
      'é',
      'x'.repeat(255),
      'files/v2/x',
      '~$!@()[]{};,^`',
    ]) {
      const reply = await post(test.urlOf(path), { op: 'upload', filecontent: path, insertOnly: 0 });
      expect(reply.json().code, path).toBe(0);
      expect((await test.stored(path)).toString()).toBe(path);
      expect((await send(reply.json().data.access_url, { method: 'GET' })).body.toString()).toBe(path);
    }
  });
});
