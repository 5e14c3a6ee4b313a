import { execFileSync } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { createSigner } from '@cos-slice/node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runCli, startCli } from '../testing/cli.ts';
import { ACCOUNT, createWorld, digestOf, KEY, type World } from '../testing/world.ts';

const MIB = 1024 * 1024;
const ONE_LINE = /^cos-slice: [^\n]+\n$/;

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
afterEach(() => {
  world.delayMs = 0;
  world.requests.length = 0;
});

const upload = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  runCli(['upload', ...args], { env: { ...world.env, ...env }, cwd: world.folder });

describe('a file that arrives', () => {
  test('is reported for people: URL, size, time and speed on stdout, nothing on stderr', async () => {
    const file = await world.file('plain.bin', 5 * MIB + 7);
    const { code, stdout, stderr } = await upload([file, 'demo/people/plain.bin']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [url, facts, ...rest] = stdout.trim().split('\n');
    expect(url).toBe(`${world.endpoint}/10055004/demo/people/plain.bin`);
    expect(facts).toMatch(/^5\.0 MiB in \d+\.\ds, [\d.]+ [KM]iB\/s$/);
    expect(rest).toEqual([]);
    expect(await world.stored('demo/people/plain.bin')).toBe(await digestOf(file));
  });

  test('is reported for programs: one JSON object', async () => {
    const file = await world.file('json.bin', 3 * MIB);
    const { code, stdout, stderr } = await upload([file, 'demo/json.bin', '--json', '--integrity', 'sha1']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.endsWith('}\n')).toBe(true);
    expect(JSON.parse(stdout)).toEqual({
      ok: true,
      path: 'demo/json.bin',
      sizeBytes: 3 * MIB,
      durationMs: expect.any(Number),
      accessUrl: `${world.endpoint}/10055004/demo/json.bin`,
      sourceUrl: expect.any(String),
      url: expect.any(String),
      resourcePath: expect.any(String),
      instant: false,
      resumedBytes: 0,
      sentBytes: 3 * MIB,
      sha1: expect.stringMatching(/^[0-9a-f]{40}$/),
    });
  });

  test('takes settings from flags, which go before the environment', async () => {
    const file = await world.file('flags.bin', 1000);
    const flags = ['--endpoint', world.endpoint, '--app-id', '10055004', '--secret-id', 'ID', '--secret-key', KEY];
    const wrong = {
      COS_SLICE_ENDPOINT: 'http://127.0.0.1:9/',
      COS_APP_ID: '1',
      COS_SECRET_ID: 'x',
      COS_SECRET_KEY: 'x',
    };
    expect(await upload([file, 'demo/flags.bin', ...flags], wrong)).toMatchObject({ code: 0, stderr: '' });
  });

  test.each(['none', 'md5', 'sha1'])('arrives with integrity %s', async (integrity) => {
    const file = await world.file(`${integrity}.bin`, 2 * MIB + 1);
    const args = [file, 'demo/levels/', '--integrity', integrity, '--concurrency', '2', '--attributes', 'a text'];
    expect(await upload(args)).toMatchObject({ code: 0, stderr: '' });
    expect(await world.stored(`demo/levels/${integrity}.bin`)).toBe(await digestOf(file));
  });

  test.each([
    ['1048576', 4],
    ['1m', 4],
    ['1MiB', 4],
    ['512k', 7],
    ['2 MB', 2],
  ])('goes in slices of %s', async (size, count) => {
    const file = await world.file('slices.bin', 3 * MIB + 1);
    expect(await upload([file, 'demo/slices.bin', '--overwrite', '--slice-size', size])).toMatchObject({ code: 0 });
    expect(world.requests.filter(({ op }) => op === 'upload_slice_data')).toHaveLength(count);
  });

  test.each([
    '文件 名.bin',
    'two  spaces.bin',
    '\u{1f600}\u{1f468}\u200d\u{1f469}\u200d\u{1f467}.bin',
    '+ % # & =.bin',
    "it's (a) [file]!~.bin",
    '-dash.bin',
  ])('may be called %s', async (name) => {
    const file = await world.file(name, 2 * MIB);
    const { code, stdout, stderr } = await upload([file, 'demo/目录 +%/', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await world.stored(`demo/目录 +%/${name}`)).toBe(await digestOf(file));
    const { accessUrl } = JSON.parse(stdout);
    const downloaded = Buffer.from(await (await fetch(accessUrl)).arrayBuffer());
    expect(downloaded).toHaveLength(2 * MIB);
  });

  test('may start with a dash after --', async () => {
    await world.file('-x.bin', 10);
    const run = runCli(['upload', '--', '-x.bin', 'demo/'], { env: world.env, cwd: join(world.folder, 'files') });
    expect(await run).toMatchObject({ code: 0, stderr: '' });
  });

  test('may be empty', async () => {
    const { code, stdout } = await upload([await world.file('empty.bin', 0), 'demo/empty.bin']);
    expect(code).toBe(0);
    expect(stdout).toContain('\n0 B in ');
  });

  test('that the server knows is not sent again', async () => {
    const file = await world.file('known.bin', 3 * MIB);
    await upload([file, 'demo/known-1.bin', '--integrity', 'sha1']);
    const { stdout } = await upload([file, 'demo/known-2.bin', '--integrity', 'sha1']);
    expect(stdout).toContain('nothing was sent');
  });
});

describe.concurrent('a command that is wrong', () => {
  const settings = [
    '--endpoint',
    'http://127.0.0.1:9/files/v2',
    '--app-id',
    '1',
    '--secret-id',
    'x',
    '--secret-key',
    'x',
  ];
  const good = ['file.bin', 'demo/path', ...settings];
  test.each<[name: string, args: string[], message: RegExp, code?: string]>([
    ['no destination', ['file.bin'], /BUCKET\/PATH.*--help$/],
    ['too many arguments', ['a', 'demo/b', 'c'], /too many arguments.*--help$/],
    ['an unknown flag', [...good, '--frobnicate'], /unknown option '--frobnicate'.*--help$/],
    ['a flag without its value', ['a', 'demo/b', '--endpoint'], /--endpoint.*argument missing.*--help$/],
    [
      'no settings',
      ['a', 'demo/b'],
      /missing --endpoint \(or COS_SLICE_ENDPOINT\), --app-id .*, --secret-id .*, --secret-key/,
    ],
    ['some settings', ['a', 'demo/b', ...settings.slice(0, 6)], /missing --secret-key \(or COS_SECRET_KEY\)$/],
    ['two ways to sign', [...good, '--sign-url', 'http://x/'], /--sign-url and --secret-key exclude each other/],
    ['a bad sign URL', ['a', 'demo/b', ...settings.slice(0, 4), '--sign-url', 'sign'], /--sign-url .* must be a URL/],
    ['standard input', ['-', ...good.slice(1)], /FILE must be a file/],
    ['a destination without a path', ['a', 'demo', ...settings], /must be BUCKET\/PATH.*got 'demo'/],
    ['an unknown integrity', [...good, '--integrity', 'crc'], /--integrity must be none, md5 or sha1, got 'crc'/],
    ['an unknown conflict', [...good, '--on-conflict', 'ask'], /--on-conflict must be error or restart, got 'ask'/],
    ['a slice size that is none', [...good, '--slice-size', 'big'], /--slice-size must be a size such as .*got 'big'/],
    ['a slice size too small', [...good, '--slice-size', '1k'], /--slice-size must be from 64k to 16m.*got '1k'/],
    ['a slice size too large', [...good, '--slice-size', '1g'], /--slice-size must be from 64k to 16m.*got '1g'/],
    ['an odd slice size', [...good, '--slice-size', '100001'], /multiple of 64/],
    [
      'a concurrency that is none',
      [...good, '--concurrency', 'many'],
      /--concurrency must be a whole number from 1 to 64/,
    ],
    ['no concurrency', [...good, '--concurrency', '0'], /--concurrency must be a whole number from 1 to 64/],
    ['several mistakes', ['a', 'demo', '--concurrency', '0'], /BUCKET\/PATH.*missing --endpoint.*--concurrency/],
    [
      'an endpoint that is none',
      [...good, '--endpoint', 'sh'],
      /--endpoint must be a URL.*got "sh"/,
      'invalid-options',
    ],
    [
      'an endpoint of another kind',
      [...good, '--endpoint', 'ftp://a/'],
      /--endpoint must be a URL with http/,
      'invalid-options',
    ],
    ['an illegal path', ['file.bin', 'demo/a?b', ...settings], /the path must not contain \?/, 'invalid-options'],
    [
      'a path with ..',
      ['file.bin', 'demo/../b', ...settings],
      /the path must .*not contain the segments \. or \.\./,
      'invalid-options',
    ],
    ['an illegal bucket', ['file.bin', 'de mo/b', ...settings], /the bucket /, 'invalid-options'],
    ['an application id with spaces', [...good, '--app-id', '1 2'], /--app-id must/, 'invalid-options'],
  ])('%s: one line and exit code 2', async (_name, args, message, expected = 'usage') => {
    const bare = { cwd: world.folder };
    const [plain, json] = await Promise.all([
      runCli(['upload', ...args], bare),
      runCli(['upload', '--json', ...args], bare),
    ]);
    const { code, stdout, stderr } = plain;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(ONE_LINE);
    expect(stderr.trim()).toMatch(message);
    expect(json).toMatchObject({ code: 2, stderr });
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, code: expected, message: stderr.slice(11, -1) });
  });
});

