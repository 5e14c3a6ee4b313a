import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLI, hasTerminal, runCli, runShell, type Surroundings, startCli, startOnTerminal } from '../testing/cli.ts';
import { createSlowLink, type SlowLink } from '../testing/slow-link.ts';
import { createWorld, type World } from '../testing/world.ts';

const MIB = 1024 * 1024;
const CONTENT = randomBytes(24 * MIB + 11);

let world: World;
let link: SlowLink;
let at = 0;
beforeAll(async () => {
  world = await createWorld();
  link = await createSlowLink(world.origin, 8 * MIB);
  await world.put('demo/films/a 文.bin', CONTENT);
  await world.put('demo/films/small', 'small');
});
afterAll(async () => {
  link.close();
  await world.close();
});

/** A folder of its own for each test. */
const folder = async (): Promise<string> => {
  const path = join(world.folder, `get-${at++}`);
  await mkdir(path);
  return path;
};
const get = (args: readonly string[], surroundings: Surroundings) =>
  runCli(['get', '--quiet', ...args], { env: world.env, ...surroundings });

describe('get', () => {
  test('downloads a file under its own name, another one, and into a directory', async () => {
    const cwd = await folder();
    await mkdir(join(cwd, 'dir'));
    const { code, stdout, stderr } = await get(['demo/films/a 文.bin'], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^a 文\.bin\n24\.0 MiB in [\d.]+m?s, [\d.]+ [KMG]iB\/s\n/);
    expect((await readFile(join(cwd, 'a 文.bin'))).equals(CONTENT)).toBe(true);
    const other = await get(['demo/films/a 文.bin', 'other.bin', '--json'], { cwd });
    expect(JSON.parse(other.stdout)).toMatchObject({
      ok: true,
      path: 'demo/films/a 文.bin',
      file: 'other.bin',
      sizeBytes: CONTENT.length,
      resumedBytes: 0,
    });
    expect(await get(['demo/films/small', 'dir'], { cwd })).toMatchObject({ code: 0 });
    expect(await readFile(join(cwd, 'dir/small'), 'utf8')).toBe('small');
    expect((await readdir(cwd)).sort()).toEqual(['a 文.bin', 'dir', 'other.bin']);
  });

  test('to standard output brings the content and nothing else', async () => {
    const cwd = await folder();
    const { code, stdout } = await get(['demo/films/small', '-'], { cwd });
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'small' });
    expect(await readdir(cwd)).toEqual([]);
    await writeFile(join(cwd, 'expected'), CONTENT);
    const piped = startShell(`"$NODE" "$CLI" get --quiet 'demo/films/a 文.bin' - | cmp - "$FILE" && echo same`, cwd);
    expect(await piped).toMatchObject({ code: 0, stdout: 'same\n' });
    const left = await startShell(`"$NODE" "$CLI" get --quiet 'demo/films/a 文.bin' - | head -c 5 | wc -c`, cwd);
    expect(left).toMatchObject({ code: 0, stderr: '' });
    expect(left.stdout.trim()).toBe('5');
  });

  test('replaces a file only when told to, and leaves it when nothing comes', async () => {
    const cwd = await folder();
    await writeFile(join(cwd, 'small'), 'mine');
    const refused = await get(['demo/films/small'], { cwd });
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(
      /^cos-slice: small is there already: choose another name, or replace it with --overwrite\n$/,
    );
    expect(await get(['demo/nothing', 'small', '--overwrite'], { cwd })).toMatchObject({ code: 1 });
    expect(await readFile(join(cwd, 'small'), 'utf8')).toBe('mine');
    expect(await get(['demo/films/small', '--overwrite'], { cwd })).toMatchObject({ code: 0 });
    expect(await readFile(join(cwd, 'small'), 'utf8')).toBe('small');
  });

  test.each([
    [['demo/nothing'], 1, /nothing is at "nothing"/],
    [['demo/films/small', 'no/folder/small'], 1, /there is no folder for .*: make it first/],
    [['demo/films/small', ''], 2, /FILE must be a file or a directory, got nothing/],
    [['demo/films/small', '-', '--json'], 2, /--json and - exclude each other/],
    [['demo', '-'], 1, /demo\/ is a directory: it cannot go to standard output/],
    [['demo/a?'], 2, /the path must not contain/],
  ])('%j fails in one line', async (args, code, message) => {
    const cwd = await folder();
    const ended = await get(args, { cwd });
    expect(ended.code).toBe(code);
    expect(ended.stderr).toMatch(/^cos-slice: [^\n]+\n$/);
    expect(ended.stderr).toMatch(message);
    expect(await readdir(cwd)).toEqual([]);
  });

  test.skipIf(process.platform !== 'linux')('a full disk is told, and what has come is kept', async () => {
    const cwd = await folder();
    const full = await startShell(`exec "$NODE" "$CLI" get --quiet demo/films/small - > /dev/full`, cwd);
    expect(full).toMatchObject({
      code: 1,
      stderr: 'cos-slice: standard output takes no more: the disk is full (ENOSPC)\n',
    });
    // What a file system without room for more does: `ulimit -f` counts in units of 512 or 1024 bytes.
    const small = await startShell(`ulimit -f 4096; exec "$NODE" "$CLI" get --quiet 'demo/films/a 文.bin' x`, cwd);
    expect(small).toMatchObject({ code: 1, stdout: '' });
    expect(small.stderr).toMatch(
      /^cos-slice: x\.part would become larger than files may be here \(EFBIG\): choose another place\n$/,
    );
    expect(existsSync(join(cwd, 'x'))).toBe(false);
    const resumed = await get(['demo/films/a 文.bin', 'x', '--json'], { cwd });
    expect(JSON.parse(resumed.stdout)).toMatchObject({ ok: true, resumedBytes: expect.any(Number) });
    expect((await readFile(join(cwd, 'x'))).equals(CONTENT)).toBe(true);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('%s: it goes on where it was', async (signal) => {
    const cwd = await folder();
    const env = { ...world.env, COS_SLICE_ENDPOINT: link.endpoint };
    const { child, ended } = startCli(['get', 'demo/films/a 文.bin', 'x', '--quiet'], { env, cwd });
    const before = link.passedBytes();
    while (link.passedBytes() - before < 12 * MIB) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill(signal);
    const { code, stderr } = await ended;
    if (signal !== 'SIGKILL') {
      expect(code).toBe(130);
      expect(stderr).toMatch(
        /^cos-slice: interrupted at [1-9]\d*%; to resume, run: .* get 'demo\/films\/a 文\.bin' x --quiet\n$/,
      );
    }
    // Who is killed leaves its lock, which holds nobody up.
    const lock = signal === 'SIGKILL' ? ['x.part.lock'] : [];
    expect((await readdir(cwd)).sort()).toEqual(['x.part', 'x.part.json', ...lock]);
    const { stdout } = await get(['demo/films/a 文.bin', 'x', '--json'], { cwd });
    expect(JSON.parse(stdout).resumedBytes).toBeGreaterThan(0);
    expect((await readFile(join(cwd, 'x'))).equals(CONTENT)).toBe(true);
    expect(await readdir(cwd)).toEqual(['x']);
  });
});

function startShell(script: string, cwd: string) {
  const env = { ...world.env, NODE: process.execPath, CLI, FILE: join(cwd, 'expected') };
  return runShell(script, { cwd, env });
}

if (hasTerminal) {
  test('on a terminal a bar shows how far it is, and goes when it is done', async () => {
    const cwd = await folder();
    const env = { TERM: 'xterm', ...world.env, COS_SLICE_ENDPOINT: link.endpoint };
    const command = `stty cols 100; exec '${process.execPath}' '${CLI}' get 'demo/films/a 文.bin'`;
    const { code, stdout } = await startOnTerminal(command, { env, cwd }).ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /a 文\.bin {2}.\[32m█+[^\r]*receiving [1-9]\d?% {2}[\d.]+\/24\.0 MiB {2}[\d.]+ MiB\/s {2}[\d.]+s left/,
    );
    const [, after = ''] = stdout.split('\u001b[?25h');
    expect(after).toMatch(/^a 文\.bin\r\n24\.0 MiB in /);
  });
}
