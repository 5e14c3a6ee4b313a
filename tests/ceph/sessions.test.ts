import { randomBytes } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ceph } from './support/bucket.ts';
import { type CliPlace, type Ended, startCli, startCosCli, startS3Cli } from './support/command-line.ts';
import { makeFolder, removeFolder } from './support/folder.ts';
import { contentsOf, s3 } from './support/s3.ts';

const MIB = 1024 * 1024;
const endpoint = ceph?.smallEndpoint ?? '';
const KINDS: readonly (readonly [name: string, start: () => Promise<CliPlace>])[] = [
  ['S3', () => startS3Cli(endpoint)],
  ['the XML API of COS', () => startCosCli(endpoint)],
];

describe.skipIf(!ceph).each(KINDS)('unfinished uploads over %s, on Ceph', (_name, start) => {
  let place: CliPlace;
  let folder: string;
  beforeAll(async () => {
    folder = await makeFolder();
    place = await start();
  });
  afterAll(async () => {
    await place?.close();
    await removeFolder(folder);
  });
  const env = () => ({ ...place.env, XDG_STATE_HOME: join(folder, 'state') });
  const cos = (...args: string[]): Promise<Ended> => startCli(args, env(), folder).ended;
  const lines = ({ stdout }: Ended): unknown[] =>
    stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  const records = async (): Promise<number> =>
    (await readdir(join(folder, 'state/cos-slice')).catch(() => [])).filter((name) => name.endsWith('.json')).length;
  const unfinished = async (): Promise<string[]> => (await contentsOf(endpoint, place.bucket)).uploads;

  test('are listed by path and prefix, and given up with what is remembered of them', async () => {
    await writeFile(join(folder, 'big.bin'), randomBytes(40 * MIB));
    // Slow enough to be killed in the middle, however fast the machine.
    const args = ['upload', 'big.bin', `${place.address}/dir/ü 1.bin`, '--bandwidth', '2m', '--slice-size', '5m'];
    const running = startCli(args, env(), folder);
    while ((await unfinished()).length === 0 || (await records()) === 0) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    running.child.kill('SIGKILL');
    await running.ended;
    for (const key of ['dir/other.bin', 'elsewhere.bin']) await s3(endpoint, 'POST', `/${place.bucket}/${key}?uploads`);

    const all = lines(await cos('sessions', 'ls', place.address, '--json'));
    expect(all).toHaveLength(3);
    const below = lines(await cos('sessions', 'ls', `${place.address}/dir/`, '-l', '--json'));
    expect(below).toHaveLength(2);
    expect(below).toContainEqual(
      expect.objectContaining({ ok: true, path: `${place.address}/dir/ü 1.bin`, ageSec: expect.any(Number) }),
    );
    const [one] = lines(await cos('sessions', 'ls', `${place.address}/dir/oth*`, '--json'));
    expect(one).toMatchObject({ path: `${place.address}/dir/other.bin`, session: expect.any(String) });
    expect(lines(await cos('sessions', 'ls', `${place.address}/dir/oth`, '--json'))).toEqual([]);
    expect(lines(await cos('sessions', 'ls', place.address, '--older-than', '1d', '--json'))).toEqual([]);

    const asked = await cos('sessions', 'rm', place.address);
    expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('give -f') });
    expect(lines(await cos('sessions', 'rm', place.address, '-n', '--json'))).toHaveLength(3);
    expect(await unfinished()).toHaveLength(3);

    expect(lines(await cos('sessions', 'rm', `${place.address}/dir/ü 1.bin`, '-f', '--json'))).toEqual([
      expect.objectContaining({ ok: true, path: `${place.address}/dir/ü 1.bin`, removed: true, remembered: true }),
    ]);
    expect(await records()).toBe(0);
    expect((await unfinished()).sort()).toEqual(['dir/other.bin', 'elsewhere.bin']);
    expect(await cos('sessions', 'rm', place.address, '-f')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('2 unfinished uploads given up'),
    });
    expect(await unfinished()).toEqual([]);
  });
});
