import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { originOf } from './http/origin.ts';
import { formBody, formHeaders, send } from './testing/client.ts';
import { startServer, temporaryDir } from './testing/server.ts';
import { createUploader } from './testing/upload.ts';

type Settings = Parameters<typeof startServer>[0];
const OBJECT = '/files/v2/10055004/demobucket/a%20b';

/** A reverse proxy of a few lines. @returns its origin */
async function startProxy(target: string, headers: Record<string, string>, cut = ''): Promise<string> {
  const { port } = new URL(target);
  const proxy = createServer((req, res) => {
    const path = req.url?.slice(cut.length);
    const passed: IncomingHttpHeaders = { ...req.headers, host: `127.0.0.1:${port}`, ...headers };
    const onward = request({ port, method: req.method, path, headers: passed }, (reply) => {
      res.writeHead(reply.statusCode ?? 0, reply.headers);
      reply.pipe(res);
    });
    req.pipe(onward);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void proxy.close().closeAllConnections());
  await once(proxy, 'listening');
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

describe('behind a proxy', () => {
  const OUTSIDE = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'files.example' };

  test.each<[name: string, settings: Settings, headers: Record<string, string>, cut: string, seen: string | undefined]>(
    [
      ['a public URL counts', { publicUrl: 'https://files.example' }, {}, '', 'https://files.example'],
      [
        'a public URL counts more than a trusted proxy',
        { publicUrl: 'http://a', trustProxy: true },
        OUTSIDE,
        '',
        'http://a',
      ],
      [
        'a public URL may have a path',
        { publicUrl: 'https://files.example/cos/' },
        {},
        '/cos',
        'https://files.example/cos',
      ],
      [
        'a trusted proxy is believed',
        { trustProxy: true },
        { ...OUTSIDE, 'x-forwarded-port': '443' },
        '',
        'https://files.example',
      ],
      [
        'a port of its own is told',
        { trustProxy: true },
        { ...OUTSIDE, 'x-forwarded-port': '8443' },
        '',
        'https://files.example:8443',
      ],
      [
        'the nearest to the client is believed',
        { trustProxy: true },
        { 'x-forwarded-proto': 'https, http', 'x-forwarded-host': 'files.example, inner' },
        '',
        'https://files.example',
      ],
      [
        'what it cuts off is put back',
        { trustProxy: true },
        { ...OUTSIDE, 'x-forwarded-prefix': '/cos' },
        '/cos',
        'https://files.example/cos',
      ],
      ['one that is not trusted is not believed', {}, OUTSIDE, '', undefined],
      [
        'nonsense is not believed',
        { trustProxy: true },
        { 'x-forwarded-proto': 'javascript', 'x-forwarded-host': 'a/b"><script>', 'x-forwarded-prefix': '//evil' },
        '',
        undefined,
      ],
    ],
  )('%s', async (_, settings, headers, cut, seen) => {
    const server = await startServer(settings ?? {});
    const origin = await startProxy(server.origin, headers, cut);
    const upload = createUploader(`${origin}${cut}${OBJECT}`);
    const { code, data } = (await upload.all()).json();
    expect([code, data.access_url]).toEqual([0, `${seen ?? server.origin}${OBJECT}`]);
  });

  const hasNginx = spawnSync('nginx', ['-v']).status === 0;

  test.skipIf(!hasNginx)("the README's nginx passes slices on and tells where clients see the server", async () => {
    const server = await startServer({ trustProxy: true, publicRead: true });
    const port = await freePort();
    const example =
      /```nginx\n(.*?)```/s.exec(await readFile(new URL('../README.md', import.meta.url), 'utf8'))?.[1] ?? '';
    const site = example
      .replace('listen 80;', `listen 127.0.0.1:${port};`)
      .replace('http://127.0.0.1:9000', server.origin);
    expect(site).toContain(server.origin);
    const dir = await temporaryDir();
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${dir}/${kind};`,
    );
    const config = `daemon off; pid ${dir}/pid; error_log ${dir}/error.log;\nevents {}\nhttp { access_log off; ${temporary.join(' ')}\n${site}}\n`;
    await writeFile(join(dir, 'nginx.conf'), config);
    const nginx = spawn('nginx', ['-c', join(dir, 'nginx.conf'), '-p', dir, '-e', join(dir, 'error.log')], {
      stdio: 'ignore',
    });
    onTestFinished(() => stop(nginx));
    const origin = `http://127.0.0.1:${port}`;
    await expect.poll(async () => (await send(origin, { method: 'GET' })).status).toBe(200);

    const upload = createUploader(origin + OBJECT, Buffer.alloc(12_000_000, 'slice'));
    upload.sliceSize = 5_000_000;
    const { code, data } = (await upload.all()).json();
    expect([code, data.access_url]).toEqual([0, origin + OBJECT]);
    expect((await send(data.access_url, { method: 'GET' })).body.equals(upload.bytes)).toBe(true);
    // The largest that this server takes in one request.
    const body = formBody({ op: 'upload', insertOnly: 0, filecontent: Buffer.alloc(20 * 1024 * 1024) });
    expect((await send(origin + OBJECT, { headers: formHeaders(), body })).json().code).toBe(0);
  });
});

describe('the origin of a request', () => {
  const originFor = (socket: object, headers: object = { host: 'a.example' }) =>
    originOf({ socket: { localPort: 80, ...socket }, headers } as never, false);

  test('has the scheme that its connection has, whatever properties the runtime gives to sockets', () => {
    expect(originFor({})).toBe('http://a.example');
    expect(originFor({ encrypted: false })).toBe('http://a.example');
    expect(originFor({ encrypted: undefined })).toBe('http://a.example');
    expect(originFor({ encrypted: true })).toBe('https://a.example');
  });

  test('has a host even when the request has none that could be', () => {
    expect(originFor({}, {})).toBe('http://127.0.0.1:80');
    expect(originFor({}, { host: 'a b' })).toBe('http://127.0.0.1:80');
    expect(originFor({}, { host: '[::1]:9000' })).toBe('http://[::1]:9000');
    expect(originFor({ encrypted: true }, { ':authority': 'two.example' })).toBe('https://two.example');
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if ((child.exitCode ?? child.signalCode) === null) await once(child, 'exit');
}
