import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ended, runCli, startCli } from '../testing/cli.ts';
import { createWorld, type World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

const cos = (...args: string[]): Promise<Ended> => runCli(args, { env: world.env });
const ONE_LINE = /^cos-slice: [^\n]+\n$/;

/** Runs a command that fails, for people and for programs. */
async function failing(args: string[], code: number, name: string, message: RegExp): Promise<void> {
  const [plain, json] = [await cos(...args), await cos(...args, '--json')];
  expect(plain).toMatchObject({ code, stdout: '' });
  expect(plain.stderr).toMatch(ONE_LINE);
  expect(plain.stderr).toMatch(message);
  expect(json).toMatchObject({ code, stderr: plain.stderr });
  expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, code: name });
}

describe('mkdir', () => {
  test('creates directories, and says when one is there', async () => {
    const made = await cos('mkdir', 'demo/made/deep', 'demo/other/', '--attributes', 'by year');
    expect(made).toEqual({ code: 0, stdout: 'demo/made/deep/ created\ndemo/other/ created\n', stderr: '' });
    const { stdout } = await cos('stat', 'demo/made/deep');
    expect(stdout).toContain('attributes  by year');
    await failing(['mkdir', 'demo/other'], 1, 'exists', /the directory is there already: -p lets that pass/);
    expect(await cos('mkdir', '-p', 'demo/other')).toMatchObject({ code: 0, stdout: 'demo/other/ is there\n' });
    const both = await cos('mkdir', '--json', 'demo/other', 'demo/third');
    expect(both.code).toBe(1);
    expect(
      both.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { ok: false, code: 'exists', path: 'demo/other' },
      { ok: true, path: 'demo/third/', created: true },
    ]);
    expect(both.stderr).toMatch(/^cos-slice: demo\/other: the directory is there already/);
  });

  test('does not take the place of a file, and no bad names', async () => {
    await world.put('demo/file');
    await failing(['mkdir', 'demo/file'], 1, 'exists', /a file or a directory is there already/);
    await failing(['mkdir', '-p', 'demo/file'], 1, 'exists', /a file or a directory is there already/);
    await failing(['mkdir', 'demo/file/below'], 1, 'exists', /there already|collide/);
    await failing(['mkdir', 'demo/a|b'], 2, 'invalid-options', /the path must not contain/);
    await failing(['mkdir', 'demo'], 2, 'usage', /'demo' is a bucket: give BUCKET\/PATH/);
  });
});

