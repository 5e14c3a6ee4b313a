import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Ended, runCli, startCli } from '../testing/cli.ts';
import { createWorld, digestOf, KEY, type World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

const cos = (...args: string[]): Promise<Ended> => runCli(args, { env: world.env, cwd: world.folder });
const sums = ({ stdout }: Ended): unknown => JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
async function write(name: string, content: string): Promise<void> {
  const path = join(world.folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

test('a folder goes to a bucket, from there to another one, and comes back', async () => {
  await write('photos/a b.txt', 'a');
  await write('photos/deep/c.txt', 'c');
  const big = await world.file('photos-big.bin', 3_000_000);
  expect(await cos('copy', 'photos', 'json://demo/backup/')).toMatchObject({ code: 0 });
  expect(await cos('copy', big, 'json://demo/backup/photos/big.bin')).toMatchObject({ code: 0 });
  const dry = await cos('copy', 'json://demo/backup', 'json://other/copies', '--dry-run');
  expect(dry.stdout).toContain('json://demo/backup/photos/deep/c.txt -> json://other/copies/photos/deep/c.txt');
  const first = await cos('copy', 'json://demo/backup', 'json://other/copies', '--json');
  expect(sums(first)).toMatchObject({ ok: true, event: 'end', path: 'json://other/copies', files: 3 });
  const lines = first.stdout.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toContainEqual({
    ok: true,
    event: 'transferred',
    path: 'json://other/copies/photos/a b.txt',
    from: 'json://demo/backup/photos/a b.txt',
    sizeBytes: 1,
    resumedBytes: 0,
  });
  expect(await world.stored('other/copies/photos/big.bin')).toBe(await digestOf(big));
  const second = await cos('copy', 'json://demo/backup', 'json://other/copies', '--json');
  expect(sums(second)).toMatchObject({ files: 0, skipped: 3, movedBytes: 0 });
  expect(await cos('copy', 'json://other/copies', 'back')).toMatchObject({ code: 0 });
  expect(await readFile(join(world.folder, 'back/photos/deep/c.txt'), 'utf8')).toBe('c');
});

test('a bucket without a slash gets what is in a directory, one with it the directory', async () => {
  await world.put('demo/dir/x.txt');
  await cos('copy', 'json://demo/dir', 'json://other');
  await cos('copy', 'json://demo/dir', 'json://other/');
  expect([world.has('other/x.txt'), world.has('other/dir/x.txt')]).toEqual([true, true]);
});

test('each side may have an account of its own', async () => {
  await world.put('demo/mine.txt');
  const wrong = { ...world.env, COS_SLICE_TO_SECRET_KEY: 'another' };
  const args = ['copy', 'json://demo/mine.txt', 'json://other/mine.txt'];
  const refused = await runCli(args, { env: wrong, cwd: world.folder });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('signature') });
  expect(await runCli([...args, '--to-secret-key', KEY], { env: wrong, cwd: world.folder })).toMatchObject({ code: 0 });
});

test('interrupted, it says how to go on, and keeps keys to itself', async () => {
  await world.put('demo/wait.txt');
  world.delayMs = Number.POSITIVE_INFINITY;
  const before = world.arrivals;
  const args = ['copy', 'json://demo/wait.txt', 'json://other/', '--from-secret-key', KEY];
  const running = startCli(args, { env: world.env, cwd: world.folder });
  while (world.arrivals === before) await new Promise((resolve) => setTimeout(resolve, 10));
  running.child.kill('SIGINT');
  const { code, stderr } = await running.ended;
  world.delayMs = 0;
  expect(code).toBe(130);
  expect(stderr).toMatch(
    /to go on, run, with --from-secret-key as before: .*copy json:\/\/demo\/wait.txt json:\/\/other\/$/m,
  );
  expect(stderr).not.toContain(KEY);
});

test.each([
  [['photos', 'elsewhere'], 2, /both are of this machine/],
  [['', 'json://demo/'], 2, /give a file, a folder or an address/],
  [['nothing-here', 'json://demo/'], 1, /cannot be read/],
  [['json://demo/nothing', 'json://other/'], 1, /nothing is at "nothing"/],
  [['json://demo/dir', 'json://demo/dir/in'], 2, /must not be what is copied/],
  [['s3://films', 'json://demo'], 2, /missing --endpoint \(or AWS_ENDPOINT_URL_S3\)/],
  [['json://demo', 'json://other', '--skip-existing', '--compare', 'size'], 2, /exclude each other/],
])('%j is told in one line', async (args, expected, message) => {
  const { code, stderr } = await cos('copy', ...args);
  expect([code, stderr]).toEqual([expected, expect.stringMatching(message)]);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});
