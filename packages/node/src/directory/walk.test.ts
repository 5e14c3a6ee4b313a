import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createFilter } from './filter.ts';
import { walk } from './walk.ts';

let top: string;
beforeEach(async () => {
  top = await mkdtemp(join(tmpdir(), 'cos-slice-walk-'));
  onTestFinished(() => rm(top, { recursive: true, force: true }));
});

const write = async (path: string): Promise<void> => {
  const file = join(top, path);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, path);
};

/** What a walk yields, in short. */
async function found(followSymlinks = false, filter = createFilter()): Promise<string[]> {
  const entered: string[] = [];
  const enter = (path: string, above: string | undefined) => {
    entered.push(path);
    expect(path === '' ? undefined : path.startsWith(above ?? '?')).not.toBe(false);
    return { here: path, below: path };
  };
  const seen: string[] = [];
  for await (const entry of walk<string, string>(top, { filter, followSymlinks, enter })) {
    if (entry.kind === 'problem') seen.push(`${entry.reason} ${entry.path}`);
    else seen.push(entry.path);
    if (entry.kind === 'file') expect(`${entry.here}${entry.path.split('/').at(-1)}`).toBe(entry.path);
  }
  expect(new Set(entered).size).toBe(entered.length);
  return seen;
}

test('finds files and directories, empty ones too, files of a directory before what is below it', async () => {
  for (const path of ['z.txt', 'a/b/c.txt', 'a/x.txt', '目录/文件.txt']) await write(path);
  await mkdir(join(top, 'empty/inside'), { recursive: true });
  const seen = await found();
  expect([...seen].sort()).toEqual(
    ['z.txt', 'a/', 'a/x.txt', 'a/b/', 'a/b/c.txt', 'empty/', 'empty/inside/', '目录/', '目录/文件.txt'].sort(),
  );
  expect(seen[0]).toBe('z.txt');
  expect(seen.indexOf('a/x.txt')).toBeLessThan(seen.indexOf('a/b/'));
});

test('names of links, loops, sockets, pipes and what is not UTF-8 are told, and end nothing', async () => {
  await write('a/file.txt');
  await symlink('file.txt', join(top, 'a/link.txt'));
  await symlink('..', join(top, 'a/up'));
  await symlink('nowhere', join(top, 'dangling'));
  execFileSync('mkfifo', [join(top, 'pipe')]);
  const server = createServer().listen(join(top, 'socket'));
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  await writeFile(Buffer.concat([Buffer.from(`${top}/`), Buffer.from([0xff, 0x61])]), 'x');
  expect((await found()).sort()).toEqual(
    [
      'a/',
      'a/file.txt',
      'symlink a/link.txt',
      'symlink a/up',
      'symlink dangling',
      'special pipe',
      'special socket',
      'name \uFFFDa',
    ].sort(),
  );
  expect((await found(true)).sort()).toEqual(
    [
      'a/',
      'a/file.txt',
      'a/link.txt',
      'symlink-loop a/up/',
      'vanished dangling',
      'special pipe',
      'special socket',
      'name \uFFFDa',
    ].sort(),
  );
});

test.skipIf(process.getuid?.() === 0)('what may not be read is told', async () => {
  await mkdir(join(top, 'closed'), { mode: 0o000 });
  expect(await found()).toEqual(['unreadable closed/']);
});

test('a directory that is not there is an error', async () => {
  await expect(
    walk(join(top, 'none'), {
      filter: createFilter(),
      followSymlinks: false,
      enter: () => ({ here: 0, below: 0 }),
    }).next(),
  ).rejects.toMatchObject({ code: 'ENOENT' });
});

test('goes on when entries vanish and come while it walks', async () => {
  for (let index = 0; index < 600; index += 1) await writeFile(join(top, `f${index}`), '');
  for (const name of ['one', 'two']) await write(`${name}/inside.txt`);
  const options = { filter: createFilter(), followSymlinks: false, enter: () => ({ here: 0, below: 0 }) };
  const walking = walk(top, options);
  await walking.next();
  for (let index = 300; index < 600; index += 1) await rm(join(top, `f${index}`), { force: true });
  await rm(join(top, 'two'), { recursive: true });
  const seen: string[] = [];
  for await (const entry of walking) seen.push(entry.path);
  expect(seen).toContain('one/inside.txt');
  expect(new Set(seen).size).toBe(seen.length);
});

test('keeps one handle for each level, however many entries there are', async () => {
  for (let index = 0; index < 50; index += 1) await write(`d${index}/e/f.txt`);
  const open = async (): Promise<number> =>
    execFileSync('ls', [`/proc/${process.pid}/fd`])
      .toString()
      .split('\n').length;
  const before = await open();
  let most = 0;
  for await (const _entry of walk(top, {
    filter: createFilter(),
    followSymlinks: false,
    enter: () => ({ here: 0, below: 0 }),
  })) {
    most = Math.max(most, await open());
  }
  expect(most - before).toBeLessThan(12);
});

describe('patterns', () => {
  const FILES = ['a.jpg', 'b.txt', 'x/a.jpg', 'x/y/c.jpg', 'build/out.js', 'src/build/in.js', 'src/a.ts', '.hidden'];
  test.each<[include: string[], exclude: string[], expected: string[]]>([
    [[], [], FILES],
    [['*.jpg'], [], ['a.jpg', 'x/a.jpg', 'x/y/c.jpg']],
    [['/*.jpg'], [], ['a.jpg']],
    [['x/'], [], ['x/a.jpg', 'x/y/c.jpg']],
    [['x/**/*.jpg'], [], ['x/a.jpg', 'x/y/c.jpg']],
    [['*.{jpg,ts}'], ['x/y'], ['a.jpg', 'x/a.jpg', 'src/a.ts']],
    [[], ['/build/'], ['a.jpg', 'b.txt', 'x/a.jpg', 'x/y/c.jpg', 'src/build/in.js', 'src/a.ts', '.hidden']],
    [[], ['build', '.*'], ['a.jpg', 'b.txt', 'x/a.jpg', 'x/y/c.jpg', 'src/a.ts']],
    [['[ab].*'], [], ['a.jpg', 'b.txt', 'x/a.jpg', 'src/a.ts']],
    [['[!a].???'], [], ['b.txt', 'x/y/c.jpg']],
    [['\\*.jpg'], [], []],
  ])('include %j, exclude %j', (include, exclude, expected) => {
    const filter = createFilter(include, exclude);
    const isIn = (path: string): boolean => {
      const parts = path.split('/');
      const above = parts.slice(0, -1).map((_part, index) => `${parts.slice(0, index + 1).join('/')}/`);
      return above.every((one) => filter.directory(one)) && filter.file(path);
    };
    expect(FILES.filter(isIn)).toEqual(expected);
  });

  test.each(['[a', '{a,b'])('%s cannot be understood', (pattern) => {
    expect(() => createFilter([pattern])).toThrow(SyntaxError);
  });
});