describe('an upload that fails', () => {
  const big = 3 * MIB;
  let file: string;
  beforeAll(async () => {
    file = await world.file('fails.bin', big);
    await upload([file, 'demo/taken.bin']);
    execFileSync('sh', ['-c', 'mkfifo pipe'], { cwd: world.folder });
    await chmod(await world.file('locked.bin', 1), 0);
  });
  /** Root may read everything. */
  const unreadable =
    process.getuid?.() === 0
      ? []
      : ([['an unreadable file', ['files/locked.bin', 'demo/x'], 'source-unreadable', /permissions/]] as const);

  test.each<readonly [name: string, args: readonly string[], code: string, message: RegExp]>([
    ['a missing file', ['nowhere.bin', 'demo/x'], 'source-unreadable', /there is no file .*nowhere\.bin: check/],
    ['a folder', ['.', 'demo/x'], 'source-unreadable', /is a directory: give one file/],
    ['a pipe', ['pipe', 'demo/x'], 'source-unreadable', /pipe is not a regular file/],
    ...unreadable,
    ['a wrong key', ['files/fails.bin', 'demo/x', '--secret-key', 'wrong'], 'unauthorized', /check .* secret key/],
    ['a wrong secret id', ['files/fails.bin', 'demo/x', '--secret-id', 'NOBODY'], 'unauthorized', /secret id/],
    ['a wrong application', ['files/fails.bin', 'demo/x', '--app-id', '1'], 'unauthorized', /application id/],
    ['an unknown bucket', ['files/fails.bin', 'nobucket/x'], 'bucket-not-found', /the bucket does not exist: check/],
    [
      'nobody there',
      ['files/fails.bin', 'demo/x', '--endpoint', 'http://127.0.0.1:9/v2'],
      'network',
      /nothing listens at 127\.0\.0\.1:9/,
    ],
    [
      'no such host',
      ['files/fails.bin', 'demo/x', '--endpoint', 'http://nohost.invalid/'],
      'network',
      /nohost\.invalid/,
    ],
    ['another prefix', ['files/fails.bin', 'demo/x', '--endpoint', 'ORIGIN/v9'], 'bad-request', /refused/],
    ['an object that is there', ['files/fails.bin', 'demo/taken.bin'], 'exists', /replace it with --overwrite/],
    ['an object where a folder has to be', ['files/fails.bin', 'demo/taken.bin/x'], 'exists', /collide/],
  ])('%s: one line and exit code 1', async (_name, args, expected, message) => {
    const given = args.map((arg) => arg.replace('ORIGIN', world.origin));
    const [plain, json] = await Promise.all([
      upload([...given, '--quiet']),
      upload([...given, '--quiet', '--json'], { XDG_STATE_HOME: join(world.folder, 'state 2') }),
    ]);
    const { code, stdout, stderr } = plain;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(ONE_LINE);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain(KEY);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, code: expected, path: given[1] });
  });

  test('tells programs what the server said', async () => {
    const { stdout } = await upload([file, 'demo/taken.bin', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ wireCode: -177, httpStatus: 409, requestId: expect.any(String) });
  });

  test('shows stacks only to those who debug', async () => {
    const { stderr } = await upload(['nowhere.bin', 'demo/x'], { DEBUG: 'cos-slice' });
    expect(stderr.split('\n').length).toBeGreaterThan(3);
    expect(stderr).toContain('ENOENT');
  });

  test('does not pass escape codes of names on to the terminal', async () => {
    const { stderr } = await upload(['no\u001b[31m\nwhere\u009b2J.bin', 'demo/x']);
    expect(stderr).toMatch(ONE_LINE);
    for (const char of ['\u001b', '\u009b']) expect(stderr).not.toContain(char);
  });

  test('leaves nothing behind that is in the way of the next one', async () => {
    expect(await upload([file, 'demo/after.bin', '--secret-key', 'wrong'])).toMatchObject({ code: 1 });
    expect(await upload([file, 'demo/after.bin/x', '--endpoint', `${world.origin}/v9`])).toMatchObject({ code: 1 });
    expect(await upload([file, 'demo/after.bin'])).toMatchObject({ code: 0 });
  });

  test('replaces an object only with --overwrite', async () => {
    const other = await world.file('other.bin', 100);
    expect(await upload([other, 'demo/taken.bin'])).toMatchObject({ code: 1 });
    expect(await world.stored('demo/taken.bin')).toBe(await digestOf(file));
    expect(await upload([other, 'demo/taken.bin', '--overwrite'])).toMatchObject({ code: 0 });
    expect(await world.stored('demo/taken.bin')).toBe(await digestOf(other));
  });
});

