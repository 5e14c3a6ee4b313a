import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLI, hasTerminal, runCli, runShell, startCli, startOnTerminal } from '../testing/cli.ts';
import { createSlowLink, type SlowLink } from '../testing/slow-link.ts';
import { createWorld, digestOf, type World } from '../testing/world.ts';

const MIB = 1024 * 1024;

let world: World;
let link: SlowLink;
beforeAll(async () => {
  world = await createWorld();
  link = await createSlowLink(world.origin, 6 * MIB);
});
afterAll(async () => {
  link.close();
  await world.close();
});

const cos = (command: string, ...args: string[]) =>
  runCli([command, ...(command === 'ls' ? [] : ['--quiet']), ...args], {
    env: world.env,
    cwd: join(world.folder, 'files'),
  });
const linesOf = (stdout: string): string[] => stdout.trimEnd().split('\n');
const objectsOf = (stdout: string) => linesOf(stdout).map((line) => JSON.parse(line));
const listOf = async (path: string): Promise<string[]> => linesOf((await cos('ls', '-r', path)).stdout);

/** A directory with three files and an empty directory. */
async function plant(name: string): Promise<string> {
  await world.file(`${name}/a 文.bin`, 2 * MIB + 1);
  await world.file(`${name}/deep/b.txt`, 10);
  await world.file(`${name}/deep/c.tmp`, 20);
  await mkdir(join(world.folder, 'files', name, 'empty'));
  return join(world.folder, 'files', name);
}
const ALL = ['a 文.bin', 'deep/', 'deep/b.txt', 'deep/c.tmp', 'empty/'];

describe('put of files', () => {
  test('one goes as with upload', async () => {
    const file = await world.file('one.bin', 3 * MIB);
    const { code, stdout } = await cos('put', file, 'demo/one/', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, path: 'demo/one/one.bin', sentBytes: 3 * MIB });
    expect(await cos('put', file, 'demo')).toMatchObject({ code: 0 });
    expect(await cos('put', 'one.bin', 'demo/one/other.bin')).toMatchObject({ code: 0 });
    for (const path of ['one/one.bin', 'one/other.bin', 'one.bin']) {
      expect(await world.stored(`demo/${path}`)).toBe(await digestOf(file));
    }
  });

  test('several go into a directory, and are told one by one and together', async () => {
    const files = [await world.file('x.bin', 2 * MIB), await world.file('y 文.bin', 5), await world.file('z.bin', 0)];
    const { code, stdout, stderr } = await cos('put', ...files, 'demo/many/');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^demo\/many\/: 3 files, 2\.0 MiB in [\d.]+s, [\d.]+ [KM]iB\/s\n$/);
    for (const file of files) {
      expect(await world.stored(`demo/many/${file.split('/').pop()}`)).toBe(await digestOf(file));
    }
    const skipped = objectsOf((await cos('put', ...files, 'demo/many/', '--skip-existing', '--json')).stdout);
    expect(skipped.map(({ event }) => event)).toEqual(['skipped', 'skipped', 'skipped', 'end']);
    expect(skipped.at(-1)).toMatchObject({ ok: true, path: 'demo/many/', files: 0, skipped: 3, failed: 0 });
    const renamed = await cos('put', ...files, 'demo/many/', '--rename', '--verbose');
    expect(linesOf(renamed.stdout)).toContain(`${files[1]} -> demo/many/y 文 (1).bin`);
  });

  test('that are there already fail, by their name, and -k goes on with the others', async () => {
    await world.put('demo/taken/a', 'old');
    await world.file('taken/a', 10);
    await world.file('taken/b', 10);
    const args = ['taken/a', 'taken/b', 'demo/taken/'];
    const stopped = await cos('put', ...args);
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toMatch(
      /^cos-slice: taken\/a: there is an object at this path already: [^\n]*--rename[^\n]*\n$/,
    );
    expect(stopped.stdout).toContain('(-k goes on with the others)');
    const { code, stdout } = await cos('put', '-k', '--json', ...args, '--overwrite');
    expect(code).toBe(0);
    expect(objectsOf(stdout).at(-1)).toMatchObject({ ok: true, files: 2 });
    const again = await cos('put', '-k', '--json', ...args);
    expect(again.code).toBe(1);
    expect(objectsOf(again.stdout)).toEqual([
      expect.objectContaining({ ok: false, code: 'exists', file: expect.stringMatching(/^taken\/[ab]$/) }),
      expect.objectContaining({ ok: false, code: 'exists', path: expect.stringMatching(/^demo\/taken\/[ab]$/) }),
      expect.objectContaining({ ok: false, event: 'end', failed: 2 }),
    ]);
  });

  test.each([
    [['x', 'y', 'demo/file'], 2, /several files go into a directory: end demo\/file with a slash/],
    [['same/x', 'x', 'demo/'], 2, /same\/x and x would both be demo\/x/],
    [['x', 'nothing', 'demo/'], 1, /nothing cannot be read \(ENOENT\): check its path and permissions/],
    [['x', '-', 'demo/'], 2, /- goes alone/],
    [['x', '/dev/null', 'demo/'], 1, /\/dev\/null is not a regular file/],
    [
      ['x', 'demo/', '--exclude', '*.tmp', '--delete'],
      2,
      /--exclude or --delete are for directories, and there is none/,
    ],
    [['x', 'y', 'demo/', '--rename', '--overwrite'], 2, /give only one of --overwrite or --rename/],
    [['tree', 'demo/', '--rename'], 2, /--rename is for files/],
    [['tree', 'demo/', '--attributes', 'x'], 2, /--attributes is for files/],
    [['tree', 'demo/', '--compare', 'size', '--skip-existing'], 2, /exclude each other/],
    [['tree', 'demo/', '--compare', 'name'], 2, /--compare must be time, size, content or none/],
    [['x'], 2, /missing required argument/],
  ])('%j sends nothing', async (args, code, message) => {
    for (const name of ['x', 'y', 'same/x', 'tree/file']) await world.file(name, 10);
    world.requests.length = 0;
    const ended = await cos('put', ...args);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toMatch(/^cos-slice: [^\n]+\n$/);
    expect(ended.stderr).toMatch(message);
    expect(world.requests).toEqual([]);
  });
});

