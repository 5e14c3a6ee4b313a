import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CLI, type Running, runCli, startCli } from '../testing/cli.ts';

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

describe('a server', () => {
  test('makes its folder, says that it is ready, and prints an upload command that works', async () => {
    const running = serve(['--root', 'new/store']);
    const [, endpoint] = await running.says(READY);
    const [, command = ''] = await running.says(/^ {2}(COS_.* cos-slice upload FILE demo\/)\n/m);
    const typed = command.replace('cos-slice', `'${process.execPath}' '${CLI}'`).replace('FILE', `'${file}'`);
    const { stdout } = await shell('sh', ['-c', typed], { env: { XDG_STATE_HOME: join(folder, 'state') } });
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
    await running.says(/COS_APP_ID=10055004 COS_SECRET_ID=ID cos-slice upload FILE films\/\n/);
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
      expect(await upload).toMatchObject({ code: 0, stderr: '' });
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
    expect(line).toMatch(/^\d\d:\d\d:\d\d "x\\n00:00:00 delete \\u001b\[2J" "a" 400 -5999 [\d.]+ms 0 B\n$/);
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

  test.each(['SIGINT', 'SIGTERM'] as const)('stops on %s', async (signal) => {
    const running = serve(['--root', 'stop']);
    await running.says(READY);
    running.child.kill(signal);
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a server that cannot be', () => {
  test.each<[name: string, args: string[], code: number, message: RegExp]>([
    ['no root', [], 2, /--root.*--help$/],
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

  test('a port in use: one line', async () => {
    const running = serve(['--root', 'first']);
    const [, , port = ''] = await running.says(READY);
    const second = await runCli(['serve', '--root', 'second', '--port', port, '--json'], { cwd: folder });
    expect(second.code).toBe(1);
    expect(second.stderr).toBe(`cos-slice: port ${port} is taken: choose another with --port, or 0 for a free one\n`);
    expect(JSON.parse(second.stdout)).toMatchObject({ ok: false, code: 'listen-failed' });
  });
});
