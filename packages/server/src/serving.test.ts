import { once } from 'node:events';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createSliceServer } from './server.ts';
import { fileStore } from './store/files/file-store.ts';
import type { Store } from './store/store.ts';
import { BOUNDARY, formBody, post, send } from './testing/client.ts';
import { type Dialled, dial } from './testing/dial.ts';
import { startServer, temporaryDir } from './testing/server.ts';
import { ACCOUNT, sign, signOnce } from './testing/sign.ts';
import { createUploader } from './testing/upload.ts';

const MINUTE_MS = 60_000;

/** Sends a request whose body stops after its first bytes. */
async function hold(
  origin: string,
  path: string,
  signature: string,
  body: Buffer,
): Promise<Dialled & { goOn(): void }> {
  const dialled = await dial(origin);
  const head = `POST /files/v2/10055004/demobucket/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${signature}\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: ${body.length}\r\n\r\n`;
  dialled.socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, 10)]));
  await sleep(50);
  return { ...dialled, goOn: () => void dialled.socket.write(body.subarray(10)) };
}

const codeOf = ({ text }: Dialled): number => JSON.parse(text().slice(text().indexOf('\r\n\r\n') + 4)).code;

describe('a signature is checked when it is used', () => {
  let aheadMs = 0;
  const nowMs = (): number => Date.now() + aheadMs;
  const startAhead = () => {
    aheadMs = 0;
    return startServer({ nowMs });
  };

  test.each([
    ['a delete', 'a', formBody({ op: 'delete' }), () => signOnce('a')],
    [
      'an upload',
      'b',
      formBody({ op: 'upload', filecontent: 'x' }),
      () => sign({ e: Math.floor(Date.now() / 1000) + 300 }),
    ],
    [
      'an init',
      'c',
      formBody({ op: 'upload_slice_init', filesize: 1 }),
      () => sign({ e: Math.ceil(Date.now() / 1000) + 300 }),
    ],
  ])('so %s that was held open until it had expired does nothing', async (_, path, body, signed) => {
    const server = await startAhead();
    await post(server.urlOf('a'), { op: 'upload', filecontent: 'kept' });
    const held = await hold(server.origin, path, signed(), body);
    aheadMs = 15 * MINUTE_MS;
    held.goOn();
    await expect.poll(() => codeOf(held)).toBe(-59);
    expect((await server.stored('a')).toString()).toBe('kept');
    await expect(server.stored('b')).rejects.toThrow();
  });

  test('so one for one use works in one of two requests that were held open', async () => {
    const server = await startAhead();
    await post(server.urlOf('a'), { op: 'upload', filecontent: 'x' });
    const signature = signOnce('a');
    const body = formBody({ op: 'delete' });
    const both = [await hold(server.origin, 'a', signature, body), await hold(server.origin, 'a', signature, body)];
    aheadMs = 5 * MINUTE_MS;
    for (const held of both) held.goOn();
    await expect.poll(() => both.map(codeOf).sort((a, b) => a - b)).toEqual([-59, 0]);
  });
});

