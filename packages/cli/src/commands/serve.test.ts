import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { commandName } from '../command-line.ts';
import { CLI, type Running, runCli, startCli, withoutProgress } from '../testing/cli.ts';

const shell = promisify(execFile);
const ONE_LINE = /^cos-slice: [^\n]+\n$/;
const READY = /^ready (http:\/\/127\.0\.0\.1:(\d+)\/files\/v2)\n/;

let folder: string;
let file: string;
const servers: Running[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-serve-'));
  file = join(folder, '文件 1.bin');
  await writeFile(file, Buffer.alloc(3_000_000, 7));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const { child, ended } of servers.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
});

const serve = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Running => {
  const running = startCli(['serve', '--port', '0', ...args], { env, cwd: folder });
  servers.push(running);
  return running;
};

const signFor = async (bucket: string): Promise<string> => {
  const env = { COS_APP_ID: '10000000', COS_SECRET_ID: 'demo', COS_SECRET_KEY: 'k' };
  return (await runCli(['sign', bucket], { env })).stdout.trim();
};

/** A signed request whose body stops in the middle. */
async function holdRequest(port: string): Promise<{ goOn(): void; answer: Promise<string> }> {
  const body = '{"op":"upload_slice_list"}';
  const headers = `Host: x\r\nAuthorization: ${await signFor('demo')}\r\nContent-Length: ${body.length}`;
  const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
  socket.write(`POST /files/v2/10000000/demo/a HTTP/1.1\r\n${headers}\r\n\r\n${body.slice(0, 9)}`);
  const answer = text(socket).catch(() => '');
  await new Promise((resolve) => setTimeout(resolve, 200));
  return { goOn: () => void socket.write(body.slice(9)), answer };
}

