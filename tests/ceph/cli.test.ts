import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ceph } from './support/bucket.ts';
import { type CliPlace, type Ended, startCli, startCosCli, startS3Cli } from './support/command-line.ts';

const MIB = 1024 * 1024;
const endpoint = ceph?.smallEndpoint ?? '';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-cli-wires-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: Buffer | string): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

const KINDS: readonly (readonly [name: string, start: () => Promise<CliPlace>])[] = [
  ['S3', () => startS3Cli(endpoint)],
  ['the XML API of COS', () => startCosCli(endpoint)],
];

describe.skipIf(!ceph).each(KINDS)('the command line over %s, on Ceph', (_name, start) => {
  let place: CliPlace;
  beforeAll(async () => {
    place = await start();
  });
  afterAll(() => place?.close());
  const cos = (...args: string[]): Promise<Ended> =>
    startCli(args, { ...place.env, XDG_STATE_HOME: join(folder, 'state') }, folder).ended;
  const at = (path: string) => `${place.address}/${path}`;

  test('a file goes up in parts, is told of, and comes down again', async () => {
    const content = randomBytes(17 * MIB);
    const path = await file('film.bin', content);
    const up = await cos('upload', path, at('films/'), '--slice-size', '6MiB', '--attributes', 'für alle', '--json');
    expect(JSON.parse(up.stdout)).toMatchObject({ ok: true, path: at('films/film.bin'), sizeBytes: content.length });
    const told = await cos('stat', at('films/film.bin'), '--json');
    expect(JSON.parse(told.stdout)).toMatchObject({ sizeBytes: content.length, attributes: 'für alle' });
    const down = await cos('get', at('films/film.bin'), 'down.bin', '--overwrite', '--json');
    expect(JSON.parse(down.stdout)).toMatchObject({ ok: true, sizeBytes: content.length });
    expect((await readFile(join(folder, 'down.bin'))).equals(content)).toBe(true);
    const taken = await cos('upload', path, at('films/'), '--json');
    expect(taken).toMatchObject({ code: 1, stderr: expect.stringContaining('replace it with --overwrite') });
  });

  test('a directory is put, listed, brought up to date, got and removed', async () => {
    for (const name of ['a.txt', 'b ü.txt', 'sub/c.txt']) await file(`photos/${name}`, name);
    expect(await cos('put', 'photos', at('backup/'))).toMatchObject({ code: 0 });
    const listed = await cos('ls', '-r', at('backup'));
    expect(listed.stdout.trim().split('\n')).toEqual(expect.arrayContaining(['photos/a.txt', 'photos/sub/c.txt']));
    const again = await cos('put', 'photos', at('backup/'), '--json');
    expect(JSON.parse(again.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ files: 0, skipped: 3 });
    expect(await cos('get', at('backup/photos'), 'back/')).toMatchObject({ code: 0 });
    expect(await readFile(join(folder, 'back/photos/b ü.txt'), 'utf8')).toBe('b ü.txt');
    expect(await cos('cp', at('backup/photos/a.txt'), at('backup/copy.txt'))).toMatchObject({ code: 0 });
    expect(await cos('mv', at('backup/copy.txt'), at('moved.txt'))).toMatchObject({ code: 0 });
    expect(await cos('rm', '-r', '-f', at('backup'))).toMatchObject({ code: 0 });
    expect((await cos('ls', place.address)).stdout).not.toContain('backup/');
    expect(await cos('rm', at('moved.txt'))).toMatchObject({ code: 0 });
  });

  test('doctor goes through all of it', async () => {
    const { stdout } = await cos('doctor', place.address, '--json');
    const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string }[] };
    const found = Object.fromEntries(checks.map(({ name, status }) => [name, status]));
    expect(found).toMatchObject({ server: 'ok', signature: 'ok', bucket: 'ok', write: 'ok', read: 'ok', delete: 'ok' });
  });

  test.each([
    ['set', [at0('x'), '--attributes', 'a'], /set needs the JSON API/],
    ['ls', [at0(''), '--reverse'], /--reverse needs the JSON API/],
    ['mv', [at0('dir/'), at0('other/')], /cos and s3 have only files/],
    ['upload', ['small.bin', at0('x'), '--slice-size', '64k'], /--slice-size must be from [15]m to 5g/],
    ['upload', ['small.bin', at0('x'), '--integrity', 'sha1'], /--integrity of this server must be/],
    ['ls', [at0(''), '--wire', 'json'], /exclude each other/],
  ])('%s says what this server has not', async (command, args, message) => {
    await file('small.bin', 'small');
    await cos('put', 'small.bin', at('dir/'), '--overwrite');
    const { code, stderr } = await cos(command, ...args.map((one) => one.replace('PLACE', place.address)));
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  test('a wrong key, and no settings at all, are told in one line', async () => {
    const env = { ...place.env, AWS_SECRET_ACCESS_KEY: 'no', COS_SECRET_KEY: 'no' };
    const wrong = await startCli(['ls', place.address], env, folder).ended;
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain('SignatureDoesNotMatch');
    const none = await startCli(['ls', place.address], {}, folder).ended;
    expect(none).toMatchObject({ code: 2, stdout: '' });
    expect(none.stderr).toMatch(/missing --(region|endpoint).*--secret-id .*--secret-key/);
  });
});

/** For tables of tests, which are made before there is a place. */
function at0(path: string): string {
  return `PLACE/${path}`;
}
