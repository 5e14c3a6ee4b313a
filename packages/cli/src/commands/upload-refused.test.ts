import { execFileSync } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../testing/cli.ts';
import { createWorld, digestOf, KEY, type World } from '../testing/world.ts';

const MIB = 1024 * 1024;
const ONE_LINE = /^cos-slice: [^\n]+\n$/;

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

const upload = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  runCli(['upload', ...args], { env: { ...world.env, ...env }, cwd: world.folder });

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
    ['standard input without a name', ['-', 'demo/dir/', ...settings], /standard input has no name: give BUCKET\/PATH/],
    ['a destination without a path', ['a', 'demo', ...settings], /must be BUCKET\/PATH.*got 'demo'/],
    [
      'an unknown integrity',
      [...good, '--integrity', 'crc'],
      /--integrity must be none, md5, sha1 or crc64, got 'crc'/,
    ],
    [
      'an integrity that the JSON API has not',
      [...good, '--integrity', 'crc64'],
      /--integrity of this server must be none, md5 or sha1, got 'crc64'/,
    ],
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
    ['a misspelt flag with a secret', [...good, '--secretkey=hush'], /unknown option '--secretkey'\..*--help$/],
    [
      'a key with a line break',
      [...good, '--secret-key', 'hush\n'],
      /--secret-key holds a line break: give it without$/,
    ],
    ['an endpoint from a file of Windows', [...good, '--endpoint', 'http://a/\r'], /--endpoint holds a line break/],
    [
      'an application id with a space',
      [...good, '--app-id', '1 '],
      /--app-id begins or ends in white space: cut it off$/,
    ],
    [
      "a file's own name that cannot be used",
      ['a?b.bin', 'demo/', ...settings],
      /the path must not contain \?.*; the file's own name is part of it: give BUCKET\/PATH with another$/,
      'invalid-options',
    ],
    [
      'a proxy that is none',
      [...good, '--proxy', 'me:hush@proxy:3128'],
      /--proxy must be the URL of a proxy, such as http:/,
    ],
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
    expect(stderr).not.toContain('hush');
    expect(json).toMatchObject({ code: 2, stderr });
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, code: expected, message: stderr.slice(11, -1) });
  });
});

test.each([
  ['COS_SLICE_ENDPOINT', 'http://127.0.0.1:9/v2\n', /COS_SLICE_ENDPOINT holds a line break/],
  ['COS_SECRET_KEY', 'hush\r', /COS_SECRET_KEY holds a line break: give it without/],
  ['COS_SECRET_ID', '\tID', /COS_SECRET_ID begins or ends in white space/],
  ['COS_SIGN_URL', 'https://me:hush@host/\n', /COS_SIGN_URL holds a line break/],
])('the variable %s of %j is named, and not what it holds', async (name, value, message) => {
  const { code, stdout, stderr } = await upload(['a', 'demo/b'], { [name]: value });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(ONE_LINE);
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain('hush');
});

describe('a server that answers otherwise', () => {
  const YEAR_MS = 365 * 24 * 3600 * 1000;
  const yearAgo = new Date(Date.now() - YEAR_MS).toUTCString();
  const xml = '<?xml version="1.0"?><Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>';
  const wrong = JSON.stringify({ code: -97, message: 'ERROR_PROXY_AUTH_FAILED' });
  test.each<[name: string, status: number, headers: Record<string, string>, body: string, message: RegExp]>([
    ['a body that is too large', 413, {}, '<html>too large', /HTTP 413: .* lower --slice-size, or raise the limit/],
    [
      'a redirect',
      302,
      { Location: 'https://b/v2/?sign=hush' },
      '',
      /HTTP 302 redirects to https:\/\/b\/v2\/:? .*endpoint/,
    ],
    [
      'the other API',
      404,
      { 'Content-Type': 'application/xml' },
      xml,
      /the bucket does not exist: check .*\(server: NoSuchBucket gone\)/,
    ],
    ['a clock that is a year behind', 401, { Date: yearAgo }, wrong, /the clock of this machine is 365 days ahead/],
  ])('%s: one line that says what to do, after one request or two', async (_name, status, headers, body, message) => {
    let count = 0;
    const server = createServer((req, res) => {
      count += 1;
      req.resume().on('end', () => res.writeHead(status, headers).end(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2`;
    const file = await world.file('otherwise.bin', 3 * MIB);
    const { code, stdout, stderr } = await upload([file, 'demo/x', '--quiet', '--endpoint', endpoint]);
    server.close();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(ONE_LINE);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('hush');
    expect(count).toBeLessThanOrEqual(2);
  });

  test('TLS, to plain HTTP: says that the endpoint has to be https', async () => {
    // The alert that TLS has for what is no handshake.
    const alert = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0a]);
    const server = createTcpServer((socket) => socket.on('error', () => {}).once('data', () => socket.end(alert)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2`;
    const file = await world.file('tls.bin', 10);
    const { code, stderr } = await upload([file, 'demo/x', '--quiet', '--endpoint', endpoint]);
    server.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/speaks TLS: use an endpoint with https:\/\//);
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

  test('leaves an object alone with --skip-existing, and keeps both with --rename', async () => {
    const other = await world.file('another.bin', 100);
    expect(await upload([file, 'demo/kept.bin'])).toMatchObject({ code: 0 });
    const skipped = await upload([other, 'demo/kept.bin', '--skip-existing']);
    expect(skipped).toMatchObject({ code: 0, stdout: expect.stringContaining('skipped') });
    expect(await world.stored('demo/kept.bin')).toBe(await digestOf(file));
    const renamed = await upload([other, 'demo/kept.bin', '--rename']);
    expect(renamed).toMatchObject({ code: 0, stdout: expect.stringContaining('renamed to demo/kept (1).bin') });
    const { stdout } = await upload([other, 'demo/kept.bin', '--rename', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, path: 'demo/kept (2).bin', skipped: false });
    expect(await world.stored('demo/kept (2).bin')).toBe(await digestOf(other));
    expect(await upload([other, 'demo/kept.bin', '--rename', '--overwrite'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('give only one of --overwrite or --rename'),
    });
  });
});