describe('a server', () => {
  test('makes its folder, says that it is ready, and prints an upload command that works', async () => {
    const running = serve(['--root', 'new/store']);
    const [, endpoint] = await running.says(READY);
    const [, command = ''] = await running.says(/^ {2}(COS_.* upload FILE demo\/)\n/m);
    const { PATH } = process.env;
    const typed = command.replace('FILE', `'${file}'`);
    const { stdout } = await shell('sh', ['-c', typed], { env: { PATH, XDG_STATE_HOME: join(folder, 'state') } });
    expect(stdout).toContain(`${endpoint}/10000000/demo/%E6%96%87%E4%BB%B6%201.bin`);
    expect(await readFile(join(folder, 'new/store/10000000/demo/文件 1.bin'))).toHaveLength(3_000_000);
    // One line for each request: time, op, path, status, code, ms, size.
    await running.says(/^\d\d:\d\d:\d\d upload_slice_init "文件 1\.bin" 200 0 [\d.]+ms [\d.]+ K?i?B$/m);
    await running.says(/^\d\d:\d\d:\d\d upload_slice_finish "文件 1\.bin" 200 0 /m);
    expect(running.output().stdout.match(/upload_slice_data/g)).toHaveLength(3);
    expect(running.output().stderr).toBe('');
  });

  test('does not print a key that it was given', async () => {
    const flags = ['--app-id', '10055004', '--secret-id', 'ID', '--secret-key', 'given-by-flag', '--bucket', 'films'];
    const running = serve(['--root', 'given', ...flags]);
    await running.says(/COS_APP_ID=10055004 COS_SECRET_ID=ID .*cos-slice.* upload FILE films\/\n/);
    const { stdout } = running.output();
    expect(stdout).toContain('COS_SECRET_KEY set to the key given');
    expect(stdout).not.toContain('given-by-flag');
  });

  test('takes its account from the environment and several buckets, and keeps what it has', async () => {
    const env = { COS_APP_ID: '1', COS_SECRET_ID: 'ID', COS_SECRET_KEY: 'by-variable' };
    for (const bucket of ['films', 'backup']) {
      const running = serve(['--root', 'twice', '--bucket', 'films', '--bucket', 'backup'], env);
      const [, endpoint = ''] = await running.says(READY);
      const surroundings = { env: { ...env, XDG_STATE_HOME: join(folder, 'state') } };
      const upload = runCli(['upload', file, `${bucket}/a.bin`, '--endpoint', endpoint], surroundings);
      expect(withoutProgress(await upload)).toMatchObject({ code: 0, stderr: '' });
      running.child.kill('SIGTERM');
      await running.ended;
    }
    for (const bucket of ['films', 'backup']) {
      expect(await readFile(join(folder, 'twice/1', bucket, 'a.bin'))).toHaveLength(3_000_000);
    }
  });

  test('lets anyone read with --public-read, and nobody else without', async () => {
    for (const [flags, status] of [
      [['--public-read'], 200],
      [[], 403],
    ] as const) {
      const running = serve(['--root', 'public', '--secret-key', 'k', ...flags]);
      const [, endpoint = ''] = await running.says(READY);
      const env = { COS_SECRET_KEY: 'k', XDG_STATE_HOME: join(folder, 'state') };
      const account = ['--app-id', '10000000', '--secret-id', 'demo', '--overwrite'];
      await runCli(['upload', file, 'demo/a.bin', '--endpoint', endpoint, ...account], { env });
      expect((await fetch(`${endpoint}/10000000/demo/a.bin`)).status).toBe(status);
    }
  });

  test('forces a slice size', async () => {
    const running = serve(['--root', 'forced', '--slice-size', '512k', '--json', '--secret-key', 'k']);
    const [, endpoint = ''] = await running.says(/"endpoint":"([^"]+)"/);
    const env = { COS_SECRET_KEY: 'k', XDG_STATE_HOME: join(folder, 'state') };
    const account = ['--app-id', '10000000', '--secret-id', 'demo', '--slice-size', '1m'];
    const upload = await runCli(['upload', file, 'demo/a.bin', '--endpoint', endpoint, ...account], { env });
    expect(upload).toMatchObject({ code: 0 });
    await running.says(/upload_slice_finish/);
    expect(running.output().stdout.match(/upload_slice_data/g)).toHaveLength(6);
  });

  test('logs JSON, one object a line, with --json', async () => {
    const running = serve(['--root', 'json', '--json']);
    const [line = ''] = await running.says(/^.*\n/);
    const ready = JSON.parse(line);
    expect(ready).toMatchObject({ event: 'ready', root: join(folder, 'json'), buckets: ['demo'], secretId: 'demo' });
    await fetch(`${ready.endpoint}/10000000/demo/missing%0A`);
    await running.says(/"request".*\n/);
    const [, request = ''] = running.output().stdout.trim().split('\n');
    expect(JSON.parse(request)).toMatchObject({ event: 'request', method: 'GET', code: -180, status: 400 });
  });

  test('is quiet with --quiet', async () => {
    const running = serve(['--root', 'quiet', '--quiet']);
    const [line, endpoint = ''] = await running.says(READY);
    await fetch(endpoint);
    expect(running.output()).toEqual({ stdout: line, stderr: '' });
  });

  test('does not let requests forge its log', async () => {
    const running = serve(['--root', 'log', '--public-read']);
    const [, endpoint = ''] = await running.says(READY);
    await fetch(`${endpoint}/10000000/demo/a?op=x%0A00:00:00%20delete%20%1b[2J`);
    const [line] = await running.says(/^\d\d:\d\d:\d\d .*\n/m);
    expect(line).toMatch(/^\d\d:\d\d:\d\d "x\\n00:00:00 delete \\u001b\[2J" "a" 4\d\d -\d+ [\d.]+ms 0 B\n$/);
  });

  test('goes on when nobody reads its log any more', async () => {
    const running = serve(['--root', 'unread', '--public-read']);
    const [, endpoint = ''] = await running.says(READY);
    running.child.stdout?.destroy();
    for (let count = 0; count < 5; count += 1) {
      expect((await fetch(`${endpoint}/10000000/demo/missing`)).status).toBe(404);
    }
    expect(running.child.exitCode).toBe(null);
  });

  test.each([
    ['npx', { npm_command: 'exec' }, /DEMO_KEY npx cos-slice upload FILE demo\/\n/],
    ['a script of npm', { npm_execpath: '/usr/lib/npm-cli.js' }, /DEMO_KEY npx cos-slice upload FILE demo\/\n/],
    ['Node', { PATH: dirname(process.execPath) }, /DEMO_KEY (node|\/\S+) \S+\/bin\/cos-slice\.js upload FILE demo\/\n/],
  ])('started by %s prints a command that is started the same way', async (_, env, pattern) => {
    const running = serve(['--root', 'started'], env);
    await running.says(READY);
    const [printed = ''] = await running.says(/^ {2}COS_.*\n/m);
    expect(printed.replace(/COS_SECRET_KEY=\S+/, 'DEMO_KEY')).toMatch(pattern);
  });

  test('started by its name on the PATH prints that name', async () => {
    const bin = join(folder, 'bin');
    await mkdir(bin, { recursive: true });
    await symlink(CLI, join(bin, 'cos-slice'));
    expect(commandName({ PATH: `/nowhere:${bin}` }, join(bin, 'cos-slice'), process.execPath)).toBe('cos-slice');
    expect(commandName({ PATH: bin }, '/elsewhere/it is.js', '/opt/my node')).toBe(
      "'/opt/my node' '/elsewhere/it is.js'",
    );
  });

  test('announces the URL it is told, or that of a proxy it trusts', async () => {
    const forwarded = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'files.example' };
    for (const [flags, expected] of [
      [['--public-url', 'https://files.example/cos'], 'https://files.example/cos/files/v2'],
      [['--trust-proxy'], 'https://files.example/files/v2'],
      [[], undefined],
    ] as const) {
      const running = serve(['--root', 'proxied', '--secret-key', 'k', ...flags]);
      const [, endpoint = ''] = await running.says(READY);
      const body = new FormData();
      for (const [name, value] of Object.entries({ op: 'upload', insertOnly: '0', filecontent: 'x' }))
        body.set(name, value);
      const headers = { Authorization: await signFor('demo'), ...forwarded };
      const reply = await fetch(`${endpoint}/10000000/demo/a`, { method: 'POST', headers, body });
      const { data } = (await reply.json()) as { data: { access_url: string } };
      expect(data.access_url).toBe(`${expected ?? endpoint}/10000000/demo/a`);
    }
  });

  test('answers probes without a line in its log', async () => {
    const running = serve(['--root', 'probed']);
    const [, endpoint = ''] = await running.says(READY);
    const before = running.output().stdout;
    for (const path of ['/', '/-/healthy', '/-/ready']) expect((await fetch(new URL(path, endpoint))).status).toBe(200);
    await fetch(`${endpoint}/10000000/demo/a`);
    await running.says(/^\S+ GET "a" 403 .*\n/m);
    expect(
      running
        .output()
        .stdout.slice(before.length)
        .match(/\bGET\b/g),
    ).toHaveLength(1);
  });

  test('says in its log when somebody speaks TLS to it', async () => {
    const running = serve(['--root', 'tls']);
    const [, endpoint = ''] = await running.says(READY);
    await expect(fetch(endpoint.replace('http:', 'https:'))).rejects.toThrow();
    await running.says(/^\S+ - - 400 -5999 .* a TLS handshake came, .* use http:/m);
  });

  test('listens on an IPv6 address in brackets', async () => {
    const running = serve(['--root', 'six', '--host', '[::1]']);
    const [, endpoint = ''] = await running.says(/^ready (http:\/\/\[::1\]:\d+\/files\/v2)\n/);
    expect((await fetch(new URL('/', endpoint))).status).toBe(200);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'lets a request under way end on %s, unless there is a second signal',
    async (signal) => {
      for (const second of [undefined, 'SIGINT', 'SIGTERM'] as const) {
        const running = serve(['--root', 'ending', '--secret-key', 'k']);
        const [, , port = ''] = await running.says(READY);
        const held = await holdRequest(port);
        running.child.kill(signal);
        const stopping = /^stopping: requests under way have 10 s; again to stop at once\n$/;
        await expect.poll(() => running.output().stderr).toMatch(stopping);
        if (second) running.child.kill(second);
        else held.goOn();
        const { code } = await running.ended;
        // By itself: the first process of a container is not ended by signals.
        expect(code).toBe(second ? 130 : 0);
        expect(await held.answer).toMatch(second ? /^$/ : /^HTTP\/1\.1 404 .*"code":-197/s);
      }
    },
  );

  test('waits no longer than --grace says', async () => {
    const running = serve(['--root', 'grace', '--secret-key', 'k', '--grace', '1']);
    const [, , port = ''] = await running.says(READY);
    const held = await holdRequest(port);
    const toldAtMs = performance.now();
    running.child.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 0 });
    expect(performance.now() - toldAtMs).toBeGreaterThan(950);
    expect(await held.answer).toBe('');
    const wrong = await runCli(['serve', '--root', 'x', '--grace', 'soon'], { cwd: folder });
    expect(wrong.stderr).toMatch(/--grace must be/);
  });

  test('ends when told while its store does not answer yet', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const keys = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };
    const running = serve(['--store', 's3://films', '--s3-endpoint', `http://127.0.0.1:${port}`], keys);
    const [asking] = await once(silent, 'connection');
    running.child.kill('SIGTERM');
    expect(await running.ended).toEqual({ code: 0, stdout: '', stderr: '' });
    asking.destroy();
    silent.close();
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('stops on %s', async (signal) => {
    const running = serve(['--root', 'stop']);
    await running.says(READY);
    running.child.kill(signal);
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
  });
});

