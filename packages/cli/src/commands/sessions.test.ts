import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CLI, hasTerminal, runCli, startCli, startOnTerminal } from '../testing/cli.ts';
import { createWorld, type World } from '../testing/world.ts';
import { begunAgo } from './sessions.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

const cos = (...args: string[]) => runCli(args, { env: world.env, cwd: world.folder });
const records = async (): Promise<number> =>
  (await readdir(join(world.folder, 'state/cos-slice'))).filter((name) => name.endsWith('.json')).length;

/** An upload that is killed in the middle. */
async function leaveUnfinished(path: string): Promise<void> {
  const file = await world.file('left.bin', 8_000_000);
  const args = ['upload', file, path, '--bandwidth', '500k', '--concurrency', '1', '--quiet'];
  const running = startCli(args, { env: world.env });
  const before = world.requests.length;
  while (world.requests.length < before + 4) await new Promise((resolve) => setTimeout(resolve, 20));
  running.child.kill('SIGKILL');
  await running.ended;
}

test('the one at a path is listed, and given up with what is remembered of it', async () => {
  await leaveUnfinished('demo/dir/left.bin');
  const { stdout } = await cos('sessions', 'ls', 'demo/dir/left.bin', '-l', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, path: 'demo/dir/left.bin', sizeBytes: 8_000_000 });
  const asked = await cos('sessions', 'rm', 'demo/dir/left.bin');
  expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('give -f') });
  expect(await records()).toBe(1);
  const removed = await cos('sessions', 'rm', 'demo/dir/left.bin', '-f');
  expect(removed).toMatchObject({ code: 0, stdout: expect.stringContaining('given up, and forgotten here') });
  expect(await records()).toBe(0);
  const empty = await cos('sessions', 'ls', 'demo/dir/left.bin');
  expect(empty).toMatchObject({ code: 0, stdout: '', stderr: 'nothing is unfinished there\n' });
  expect(await cos('sessions', 'ls', 'demo/dir/left.bin', '--json')).toMatchObject({ stdout: '', stderr: '' });
});

test.skipIf(!hasTerminal)('rm asks on a terminal', async () => {
  await leaveUnfinished('demo/dir/asked.bin');
  const running = startOnTerminal(`${process.execPath} ${CLI} sessions rm demo/dir/asked.bin`, { env: world.env });
  await running.says(/give up 1 unfinished upload/);
  running.child.stdin?.write('n\n');
  expect((await running.ended).stdout).toContain('left as it is');
  expect((await cos('sessions', 'ls', 'demo/dir/asked.bin')).stdout).toContain('demo/dir/asked.bin');
});

test('objects stay', async () => {
  await world.put('demo/there.txt');
  expect((await cos('sessions', 'rm', 'demo/there.txt', '-f')).stdout).toContain('nothing is unfinished');
  expect(world.has('demo/there.txt')).toBe(true);
});

test.each([
  [['sessions', 'find', 'demo/x'], /say ls or rm/],
  [['sessions', 'ls', 'demo'], /tells of one path only/],
  [['sessions', 'ls', 'demo/dir/'], /tells of one path only/],
  [['sessions', 'ls', 'demo/x', '--older-than', '1d'], /needs cos or s3/],
  [['sessions', 'ls', 'demo/x', '--older-than', 'long'], /--older-than must be an age/],
])('%s is refused', async (args, message) => {
  const { code, stderr } = await cos(...args);
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
});

test('any number of unfinished uploads is asked about', () => {
  const hour = 3_600_000;
  expect(begunAgo([])).toBe('');
  expect(begunAgo(Array.from({ length: 300_000 }, (_, index) => hour + index))).toMatch(/^, begun 1h.* to 1h.* ago$/);
  expect(begunAgo([26 * hour, hour])).toBe(begunAgo([hour, 2 * hour, 26 * hour]));
});