describe('mv and cp', () => {
  test('of a file to a new name, and into a directory under its own', async () => {
    await world.put('demo/t/a b.txt', 'content');
    expect(await cos('mv', 'demo/t/a b.txt', 'demo/t/new/c.txt')).toEqual({
      code: 0,
      stdout: 'demo/t/a b.txt moved to demo/t/new/c.txt\n',
      stderr: '',
    });
    const { stdout } = await cos('cp', 'demo/t/new/c.txt', 'demo/t/', '--json');
    expect(JSON.parse(stdout)).toEqual({ ok: true, path: 'demo/t/c.txt', from: 'demo/t/new/c.txt' });
    expect(await world.stored('demo/t/c.txt')).toBe(await world.stored('demo/t/new/c.txt'));
    expect(await cos('cp', 'demo/t/c.txt', 'demo/')).toMatchObject({ code: 0 });
    expect([world.has('demo/c.txt'), world.has('demo/t/a b.txt')]).toEqual([true, false]);
  });

  test('replaces a file only when told to', async () => {
    await world.put('demo/r/a', 'new');
    await world.put('demo/r/b', 'old');
    const before = await world.stored('demo/r/b');
    for (const command of ['cp', 'mv']) {
      await failing(
        [command, 'demo/r/a', 'demo/r/b'],
        1,
        'exists',
        /choose another path, or replace it with --overwrite/,
      );
      expect(await world.stored('demo/r/b')).toBe(before);
      expect(await cos(command, 'demo/r/a', 'demo/r/b', '--overwrite')).toMatchObject({ code: 0, stderr: '' });
      expect(await world.stored('demo/r/b')).not.toBe(before);
      await world.put('demo/r/b', 'old');
    }
  });

  test('of a directory moves all that is in it', async () => {
    await world.put('demo/d/one/x/y');
    await world.put('demo/d/two/');
    expect(await cos('mv', 'demo/d/one', 'demo/d/two/')).toMatchObject({
      code: 0,
      stdout: 'demo/d/one/ moved to demo/d/two/one/\n',
    });
    expect(await cos('mv', 'demo/d/two/one/', 'demo/d/three')).toMatchObject({ code: 0 });
    expect([world.has('demo/d/three/x/y'), world.has('demo/d/one')]).toEqual([true, false]);
  });

  test('of a directory with -r copies file by file what is not there, and what differs', async () => {
    for (const name of ['a b', 'deep/c', 'deep/d']) await world.put(`demo/many/${name}`, name);
    await cos('set', 'demo/many/a b', '--attributes', 'told');
    const sums = ({ stdout }: Ended) => JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    const dry = await cos('cp', '-r', 'demo/many', 'demo/copies/', '-n');
    expect(dry.stdout).toContain('demo/many/deep/c -> demo/copies/many/deep/c\n');
    expect(world.has('demo/copies/many/a b')).toBe(false);
    const first = await cos('cp', '-r', 'demo/many', 'demo/copies/', '--json');
    expect(sums(first)).toMatchObject({ ok: true, event: 'end', path: 'demo/copies/many/', files: 3, movedBytes: 0 });
    expect(await world.stored('demo/copies/many/deep/c')).toBe(await world.stored('demo/many/deep/c'));
    expect(JSON.parse((await cos('stat', 'demo/copies/many/a b', '--json')).stdout).attributes).toBe('told');
    await world.put('demo/many/deep/d', 'changed');
    expect(sums(await cos('cp', '-r', 'demo/many', 'demo/copies/', '--skip-existing', '--json'))).toMatchObject({
      files: 0,
      skipped: 3,
    });
    const second = await cos('cp', '-r', 'demo/many', 'demo/copies/many');
    expect(second).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^demo\/copies\/many\/: 1 file, \d+ B in [^,]*; 2 there already$/m),
    });
    expect(await world.stored('demo/copies/many/deep/d')).toBe(await world.stored('demo/many/deep/d'));
  });

  test('what cannot be is one line that says what to do', async () => {
    await world.put('demo/e/dir/in');
    await world.put('demo/e/file');
    await world.put('demo/e/other/');
    await failing(['mv', 'demo/e/dir', 'demo/e/other'], 1, 'exists', /or demo\/e\/other\/ to come into it/);
    await failing(['mv', 'demo/e/file', 'demo/e/other'], 1, 'exists', /or demo\/e\/other\/ to come into it/);
    await failing(
      ['mv', 'demo/e/file', 'demo/e/other', '--overwrite'],
      1,
      'exists',
      /or demo\/e\/other\/ to come into it/,
    );
    await failing(['mv', 'demo/e/dir', 'demo/e/file'], 1, 'exists', /there already/);
    await failing(['mv', 'demo/e/dir', 'demo/e/dir/in/it'], 2, 'usage', /which is in it: give a path outside of it/);
    await failing(['mv', 'demo/e/dir/', 'demo/e/dir/'], 2, 'usage', /which is in it/);
    await failing(['mv', 'demo/e/file', 'demo/e/file'], 2, 'usage', /is there already: give another path/);
    await failing(['mv', 'demo/e/file', 'demo/e/'], 2, 'usage', /demo\/e\/file is there already/);
    await failing(['mv', 'demo/e/nix', 'demo/e/a'], 1, 'not-found', /nothing is at "e\/nix"/);
    await failing(['mv', 'demo/e/file/', 'demo/e/a'], 1, 'wrong-kind', /a file is at "e\/file": leave the slash out/);
    await failing(['mv', 'demo', 'demo/e/a'], 2, 'usage', /'demo' is a bucket/);
    await failing(['mv', 'demo/e/file', 'other/a'], 2, 'usage', /mv stays in one bucket: from demo to other, get it/);
    await failing(
      ['cp', 'demo/e/dir', 'demo/e/copy'],
      1,
      'wrong-kind',
      /demo\/e\/dir\/ is a directory: give a file, or -r/,
    );
    await failing(['cp', 'demo/e/file', 'demo/e/copy', '-n'], 2, 'usage', /give --dry-run only with --recursive/);
    await failing(['cp', '-r', 'demo/e/dir', 'demo/e/dir/'], 2, 'usage', /which is in it: give a path outside of it/);
    await failing(['cp', 'demo/e/file', 'demo/e/a"b'], 2, 'invalid-options', /the target must not contain/);
    expect(['dir/in', 'file', 'other'].map((name) => world.has(`demo/e/${name}`))).toEqual([true, true, true]);
  });

  test('interrupted, says how to find out', async () => {
    await world.put('demo/i/file');
    world.delayMs = Number.POSITIVE_INFINITY;
    const before = world.arrivals;
    const { child, ended } = startCli(['mv', 'demo/i/file', 'demo/i/new'], { env: world.env });
    while (world.arrivals === before) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    world.delayMs = 0;
    expect(code).toBe(130);
    expect(stderr).toMatch(/^cos-slice: interrupted; it may have been done all the same: see .* stat demo\/i\/new\n$/);
  });
});