describe('an interrupted upload', () => {
  const slow = async (name: string, more: readonly string[] = [], env: NodeJS.ProcessEnv = world.env) => {
    const file = await world.file(name, 20 * MIB);
    world.delayMs = 100;
    const args = ['upload', file, `demo/${name}`, '--concurrency', '2', ...more];
    const running = startCli(args, { env });
    while (world.requests.filter(({ op, code }) => op === 'upload_slice_data' && code === 0).length < 4) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return { file, args, running };
  };

  test.each(['SIGINT', 'SIGTERM'] as const)('%s: exit code 130, says what to run, resumes', async (signal) => {
    const { file, running, args } = await slow(`${signal} 1.bin`);
    running.child.kill(signal);
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toMatch(ONE_LINE);
    const command = `upload '${file}' 'demo/${signal} 1.bin' --concurrency 2`;
    expect(stderr).toMatch(/interrupted at \d+%; to resume, run: /);
    expect(stderr.trim().endsWith(command)).toBe(true);

    world.delayMs = 0;
    const again = await runCli([...args, '--json'], { env: world.env });
    const { resumedBytes, sentBytes } = JSON.parse(again.stdout);
    expect(resumedBytes).toBeGreaterThanOrEqual(4 * MIB);
    expect(resumedBytes + sentBytes).toBe(20 * MIB);
    expect(await world.stored(`demo/${signal} 1.bin`)).toBe(await digestOf(file));
  });

  test('with the key on the command line: it is not repeated', async () => {
    const flags = ['--secret-key', KEY, '--json'];
    const { running } = await slow('key.bin', flags);
    running.child.kill('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: 'interrupted', path: 'demo/key.bin' });
    expect(stdout + stderr).not.toContain(KEY);
  });

  test('twice: ends at once', async () => {
    const file = await world.file('twice.bin', 20 * MIB);
    world.delayMs = Number.POSITIVE_INFINITY;
    const before = world.arrivals;
    const { child, ended } = startCli(['upload', file, 'demo/twice.bin'], { env: world.env });
    while (world.arrivals === before) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGINT');
    child.kill('SIGINT');
    const { code, signal } = await ended;
    // What hangs is ended by the signal itself, which is 130 to a shell.
    expect(signal ?? code).toBe(signal ? 'SIGINT' : 130);
  });

  test.skipIf(process.platform === 'win32')(
    'twice, while files do not answer: ends at once, with its JSON',
    async () => {
      const file = await world.file('hangs.bin', 3 * MIB);
      const pipe = join(dirname(file), 'nobody-writes');
      execFileSync('mkfifo', [pipe]);
      // What a mount whose server is gone does to every thread that works on files.
      const hang = `import { open } from 'node:fs';
      process.on('SIGUSR2', () => { for (let i = 0; i < 4; i += 1) open(${JSON.stringify(pipe)}, () => {}); });`;
      const env = { ...world.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hang)}` };
      world.delayMs = Number.POSITIVE_INFINITY;
      const before = world.arrivals;
      const { child, ended } = startCli(['upload', file, 'demo/hangs.bin', '--json'], { env });
      while (world.arrivals === before) await new Promise((resolve) => setTimeout(resolve, 10));
      for (const signal of ['SIGUSR2', 'SIGINT'] as const) {
        child.kill(signal);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      const askedAtMs = performance.now();
      child.kill('SIGINT');
      const { stdout, stderr } = await ended;
      expect(performance.now() - askedAtMs).toBeLessThan(5000);
      expect(stderr).toMatch(/^cos-slice: interrupted at 0%; /);
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: 'interrupted', path: 'demo/hangs.bin' });
    },
  );

  test('whose state folder cannot be written: does not promise that it resumes', async () => {
    const env = { ...world.env, XDG_STATE_HOME: '/dev/null/state' };
    const { args, running, file } = await slow('homeless.bin', ['--quiet'], env);
    running.child.kill('SIGINT');
    const { stderr } = await running.ended;
    expect(stderr).toMatch(/XDG_STATE_HOME\), to start over, run: cos-slice upload --on-conflict restart /);
    world.delayMs = 0;
    expect(await runCli([...args, '--on-conflict', 'restart'], { env: world.env })).toMatchObject({ code: 0 });
    expect(await world.stored('demo/homeless.bin')).toBe(await digestOf(file));
  });

  test('with --no-resume: says so, and --on-conflict restart starts over', async () => {
    const { args, running, file } = await slow('forget.bin', ['--no-resume', '--quiet']);
    running.child.kill('SIGINT');
    const { stderr } = await running.ended;
    expect(stderr).toMatch(
      /interrupted at [1-9]\d*%; to start over, run: .*cos-slice(\.js)? upload --on-conflict restart /,
    );
    world.delayMs = 0;
    expect(await runCli([...args, '--on-conflict', 'restart'], { env: world.env })).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await world.stored('demo/forget.bin')).toBe(await digestOf(file));
  });

  test('of another file is in the way until it is discarded, and that is said', async () => {
    const { running } = await slow('fought.bin');
    running.child.kill('SIGINT');
    await running.ended;
    world.delayMs = 0;
    const other = await world.file('fighter.bin', 19 * MIB);
    const refused = await upload([other, 'demo/fought.bin', '--no-resume']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/of other content as far as is known, is at this path: .*--on-conflict restart/);
    expect(await upload([other, 'demo/fought.bin', '--on-conflict', 'restart'])).toMatchObject({ code: 0 });
    expect(await world.stored('demo/fought.bin')).toBe(await digestOf(other));
  });
});

test('progress without a terminal is a plain line every few seconds, on stderr, or nothing with --quiet', async () => {
  const file = await world.file('slow 文件.bin', 10 * MIB);
  world.delayMs = 400;
  const startedAtMs = performance.now();
  const [shown, quiet] = await Promise.all([
    upload([file, 'demo/slow/', '--concurrency', '1', '--json']),
    upload([file, 'demo/quiet/', '--concurrency', '1', '--quiet']),
  ]);
  expect(quiet).toMatchObject({ code: 0, stderr: '' });
  expect(shown.code).toBe(0);
  expect(JSON.parse(shown.stdout).ok).toBe(true);
  expect(shown.stderr).toMatch(/ {2}slices \d+\/10, [01] in flight\n/);
  expect(shown.stderr).not.toContain('\u001b');
  const lines = shown.stderr.trim().split('\n');
  expect(lines.length).toBeLessThanOrEqual((performance.now() - startedAtMs) / 3000);
  for (const line of lines) expect(line).toMatch(/^slow 文件\.bin {2}\w+ \d+% {2}.*\b10\.0 MiB/);
});

describe('--sign-url', () => {
  test('asks a service for signatures, with the credentials that are in its URL', async () => {
    const asked: { path: string; authorization: string | undefined }[] = [];
    const service = createServer(async (req, res) => {
      let body = '';
      for await (const chunk of req) body += chunk;
      const claim = JSON.parse(body);
      const { authorization } = req.headers;
      asked.push({ path: claim.path, authorization });
      if (authorization === undefined) return res.writeHead(403).end();
      const signer = createSigner({ ...ACCOUNT, bucket: claim.bucket });
      res.end(JSON.stringify({ signature: await signer.sign(claim, new AbortController().signal) }));
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(service.address() as AddressInfo).port}/sign`;
    const file = await world.file('signed.bin', 3 * MIB);
    const env = { COS_SECRET_ID: '', COS_SECRET_KEY: '', COS_SIGN_URL: `http://me:pass%20word@${address}` };
    expect(await upload([file, 'demo/signed.bin'], env)).toMatchObject({ code: 0, stderr: '' });
    const authorization = `Basic ${Buffer.from('me:pass word').toString('base64')}`;
    expect(asked).toEqual([{ path: 'signed.bin', authorization }]);

    // The flag goes before the key in the environment.
    const refused = await upload([file, 'demo/unsigned.bin', '--sign-url', `http://${address}`, '--json']);
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({ ok: false, code: 'signing-failed', httpStatus: 403 });
    service.close();
  });
});