test('--bandwidth holds for all that is under way, in both directions', async () => {
  for (const name of ['paced/a', 'paced/b', 'paced/c']) await world.file(name, MIB);
  const up = objectsOf((await cos('put', 'paced', 'demo/paced', '--bandwidth', '1m', '--json')).stdout).at(-1);
  // The first of it goes at once.
  expect(up).toMatchObject({ ok: true, files: 3 });
  expect(up.durationMs).toBeGreaterThan(1500);
  const one = await cos('put', 'paced/a', 'demo/paced.bin', '--bandwidth', '512k', '--json', '--slice-size', '256k');
  expect(JSON.parse(one.stdout)).toMatchObject({ ok: true, sentBytes: MIB });
  const down = objectsOf((await cos('get', 'demo/paced', 'back', '--bandwidth', '1m', '--json')).stdout).at(-1);
  expect(down).toMatchObject({ ok: true, files: 3 });
  expect(down.durationMs).toBeGreaterThan(1500);
});

test('put of standard input brings what comes, however long it is', async () => {
  const cwd = join(world.folder, 'files');
  const file = await world.file('piped.bin', 5 * MIB + 3);
  const env = { ...world.env, NODE: process.execPath, CLI };
  const { code, stdout } = await runShell('"$NODE" "$CLI" put - demo/piped.bin --json --quiet < piped.bin', {
    env,
    cwd,
  });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, path: 'demo/piped.bin', sizeBytes: 5 * MIB + 3 });
  expect(await world.stored('demo/piped.bin')).toBe(await digestOf(file));
});

