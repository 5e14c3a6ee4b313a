import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createSigner } from '@cos-slice/node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runCli, withoutProgress } from '../testing/cli.ts';
import { ACCOUNT, createWorld, digestOf, KEY, type World } from '../testing/world.ts';

const MIB = 1024 * 1024;

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
afterEach(() => {
  world.delayMs = 0;
  world.requests.length = 0;
});

const uploadTold = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  runCli(['upload', ...args], { env: { ...world.env, ...env }, cwd: world.folder });
const upload = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  withoutProgress(await uploadTold(args, env));

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
      skipped: false,
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

  test.skipIf(process.platform !== 'linux')('may have a name that is not UTF-8, as a file: URL', async () => {
    const bytes = Buffer.from([0xd6, 0xd0, 0x2e, 0x62]);
    await world.file('beside.bin', 0);
    await writeFile(Buffer.concat([Buffer.from(join(world.folder, 'files/')), bytes]), 'content');
    const url = `${pathToFileURL(join(world.folder, 'files/'))}%D6%D0.b`;
    expect(await upload([url, 'demo/gbk.bin'])).toMatchObject({ code: 0, stderr: '' });
    expect(await (await fetch(`${world.endpoint}/10055004/demo/gbk.bin`)).text()).toBe('content');
    const refused = await upload([url, 'demo/']);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toMatch(/name is not UTF-8: give BUCKET\/PATH/);
    const named = pathToFileURL(await world.file('按 URL.bin', 10)).href;
    expect(await upload([named, 'demo/by-url/'])).toMatchObject({ code: 0, stderr: '' });
    expect(await world.stored('demo/by-url/按 URL.bin')).toBe(await digestOf(join(world.folder, 'files/按 URL.bin')));
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

test('progress without a terminal is a plain line every few seconds, on stderr, or nothing with --quiet', async () => {
  const file = await world.file('slow 文件.bin', 10 * MIB);
  world.delayMs = 400;
  const startedAtMs = performance.now();
  const [shown, quiet] = await Promise.all([
    uploadTold([file, 'demo/slow/', '--concurrency', '1', '--json']),
    uploadTold([file, 'demo/quiet/', '--concurrency', '1', '--quiet']),
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
