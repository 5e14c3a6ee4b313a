import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli, startCli } from '../testing/cli.ts';
import { createWorld, type World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
  await world.put('demo/films/b.mp4', 'b'.repeat(1536));
  await world.put('demo/films/a 文.mp4');
  await world.put('demo/films/2024/deep/c.mp4');
  await world.put('demo/films/2025/');
  await world.put('demo/notes.txt');
});
afterAll(() => world.close());

const cos = (...args: string[]) => runCli(args, { env: { ...world.env, TZ: 'UTC' } });
const linesOf = async (...args: string[]): Promise<string[]> => {
  const { code, stdout, stderr } = await cos('ls', ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout === '' ? [] : stdout.trimEnd().split('\n');
};

describe('ls', () => {
  test('of a bucket, a directory and a file, with and without slashes', async () => {
    for (const bucket of ['demo', 'demo/']) expect(await linesOf(bucket)).toEqual(['films/', 'notes.txt']);
    const films = ['2024/', '2025/', 'a 文.mp4', 'b.mp4'];
    for (const path of ['demo/films', 'demo/films/']) expect(await linesOf(path)).toEqual(films);
    expect(await linesOf('demo/films/b.mp4')).toEqual(['b.mp4']);
    expect(await linesOf('demo/films/2025')).toEqual([]);
  });

  test('of what begins like something', async () => {
    expect(await linesOf('demo/films/202*')).toEqual(['2024/', '2025/']);
    expect(await linesOf('demo/n*')).toEqual(['notes.txt']);
    expect(await linesOf('demo/films/x*')).toEqual([]);
  });

  test('with all below, of one kind, and backwards', async () => {
    const all = ['2024/', '2024/deep/', '2024/deep/c.mp4', '2025/', 'a 文.mp4', 'b.mp4'];
    expect(await linesOf('-r', 'demo/films')).toEqual(all);
    expect(await linesOf('-r', '--only', 'files', 'demo/films')).toEqual(all.filter((name) => !name.endsWith('/')));
    expect(await linesOf('--only', 'directories', 'demo/films')).toEqual(['2024/', '2025/']);
    expect(await linesOf('--reverse', 'demo/films')).toEqual(['b.mp4', 'a 文.mp4', '2025/', '2024/']);
  });

  test('tells sizes and times', async () => {
    const [directory, , , file] = await linesOf('-l', 'demo/films');
    expect(directory).toMatch(/^ {8}- {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}2024\/$/);
    expect(file).toMatch(/^ {2}1\.5 KiB {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}b\.mp4$/);
    expect((await linesOf('-l', '--bytes', 'demo/films')).at(-1)).toMatch(/^ {10}1536 {2}\d{4}-.* b\.mp4$/);
  });

  test('is JSON, an object a line', async () => {
    const [first, ...rest] = (await linesOf('--json', '-r', 'demo/films/')).map((line) => JSON.parse(line));
    expect(first).toMatchObject({ ok: true, path: 'demo/films/2024/', kind: 'directory' });
    expect(rest).toHaveLength(5);
    expect(rest.at(-1)).toMatchObject({
      ok: true,
      path: 'demo/films/b.mp4',
      kind: 'file',
      sizeBytes: 1536,
      authority: 'inherit',
      customHeaders: {},
      modifiedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      accessUrl: `${world.endpoint}/10055004/demo/films/b.mp4`,
    });
  });

  test('of more than a page, to a reader who leaves early, ends', async () => {
    await Promise.all(Array.from({ length: 450 }, (_, index) => world.put(`demo/many/${1000 + index}`)));
    expect(await linesOf('demo/many')).toHaveLength(450);
    const { child, ended } = startCli(['ls', '-r', 'demo/many'], { env: world.env });
    child.stdout?.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });

  test.each([
    ['demo/nothing', 1, 'not-found', /^cos-slice: nothing is at "nothing": cos-slice ls shows what there is\n$/],
    ['demo/nothing/', 1, 'not-found', /^cos-slice: nothing is at this path: cos-slice ls shows/],
    ['demo/a?b', 2, 'invalid-options', /^cos-slice: the path must not contain \?/],
    ['demo/a*b', 2, 'invalid-options', /^cos-slice: the path must not contain \?/],
    ['demo/../x', 2, 'invalid-options', /segments \. or \.\./],
    ['nix', 1, 'bucket-not-found', /the bucket does not exist/],
    ['', 2, 'usage', /give BUCKET\/PATH, .*got ''/],
  ])('of %j fails in one line', async (path, code, name, message) => {
    const plain = await cos('ls', path);
    expect(plain).toMatchObject({ code, stdout: '' });
    expect(plain.stderr).toMatch(message);
    const { stdout } = await cos('ls', path, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: name, path });
  });
});

describe('stat', () => {
  test('tells what is known', async () => {
    const { code, stdout, stderr } = await cos('stat', 'demo/films/b.mp4');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [title, ...facts] = stdout.trimEnd().split('\n');
    expect(title).toBe('demo/films/b.mp4');
    expect(facts).toContain('  kind       file');
    expect(facts).toContain('  size       1.5 KiB (1536 B)');
    expect(facts).toContain("  authority  inherit: the bucket's");
    expect(facts).toContain(`  url        ${world.endpoint}/10055004/demo/films/b.mp4`);
  });

  test('of several tells of each, and of those that are not there', async () => {
    const places = ['demo', 'demo/films', 'demo/nothing', 'demo/notes.txt'];
    const plain = await cos('stat', ...places);
    expect(plain.code).toBe(1);
    expect(plain.stdout).toMatch(/^demo\/\n {2}kind {6}bucket\n/);
    expect(plain.stdout).toMatch(/\n\ndemo\/films\/\n {2}kind {6}directory\n/);
    expect(plain.stderr).toMatch(/^cos-slice: demo\/nothing: nothing is at "nothing": [^\n]*\n$/);
    const { code, stdout } = await cos('stat', '--json', ...places);
    expect(code).toBe(1);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ ok, path, kind, code }) => [ok, path, kind ?? code])).toEqual([
      [true, 'demo/', 'directory'],
      [true, 'demo/films/', 'directory'],
      [false, 'demo/nothing', 'not-found'],
      [true, 'demo/notes.txt', 'file'],
    ]);
  });

  test('says no more when the key is wrong, and says it once', async () => {
    const { code, stdout, stderr } = await runCli(['stat', 'demo/a', 'demo/b'], {
      env: { ...world.env, COS_SECRET_KEY: 'another' },
    });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^cos-slice: the signature is refused: [^\n]*\n$/);
  });
});