describe('put of a directory', () => {
  test('brings all that is in it, and sends nothing again', async () => {
    const tree = await plant('photos');
    const { code, stdout, stderr } = await cos('put', 'photos', 'demo/backup/');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^demo\/backup\/: 3 files, 2\.0 MiB in /);
    expect(await listOf('demo/backup/photos')).toEqual(ALL);
    expect(await world.stored('demo/backup/photos/a 文.bin')).toBe(await digestOf(join(tree, 'a 文.bin')));
    const again = await cos('put', 'photos/', 'demo/backup/');
    expect(again).toMatchObject({ code: 0, stdout: 'demo/backup/: nothing to transfer; 3 there already\n' });
    await cos('put', 'photos', 'demo/under/another/name');
    expect(await listOf('demo/under/another/name')).toEqual(ALL);
  });

  test('takes and leaves what patterns say, and only says what it would do', async () => {
    await plant('patterns');
    const dry = await cos('put', 'patterns', 'demo/p', '--exclude', '*.tmp', '-n');
    expect(dry.code).toBe(0);
    expect(linesOf(dry.stdout).sort()).toEqual([
      'create demo/p/',
      'create demo/p/deep/',
      'create demo/p/empty/',
      'demo/p: 2 files, 2.0 MiB would be transferred',
      'patterns/a 文.bin -> demo/p/a 文.bin',
      'patterns/deep/b.txt -> demo/p/deep/b.txt',
    ]);
    expect(world.has('demo/p')).toBe(false);
    await cos('put', 'patterns', 'demo/p', '--exclude', '*.tmp', '--exclude', 'empty/');
    expect(await listOf('demo/p')).toEqual(['a 文.bin', 'deep/', 'deep/b.txt']);
    await cos('put', 'patterns', 'demo/q', '--include', '*.txt');
    expect((await listOf('demo/q')).filter((name) => !name.endsWith('/'))).toEqual(['deep/b.txt']);
  });

  test('replaces what has changed, and deletes with --delete', async () => {
    const tree = await plant('changing');
    await cos('put', 'changing', 'demo/c');
    await writeFile(join(tree, 'deep/b.txt'), 'something else');
    const later = new Date(Date.now() + 10_000);
    await utimes(join(tree, 'deep/b.txt'), later, later);
    await rm(join(tree, 'a 文.bin'));
    const events = objectsOf((await cos('put', 'changing', 'demo/c', '--delete', '--json')).stdout);
    expect(events.map(({ event, path }) => [event, path]).sort()).toEqual([
      ['deleted', 'demo/c/a 文.bin'],
      ['end', 'demo/c'],
      ['skipped', 'demo/c/deep/c.tmp'],
      ['transferred', 'demo/c/deep/b.txt'],
    ]);
    expect(events.at(-1)).toMatchObject({ ok: true, files: 1, bytes: 14, skipped: 1, deleted: 1, failed: 0 });
    expect(await listOf('demo/c')).toEqual(ALL.filter((name) => !name.startsWith('a')));
    expect(
      objectsOf((await cos('put', 'changing', 'demo/c', '--compare', 'none', '--json')).stdout).at(-1),
    ).toMatchObject({
      files: 2,
      skipped: 0,
    });
  });

  test.skipIf(process.platform === 'win32')('tells what it leaves out, which is a failure with --strict', async () => {
    const tree = await plant('odd');
    await symlink('/etc/hosts', join(tree, 'link'));
    execFileSync('mkfifo', [join(tree, 'pipe')]);
    const { code, stdout, stderr } = await cos('put', 'odd', 'demo/odd');
    expect(code).toBe(0);
    expect(linesOf(stderr).sort()).toEqual([
      'cos-slice: left out: odd/link is a symbolic link: --follow-symlinks would follow it',
      'cos-slice: left out: odd/pipe is no file: a socket, a pipe or a device',
    ]);
    expect(stdout).toMatch(/; 2 left out\n$/);
    expect(await listOf('demo/odd')).toEqual(ALL);
    const strict = await cos('put', 'odd', 'demo/odd', '--strict', '-k', '--json');
    expect(strict.code).toBe(1);
    expect(objectsOf(strict.stdout).at(-1)).toMatchObject({ ok: false, failed: 2, skipped: 3 });
  });

  test('to a path that cannot be fails, and is told once', async () => {
    await plant('nowhere');
    const { code, stderr } = await cos('put', 'nowhere', 'demo/a?b/');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^cos-slice: [^\n]*the target must not contain [^\n]*\n$/);
  });

  test('ends with what fails for all of it, once', async () => {
    await plant('refused');
    const env = { ...world.env, COS_SECRET_KEY: 'another' };
    const args = ['put', join(world.folder, 'files/refused'), 'demo/r', '--quiet'];
    const { code, stdout, stderr } = await runCli(args, { env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.any(String) });
    expect(stderr.match(/the signature is refused/g)).toHaveLength(1);
    expect(linesOf(stderr)).toHaveLength(1);
  });

  const unwritable = { XDG_STATE_HOME: '/dev/null/state' };
  const told = /; nothing is remembered \(.*XDG_STATE_HOME\), to go on, run: .* put --on-conflict restart /;
  test.each<[how: string, flags: string[], more: NodeJS.ProcessEnv, operands: string[], said: RegExp]>([
    [
      'with --no-resume',
      ['--no-resume'],
      {},
      ['forgotten'],
      /d; to go on, run: .* put --on-conflict restart --no-resume /,
    ],
    ['and nothing can be remembered', [], unwritable, ['unwritten'], told],
    ['of files, and nothing can be remembered', [], unwritable, ['files/0.bin', 'files/1.bin', 'files/2.bin'], told],
  ])('interrupted %s: says to go on over what it has left behind', async (how, flags, more, operands, said) => {
    for (let index = 0; index < 4; index += 1) await world.file(`${operands[0]?.split('/')[0]}/${index}.bin`, 3 * MIB);
    const env = { ...world.env, ...more, COS_SLICE_ENDPOINT: link.endpoint };
    const cwd = join(world.folder, 'files');
    world.requests.length = 0;
    const args = [...flags, ...operands, `demo/${how.length}/`, '--quiet', '--concurrency', '2'];
    const { child, ended } = startCli(['put', ...args], { env, cwd });
    while (!world.requests.some(({ op, code }) => op === 'upload_slice_data' && code === 0)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    child.kill('SIGINT');
    expect((await ended).stderr).toMatch(said);
    const again = await runCli(['put', '--on-conflict', 'restart', ...args], { env, cwd });
    expect(again).toMatchObject({ code: 0 });
  });

  test.each(['SIGINT', 'SIGKILL'] as const)('%s: another run sends what is missing', async (signal) => {
    const name = `cut-${signal}`;
    for (let index = 0; index < 8; index += 1) await world.file(`${name}/${index}.bin`, 3 * MIB);
    const env = { ...world.env, COS_SLICE_ENDPOINT: link.endpoint };
    const cwd = join(world.folder, 'files');
    world.requests.length = 0;
    const { child, ended } = startCli(['put', name, 'demo/cut/', '--concurrency', '2', '--quiet'], { env, cwd });
    while (world.requests.filter(({ op, code }) => op === 'upload_slice_finish' && code === 0).length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    child.kill(signal);
    const { code, stderr } = await ended;
    if (signal === 'SIGINT') {
      expect(code).toBe(130);
      expect(stderr).toMatch(
        /^cos-slice: interrupted, \d+ files? transferred; to go on, run: .* put cut-SIGINT demo\/cut\/ --concurrency 2 --quiet\n$/,
      );
    }
    // What is remembered is of this endpoint.
    const again = objectsOf((await runCli(['put', name, 'demo/cut/', '--json', '--quiet'], { env, cwd })).stdout);
    expect(again.filter(({ ok }) => !ok)).toEqual([]);
    const end = again.at(-1);
    expect(end).toMatchObject({ ok: true, failed: 0 });
    expect(end.files + end.skipped).toBe(8);
    expect(end.skipped).toBeGreaterThanOrEqual(2);
    for (let index = 0; index < 8; index += 1) {
      expect(await world.stored(`demo/cut/${name}/${index}.bin`)).toBe(await digestOf(join(cwd, name, `${index}.bin`)));
    }
  });
});