test('metrics are told apart from clients', async () => {
  const running = serve(['--root', 'counted', '--metrics', '127.0.0.1:0', '--quiet', '--json']);
  const [, endpoint = '', url = ''] = await running.says(/"endpoint":"([^"]+)".*"metrics":"([^"]+)"/);
  await fetch(endpoint);
  expect(await (await fetch(url)).text()).toMatch(/cos_slice_requests_total\{op="GET",status="\d+",code="-?\d+"\} 1\n/);
});

describe('a server that cannot be', () => {
  test.each<[name: string, args: string[], code: number, message: RegExp]>([
    ['no store', [], 2, /--root DIR, or --store s3:\/\/BUCKET.*--help\)$/],
    ['two stores', ['--root', 'x', '--store', 's3://films'], 2, /--root and --store exclude each other/],
    ['an odd store', ['--store', 'http://films'], 2, /--store must be s3:\/\/BUCKET/],
    ['an odd endpoint', ['--store', 's3://films', '--s3-endpoint', 'ceph:7480'], 2, /--s3-endpoint must be an http/],
    [
      'no keys for the store',
      ['--store', 's3://films'],
      1,
      /"s3:\/\/films" cannot be used: no credentials .*AWS_ACCESS_KEY_ID/,
    ],
    ['an odd address for metrics', ['--root', 'x', '--metrics', 'a:b'], 2, /--metrics must be HOST:PORT, got 'a:b'/],
    ['an empty root', ['--root', ''], 2, /--root must be a folder/],
    [
      'a port that is none',
      ['--root', 'x', '--port', 'http'],
      2,
      /--port must be a whole number from 0 to 65535, got 'http'/,
    ],
    ['a port too high', ['--root', 'x', '--port', '65536'], 2, /--port must be/],
    ['a slice size too small', ['--root', 'x', '--slice-size', '1k'], 2, /--slice-size must be from 64k/],
    ['an odd bucket', ['--root', 'x', '--bucket', 'a b'], 2, /"a b" cannot be a bucket/],
    ['an odd application', ['--root', 'x', '--app-id', '../x'], 2, /cannot be an appid/],
    ['a public URL that is none', ['--root', 'x', '--public-url', 'files.example'], 2, /--public-url must be an http/],
    [
      'a key with a line break',
      ['--root', 'x', '--secret-key', 'hush\n'],
      2,
      /--secret-key holds a line break: give it without/,
    ],
    ['an argument', ['--root', 'x', 'y'], 2, /too many arguments/],
    ['a root that is a file', ['--root', '文件 1.bin'], 1, /is a file, or below one: give --root a folder/],
    ['a root below a file', ['--root', '文件 1.bin/x'], 1, /is a file, or below one/],
    [
      "another machine's address",
      ['--root', 'x', '--host', '192.0.2.1'],
      1,
      /192\.0\.2\.1 is no address of this machine/,
    ],
  ])('%s: one line', async (_name, args, exitCode, message) => {
    const { code, stdout, stderr } = await runCli(['serve', ...args], { cwd: folder });
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
    expect(stderr).toMatch(ONE_LINE);
    expect(stderr.trim()).toMatch(message);
  });

  test('an object store that is not there: one line', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'AK', AWS_SECRET_ACCESS_KEY: 'hush' };
    const args = ['serve', '--store', 's3://films/x', '--s3-endpoint', 'http://127.0.0.1:9'];
    const { code, stdout, stderr } = await runCli(args, { cwd: folder, env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(ONE_LINE);
    expect(stderr).toMatch(/"s3:\/\/films\/x" cannot be used: .*ECONNREFUSED/);
    expect(stderr).not.toContain('hush');
  });

  test('a port in use: one line', async () => {
    const running = serve(['--root', 'first']);
    const [, , port = ''] = await running.says(READY);
    const second = await runCli(['serve', '--root', 'second', '--port', port, '--json'], { cwd: folder });
    expect(second.code).toBe(1);
    expect(second.stderr).toBe(`cos-slice: port ${port} is taken: choose another with --port, or 0 for a free one\n`);
    expect(JSON.parse(second.stdout)).toMatchObject({ ok: false, code: 'listen-failed' });
  });
});