describe('requests that a connection sends without waiting for replies', () => {
  /** A store whose objects are opened when the test lets them. */
  async function startSlow() {
    const store = fileStore(await temporaryDir());
    const openObject = store.openObject.bind(store);
    const opening: (() => void)[] = [];
    let opened = 0;
    let isOver = false;
    store.openObject = async (target) => {
      opened += 1;
      if (!isOver) await new Promise<void>((resolve) => opening.push(resolve));
      return openObject(target);
    };
    const server = await startServer({ store, publicRead: true });
    onTestFinished(() => {
      isOver = true;
      for (const goOn of opening) goOn();
    });
    const dialled = await dial(server.origin);
    const ask = (path: string) => `GET /files/v2/10055004/demobucket/${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    return { server, dialled, ask, goOn: () => opening.shift()?.(), opened: () => opened };
  }

  test('are answered one after the other', async () => {
    const { server, dialled, ask, goOn, opened } = await startSlow();
    const paths = ['a', 'b', 'c'];
    for (const path of paths) await post(server.urlOf(path), { op: 'upload', filecontent: `of ${path}` });
    dialled.socket.write(paths.map(ask).join(''));
    for (let count = 1; count <= paths.length; count++) {
      await expect.poll(opened).toBe(count);
      // Others would have come by then.
      await fetch(server.origin);
      expect(opened()).toBe(count);
      goOn();
      await expect.poll(() => dialled.text().match(/of [abc]/g)?.length).toBe(count);
    }
    expect(dialled.text().match(/of [abc]/g)).toEqual(['of a', 'of b', 'of c']);
  });

  test('are cut off with it when they are very many', async () => {
    const { dialled, ask, opened } = await startSlow();
    dialled.socket.write(ask('x').repeat(1000));
    await dialled.closed;
    expect(opened()).toBe(1);
    expect(dialled.text()).toBe('');
  });
});

describe('probes', () => {
  test.each(['/', '/-/healthy', '/-/ready', '/?from=balancer'])(
    'at %s need no signature and leave no trace',
    async (path) => {
      const server = await startServer();
      for (const method of ['GET', 'HEAD']) {
        const { status, body } = await send(server.origin + path, { method });
        expect([status, body.toString()]).toEqual([200, method === 'GET' ? 'ok\n' : '']);
      }
      await sleep(50);
      expect(server.requests).toEqual([]);
    },
  );

  test('do not stand for objects', async () => {
    const server = await startServer({ prefix: '', publicRead: true });
    expect((await send(`${server.origin}/-/healthy/x`, { method: 'GET' })).status).toBe(404);
    expect((await post(`${server.origin}/-/healthy`, { op: 'upload', filecontent: 'x' })).status).toBe(400);
  });

  test.each(['healthy', 'ready'])('are no answer at the host of a bucket, where -/%s is an object', async (name) => {
    const server = await startServer({ publicRead: true });
    await post(server.urlOf(`-/${name}`), { op: 'upload', filecontent: 'object' });
    const ask = (path: string) =>
      send(server.origin + path, { method: 'GET', headers: { Host: `demobucket-${ACCOUNT.appId}.files.example` } });
    expect((await ask(`/-/${name}`)).body.toString()).toBe('object');
    expect((await ask('/')).body.toString()).toBe('ok\n');
  });
});

describe('a server that is told to stop', () => {
  async function withFile(sizeBytes: number) {
    const server = await startServer({ publicRead: true });
    const folder = join(server.dir, '10055004/demobucket');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'big'), '');
    await truncate(join(folder, 'big'), sizeBytes);
    return server;
  }

  test('lets a download and a slice come to their end, takes nobody new, and says that it is not ready', async () => {
    const server = await withFile(30_000_000);
    const upload = createUploader(server.urlOf('sliced'));
    await upload.init();
    const slice = formBody({
      op: 'upload_slice_data',
      session: upload.session,
      offset: 0,
      filecontent: upload.bytes.subarray(0, 65_536),
    });
    const held = await hold(server.origin, 'sliced', sign(), slice);
    const probe = await dial(server.origin);
    const download = await dial(server.origin);
    let bytes = 0;
    download.socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    download.socket.pause();
    download.socket.write('GET /files/v2/10055004/demobucket/big HTTP/1.1\r\nHost: x\r\n\r\n');
    await sleep(100);

    const closed = server.server.close({ graceMs: 3 * MINUTE_MS });
    await expect(fetch(server.origin)).rejects.toThrow();
    probe.socket.write('GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => probe.text()).toMatch(/^HTTP\/1\.1 503 .*Connection: close/s);
    held.goOn();
    download.socket.resume();
    await closed;
    await Promise.all([held.closed, download.closed]);
    expect(codeOf(held)).toBe(0);
    expect(held.text()).toContain('Connection: close');
    expect(bytes).toBeGreaterThan(30_000_000);
  });

  test('cuts what is not over in time, inside another server too', async () => {
    const server = await withFile(100_000_000);
    const own = await dial(server.origin);
    own.socket.pause();
    own.socket.write('GET /files/v2/10055004/demobucket/big HTTP/1.1\r\nHost: x\r\n\r\n');
    const idle = await dial(server.origin);

    const inner = createSliceServer({ store: fileStore(await temporaryDir()), accounts: [ACCOUNT] });
    const outer = new Server((req, res) => void inner.handle(req, res)).listen(0, '127.0.0.1');
    onTestFinished(() => void outer.close());
    await once(outer, 'listening');
    const { port } = outer.address() as { port: number };
    const held = await hold(`http://127.0.0.1:${port}`, 'x', sign(), formBody({ op: 'upload', filecontent: 'x' }));

    const startedAtMs = performance.now();
    await Promise.all([server.server.close({ graceMs: 300 }), inner.close({ graceMs: 300 })]);
    expect(performance.now() - startedAtMs).toBeGreaterThan(290);
    own.socket.resume();
    await Promise.all([own.closed, idle.closed, held.closed]);
    expect(held.text()).toBe('');
  });

  test.each(['openObject', 'sessions'] as const)('does not wait for a storage whose %s has no end', async (call) => {
    let letGo = (): void => {};
    const hanging = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    onTestFinished(() => letGo());
    const store = fileStore(await temporaryDir());
    let asked = false;
    const hang = async (): Promise<void> => {
      asked = true;
      await hanging;
    };
    const hangs: Pick<Store, 'openObject' | 'sessions'> = {
      async openObject(target) {
        await hang();
        return store.openObject(target);
      },
      async *sessions() {
        await hang();
        yield* store.sessions();
      },
    };
    const server = createSliceServer({
      store: { ...store, [call]: hangs[call] },
      accounts: [ACCOUNT],
      publicRead: true,
    });
    const { url } = await server.listen();
    const cut = call === 'openObject' && expect(fetch(`${url}/files/v2/10055004/demobucket/a`)).rejects.toThrow();
    await expect.poll(() => asked).toBe(true);
    await server.close({ graceMs: 10 });
    await cut;
  });

  test('does not wait when nothing is under way, however many connections are open', async () => {
    const server = await startServer();
    const kept = await dial(server.origin);
    kept.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => kept.text()).toContain('ok');
    await dial(server.origin);
    const startedAtMs = performance.now();
    await server.server.close();
    // What is under way is given ten seconds.
    expect(performance.now() - startedAtMs).toBeLessThan(9000);
  });
});