describe('get of a directory', () => {
  test('brings all that is in it, under its own name or another one, and nothing again', async () => {
    await plant('remote');
    await cos('put', 'remote', 'demo/g/');
    const { code, stdout } = await cos('get', 'demo/g/remote', 'local/');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^local\/remote: 3 files, 2\.0 MiB in /);
    const files = join(world.folder, 'files');
    for (const name of ALL.filter((one) => !one.endsWith('/'))) {
      expect(await digestOf(join(files, 'local/remote', name))).toBe(await digestOf(join(files, 'remote', name)));
    }
    expect((await cos('get', 'demo/g/remote/', 'local/')).stdout).toBe(
      'local/remote: nothing to transfer; 3 there already\n',
    );
    await writeFile(join(files, 'local/remote/extra'), '');
    await rm(join(files, 'local/remote/deep/b.txt'));
    const dry = await cos('get', 'demo/g/remote', 'local/remote', '--delete', '-n');
    expect(linesOf(dry.stdout).sort()).toEqual([
      'delete local/remote/extra',
      'demo/g/remote/deep/b.txt -> local/remote/deep/b.txt',
      'local/remote: 1 file, 10 B would be transferred; 2 there already; 1 would be deleted',
    ]);
    const done = objectsOf((await cos('get', 'demo/g/remote', 'local/remote', '--delete', '--json')).stdout);
    expect(done.at(-1)).toMatchObject({ ok: true, path: 'local/remote', files: 1, skipped: 2, deleted: 1 });
    expect(await readFile(join(files, 'local/remote/deep/b.txt'))).toHaveLength(10);
  });

  test.each([
    [['demo/nothing/', 'there'], 1, /nothing is at "nothing\/"/],
    [['demo/dir', '-'], 1, /demo\/dir\/ is a directory: it cannot go to standard output/],
    [['demo/dir/in', '--delete'], 2, /--delete is for directories/],
    [['demo/dir/in', '--dry-run'], 2, /--dry-run is for directories/],
    [['demo/dir', '--overwrite', '--skip-existing'], 2, /give only one of --overwrite or --skip-existing/],
  ])('%j fails in one line', async (args, code, message) => {
    await world.put('demo/dir/in');
    const ended = await cos('get', ...args);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toMatch(/^cos-slice: [^\n]+\n$/);
    expect(ended.stderr).toMatch(message);
  });
});

if (hasTerminal) {
  test('on a terminal one bar shows all, with a line for each file under way', async () => {
    for (let index = 0; index < 4; index += 1) await world.file(`shown/film-${index}.mp4`, 6 * MIB);
    const env = { TERM: 'xterm', ...world.env, COS_SLICE_ENDPOINT: link.endpoint };
    const command = `stty cols 100 rows 30; exec '${process.execPath}' '${CLI}' put shown demo/shown`;
    const { code, stdout } = await startOnTerminal(command, { env, cwd: join(world.folder, 'files') }).ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/put {2}.{1,60}\d+% {2}\d\/4 files {2}[\d.]+\/24\.0 MiB {2}[\d.]+ MiB\/s {2}[\d.]+s left/);
    expect(stdout).toMatch(/\n {2}film-\d\.mp4 {2}.{1,60}\d+% {2}[\d.]+\/6\.0 MiB/);
    const [, after = ''] = stdout.split('\u001b[?25h');
    expect(after).toMatch(/^demo\/shown: 4 files, 24\.0 MiB in [\d.]+s, [\d.]+ MiB\/s\r\n$/);
  });
}
