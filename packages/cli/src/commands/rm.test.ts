import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLI, type Ended, hasTerminal, runCli, startCli, startOnTerminal } from '../testing/cli.ts';
import { createWorld, type World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

/** Without the lines that tell how far it is, where it takes long. */
const cos = (name: string, ...args: string[]): Promise<Ended> =>
  runCli([name, ...(name === 'rm' ? ['--quiet'] : []), ...args], { env: world.env });
/** A directory with 3 files and 2 directories below it. */
const plant = async (path: string): Promise<void> => {
  for (const name of ['a', 'b/c', 'b/e']) await world.put(`${path}/${name}`);
  await world.put(`${path}/empty/`);
};

describe('rm', () => {
  test('of files and empty directories', async () => {
    for (const path of ['demo/one', 'demo/two 文', 'demo/empty/']) await world.put(path);
    expect(await cos('rm', 'demo/one', 'demo/two 文', 'demo/empty/')).toEqual({
      code: 0,
      stdout: 'demo/one removed\ndemo/two 文 removed\ndemo/empty/ removed\n',
      stderr: '',
    });
    for (const path of ['one', 'two 文', 'empty']) expect(world.has(`demo/${path}`)).toBe(false);
  });

  test('tells what is not there, and removes the rest; -f lets that pass', async () => {
    await world.put('demo/there');
    const { code, stdout, stderr } = await cos('rm', '--json', 'demo/nix', 'demo/there');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^cos-slice: demo\/nix: nothing is at "nix": [^\n]*\n$/);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { ok: false, code: 'not-found', path: 'demo/nix' },
      { ok: true, path: 'demo/there', files: 1, directories: 0 },
    ]);
    expect(world.has('demo/there')).toBe(false);
    expect(await cos('rm', '-f', 'demo/nix')).toMatchObject({ code: 0, stderr: '' });
  });

  test('does not take directories for files', async () => {
    await plant('demo/full');
    const cases: [string[], number, RegExp][] = [
      [['demo/full'], 1, /demo\/full is a directory: end it with a slash when it is empty, or give -r/],
      [['demo/full/'], 1, /the directory is not empty: -r removes it with all that is in it/],
      [['demo/full/a/'], 1, /a file is at "full\/a": leave the slash out/],
      [['demo'], 2, /'demo' is a bucket: give BUCKET\/PATH, or -r for all in it/],
      [['-r', 'demo/full'], 2, /rm -r asks, and there is no terminal to ask on: give -f/],
      [['demo/a<b'], 2, /the path must not contain/],
    ];
    for (const [args, code, message] of cases) {
      const ended = await cos('rm', ...args);
      expect(ended).toMatchObject({ code, stdout: '' });
      expect(ended.stderr).toMatch(message);
    }
    for (const name of ['a', 'b/c', 'b/e', 'empty']) expect(world.has(`demo/full/${name}`)).toBe(true);
  });
});

describe('rm -r', () => {
  test('-f removes all that is in a directory, without asking', async () => {
    await plant('demo/tree');
    await world.put('demo/tree2');
    expect(await cos('rm', '-r', '-f', 'demo/tree')).toEqual({
      code: 0,
      stdout: 'demo/tree: 3 files and 3 directories removed\n',
      stderr: '',
    });
    expect([world.has('demo/tree'), world.has('demo/tree2')]).toEqual([false, true]);
  });

  test('-n says what would go, and leaves it', async () => {
    await plant('demo/dry');
    const { code, stdout } = await cos('rm', '-rn', 'demo/dry/');
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.pop()).toBe('demo/dry/: 3 files and 3 directories would be removed');
    expect(lines.sort()).toEqual(['', 'a', 'b/', 'b/c', 'b/e', 'empty/'].map((name) => `demo/dry/${name}`));
    for (const name of ['a', 'b/c', 'b/e', 'empty']) expect(world.has(`demo/dry/${name}`)).toBe(true);
  });

  test('empties a bucket, many pages of it, and leaves the bucket', async () => {
    await Promise.all(Array.from({ length: 450 }, (_, index) => world.put(`other/d${index % 3}/${index}`)));
    const { stdout } = await cos('rm', '-rf', 'other', '--json');
    expect(JSON.parse(stdout)).toEqual({ ok: true, path: 'other/', files: 450, directories: 3 });
    expect((await cos('ls', 'other')).stdout).toBe('');
  });

  test('interrupted, says how much is gone and how to go on', async () => {
    await Promise.all(Array.from({ length: 60 }, (_, index) => world.put(`demo/long/${index}`)));
    world.delayMs = 50;
    world.requests.length = 0;
    const { child, ended } = startCli(['rm', '-rf', 'demo/long', '--quiet'], { env: world.env });
    while (world.requests.filter(({ op }) => op === 'delete').length < 10) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    world.delayMs = 0;
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toMatch(
      /interrupted, [1-9]\d* files? and 0 directories removed; to go on, run: .* rm -rf demo\/long --quiet\n$/,
    );
    expect(await cos('rm', '-rf', 'demo/long')).toMatchObject({ code: 0 });
    expect(world.has('demo/long')).toBe(false);
  });
});

// Where no terminal is to be had, these tests do not exist.
if (hasTerminal) {
  describe('rm -r on a terminal', () => {
    const start = (path: string) =>
      startOnTerminal(`exec '${process.execPath}' '${CLI}' rm -r '${path}'`, { env: { TERM: 'xterm', ...world.env } });

    test.each([
      ['y\n', true],
      ['yes\n', true],
      ['n\n', false],
      ['\n', false],
      ['\u0004', false],
    ])('asks, and %j is taken as what it is', async (answer, isYes) => {
      await plant('demo/asked');
      const running = start('demo/asked');
      await running.says(/remove demo\/asked\/ with all that is in it \(3 entries, and what is below\)\? \[y\/N\] $/);
      running.child.stdin?.write(answer);
      const { code, stdout } = await running.ended;
      expect(code).toBe(isYes ? 0 : 1);
      expect(stdout).toContain(isYes ? '3 files and 3 directories removed' : 'demo/asked/ is left as it is');
      expect(world.has('demo/asked')).toBe(!isYes);
    });

    test('Ctrl-C instead of an answer removes nothing', async () => {
      await plant('demo/kept');
      const running = start('demo/kept');
      await running.says(/\[y\/N\] $/);
      running.child.stdin?.write('\u0003');
      const { code, stdout } = await running.ended;
      expect(code).toBe(130);
      expect(stdout).toMatch(/cos-slice: interrupted; to go on, run: .* rm -r demo\/kept/);
      expect(world.has('demo/kept/a')).toBe(true);
    });
  });
}