describe('set', () => {
  const known = async (path: string) => {
    const { attributes, authority, customHeaders } = JSON.parse((await cos('stat', path, '--json')).stdout);
    return { attributes, authority, customHeaders };
  };

  test('changes what it is given and leaves the rest', async () => {
    await world.put('demo/s/file');
    const first = await cos(
      ...['set', 'demo/s/file', '--attributes', 'a text', '--authority', 'private'],
      ...['--header', 'Cache-Control: max-age=60', '--header', 'x-cos-meta-cut:final'],
    );
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toContain('  header      Cache-Control: max-age=60\n');
    expect(first.stdout).toContain('  authority   private: only with a signature\n');
    const second = await cos(
      'set',
      'demo/s/file',
      '--header',
      'cache-control:',
      '--header',
      'Content-Type: text/csv',
      '--json',
    );
    expect(JSON.parse(second.stdout)).toMatchObject({ ok: true, path: 'demo/s/file', sizeBytes: 11 });
    expect(await known('demo/s/file')).toEqual({
      attributes: 'a text',
      authority: 'private',
      customHeaders: { 'Content-Type': 'text/csv', 'x-cos-meta-cut': 'final' },
    });
    await cos(
      'set',
      'demo/s/file',
      '--attributes',
      '',
      '--authority',
      'inherit',
      '--header',
      'content-type:',
      '--header',
      'X-Cos-Meta-Cut:',
    );
    expect(await known('demo/s/file')).toEqual({ attributes: '', authority: 'inherit', customHeaders: {} });
  });

  test('of a directory changes its attributes', async () => {
    await world.put('demo/s/dir/');
    expect(await cos('set', 'demo/s/dir', '--attributes', 'by year')).toMatchObject({ code: 0, stderr: '' });
    expect((await cos('stat', 'demo/s/dir')).stdout).toContain('attributes  by year');
  });

  test('what cannot be is one line that says what to do', async () => {
    await world.put('demo/s/file');
    await world.put('demo/s/dir/');
    await failing(['set', 'demo/s/file'], 2, 'usage', /nothing to change: give --attributes, --authority or --header/);
    await failing(
      ['set', 'demo/s/file', '--authority', 'all'],
      2,
      'usage',
      /--authority must be inherit, private or public-read/,
    );
    await failing(
      ['set', 'demo/s/file', '--header', 'Cache-Control'],
      2,
      'usage',
      /--header must be like 'Cache-Control: /,
    );
    await failing(['set', 'demo/s/file', '--header', 'x-cos-meta-a: b\nc: d'], 2, 'invalid-options', /in one line/);
    await failing(
      ['set', 'demo/s/file', '--header', 'Foo: bar'],
      1,
      'bad-request',
      /only Cache-Control, Content-Type, /,
    );
    await failing(
      ['set', 'demo/s/dir', '--authority', 'private'],
      2,
      'usage',
      /is a directory, which has nothing but --attributes/,
    );
    await failing(['set', 'demo/s/nix', '--attributes', 'x'], 1, 'not-found', /nothing is at/);
  });
});