describe('listening', () => {
  test('may fail and be tried again', async () => {
    const taken = await startServer();
    const server = createSliceServer({ store: fileStore(await temporaryDir()), accounts: [ACCOUNT] });
    onTestFinished(() => server.close());
    const { port } = new URL(taken.origin);
    await expect(server.listen(Number(port))).rejects.toThrow(/EADDRINUSE/);
    const { url } = await server.listen();
    expect((await fetch(url)).status).toBe(200);
  });

  test('fails at once when the store has no place', async () => {
    const file = join(await temporaryDir(), 'file');
    await writeFile(file, '');
    const server = createSliceServer({ store: fileStore(join(file, 'below')), accounts: [ACCOUNT] });
    await expect(server.listen()).rejects.toThrow();
  });

  test('takes an IPv6 address with and without brackets', async () => {
    for (const host of ['::1', '[::1]']) {
      const server = createSliceServer({ store: fileStore(await temporaryDir()), accounts: [ACCOUNT] });
      onTestFinished(() => server.close());
      const { url } = await server.listen(0, host);
      expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
      expect((await fetch(url)).status).toBe(200);
    }
  });

  test('goes on when the system has no room for a new connection', async () => {
    const listened = vi.spyOn(Server.prototype, 'listen');
    onTestFinished(() => listened.mockRestore());
    const server = await startServer();
    const http = listened.mock.contexts[0] as Server;
    const warned = once(process, 'warning');
    http.emit('error', new Error('accept EMFILE'));
    expect((await warned)[0]).toMatchObject({ message: 'accept EMFILE' });
    expect((await fetch(server.origin)).status).toBe(200);
  });
});
