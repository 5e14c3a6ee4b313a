import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createSliceServer, fileStore } from '@cos-slice/server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ACCOUNT } from '../support/store.ts';
import { ceph } from './support/bucket.ts';
import { type CliPlace, type Ended, startCli, startCosCli, startS3Cli } from './support/command-line.ts';
import { makeFolder, removeFolder } from './support/folder.ts';
import { contentsOf, s3 as raw } from './support/s3.ts';

const MIB = 1024 * 1024;
const FILES: Readonly<Record<string, Buffer>> = {
  'a b.txt': Buffer.from('small'),
  'empty.bin': Buffer.alloc(0),
  'sub/ü+%25.bin': randomBytes(300_000),
  // In parts.
  'sub/big.bin': randomBytes(11 * MIB),
};
const NAMES = Object.keys(FILES);
const ENDS = ['folder', 'json', 'cos', 's3'] as const;
type End = (typeof ENDS)[number];
const PAIRS = ENDS.flatMap((from) =>
  ENDS.filter((to) => from !== 'folder' || to !== 'folder').map((to) => [from, to] as const),
);

describe.skipIf(!ceph)('copy', () => {
  const endpoint = ceph?.smallEndpoint ?? '';
  let folder: string;
  let cos: CliPlace;
  let s3: CliPlace;
  let server: ReturnType<typeof createSliceServer>;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    folder = await makeFolder();
    [cos, s3] = await Promise.all([startCosCli(endpoint), startS3Cli(endpoint)]);
    server = createSliceServer({ store: fileStore(join(folder, 'store')), accounts: [ACCOUNT], publicRead: true });
    const { port } = await server.listen(0, '127.0.0.1');
    env = {
      ...cos.env,
      ...s3.env,
      COS_SLICE_ENDPOINT: `http://127.0.0.1:${port}/files/v2`,
      COS_APP_ID: ACCOUNT.appId,
      XDG_STATE_HOME: join(folder, 'state'),
    };
    for (const [name, content] of Object.entries(FILES)) {
      const path = join(folder, 'source', name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
    }
  });
  afterAll(async () => {
    await Promise.all([cos?.close(), s3?.close(), server?.close()]);
    await removeFolder(folder);
  });

  const bucketOf: Record<End, () => string> = {
    folder: () => folder,
    json: () => `json://${ACCOUNT.buckets[0]}`,
    cos: () => cos.address,
    s3: () => s3.address,
  };
  /** Flags that say who is asked on one side: the JSON API's account is not that of COS. */
  const accountOf = (side: 'from' | 'to', end: End): string[] =>
    end === 'json' ? [`--${side}-secret-id`, ACCOUNT.secretId, `--${side}-secret-key`, ACCOUNT.secretKey] : [];
  const start = (from: End, source: string, to: End, target: string, ...more: string[]) =>
    startCli(
      [
        'copy',
        `${bucketOf[from]()}/${source}`,
        `${bucketOf[to]()}/${target}`,
        ...accountOf('from', from),
        ...accountOf('to', to),
        ...more,
      ],
      env,
      folder,
    );
  const copy = (...given: Parameters<typeof start>): Promise<Ended> => start(...given).ended;
  const sums = ({ stdout }: Ended): object => JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}');
  /** Where everything is at one end: brought there once. */
  const providing = new Map<End, Promise<Ended>>();
  const provided = async (end: End): Promise<string> => {
    if (end === 'folder') return 'source';
    const bringing = providing.get(end) ?? copy('folder', 'source', end, 'source');
    providing.set(end, bringing);
    expect(await bringing).toMatchObject({ code: 0 });
    return 'source';
  };
  /** Past everything that is tried here. */
  const read = async (end: End, path: string): Promise<Buffer> => {
    if (end === 'folder') return readFile(join(folder, path));
    if (end === 'json') return readFile(join(folder, 'store', ACCOUNT.appId, ACCOUNT.buckets[0] ?? '', path));
    const key = path.split('/').map(encodeURIComponent).join('/');
    const { bytes } = await raw(endpoint, 'GET', `/${(end === 's3' ? s3 : cos).bucket}/${key}`);
    return bytes;
  };
  const expectAll = async (end: End, path: string): Promise<void> => {
    const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    for (const name of NAMES) {
      const content = await read(end, `${path}/${name}`);
      expect([name, digest(content)]).toEqual([name, digest(FILES[name] ?? Buffer.alloc(0))]);
    }
  };

  test.each(PAIRS)('from %s to %s; again, nothing is sent', async (from, to) => {
    const source = await provided(from);
    const target = `to-${from}-${to}`;
    const planned = await copy(from, source, to, target, '--dry-run', '--json');
    expect(sums(planned)).toMatchObject({ ok: true, files: NAMES.length, dryRun: true, movedBytes: 0 });
    const first = await copy(from, source, to, target, '--json');
    expect([first.code, sums(first)]).toEqual([0, expect.objectContaining({ files: NAMES.length, failed: 0 })]);
    const second = await copy(from, source, to, target, '--json');
    expect(sums(second)).toMatchObject({ ok: true, files: 0, skipped: NAMES.length, movedBytes: 0 });
    await expectAll(to, target);
  });

  test('one file, under another name and into a directory; patterns; what differs is replaced, what is extra deleted', async () => {
    const one = await provided('s3');
    await copy('s3', `${one}/a b.txt`, 'cos', 'x/other.txt');
    await copy('s3', `${one}/a b.txt`, 'cos', 'x/');
    await copy('cos', 'x/other.txt', 'folder', 'x.txt');
    expect(await readFile(join(folder, 'x.txt'), 'utf8')).toBe('small');
    const again = await copy('cos', 'x/other.txt', 'folder', 'x.txt', '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ ok: true, event: 'skipped' });
    const some = await copy('s3', one, 'cos', 'y', '--include', '*.bin', '--exclude', 'big*', '--json');
    expect(sums(some)).toMatchObject({ files: 2 });
    await writeFile(join(folder, 'x.txt'), 'other');
    await copy('folder', 'x.txt', 'cos', 'y/a b.txt');
    await copy('folder', 'x.txt', 'cos', 'y/extra.txt');
    const whole = await copy('s3', one, 'cos', 'y', '--delete', '--compare', 'content', '--json');
    expect(sums(whole)).toMatchObject({ deleted: 1 });
    await expectAll('cos', 'y');
  });

  test.each([
    ['json', 's3'],
    ['s3', 'cos'],
  ] as const)(
    'killed in the middle, from %s to %s, it goes on: what has arrived is not sent again',
    async (from, to) => {
      const content = randomBytes(35 * MIB);
      await mkdir(join(folder, `kill-${from}`), { recursive: true });
      await writeFile(join(folder, `kill-${from}/huge.bin`), content);
      await writeFile(join(folder, `kill-${from}/small.txt`), 'small');
      await copy('folder', `kill-${from}`, from, `kill-${from}`);
      const { bucket } = to === 's3' ? s3 : cos;
      const unfinished = async (): Promise<number> => (await contentsOf(endpoint, bucket)).uploads.length;
      const records = async (): Promise<number> => {
        const names = await readdir(join(folder, 'state/cos-slice')).catch(() => []);
        return names.filter((name) => name.endsWith('.json')).length;
      };
      /** Past everything that is tried here. */
      const arrived = async (): Promise<number> => {
        const { uploads, uploadIds } = await contentsOf(endpoint, bucket);
        const query = `?uploadId=${encodeURIComponent(uploadIds[0] ?? '')}`;
        const { text } = await raw(endpoint, 'GET', `/${bucket}/${uploads[0]}${query}`);
        return text.split('<PartNumber>').length - 1;
      };
      // Slow enough to be killed in the middle, however fast the machine.
      const slowly = ['--bandwidth', '2m', '--concurrency', '2', '--slice-size', '5m'];
      const running = start(from, `kill-${from}`, to, `killed-${from}`, ...slowly);
      while ((await unfinished()) === 0 || (await records()) === 0 || (await arrived()) < 2) {
        expect(running.child.exitCode ?? running.child.signalCode).toBe(null);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      running.child.kill('SIGKILL');
      await running.ended;
      const rest = await copy(from, `kill-${from}`, to, `killed-${from}`, '--slice-size', '5m', '--json');
      const told = rest.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(told.at(-1)).toMatchObject({ ok: true, failed: 0 });
      const huge = told.find(({ path }) => path?.endsWith('huge.bin'));
      expect(huge.resumedBytes).toBeGreaterThanOrEqual(10 * MIB);
      expect(await unfinished()).toBe(0);
      expect((await read(to, `killed-${from}/huge.bin`)).equals(content)).toBe(true);
    },
  );

  test('between buckets of one S3 server, the server copies by itself', async () => {
    const first = await provided('s3');
    const other = await startS3Cli(endpoint);
    const args = [`${s3.address}/${first}`, `${other.address}/second`];
    const copied = await startCli(['copy', ...args, '--json'], env, folder).ended;
    expect(sums(copied)).toMatchObject({ ok: true, files: NAMES.length, movedBytes: 0 });
    expect((await contentsOf(endpoint, other.bucket)).keys.filter((key) => key.startsWith('second/'))).toHaveLength(4);
    const { bytes } = await raw(endpoint, 'GET', `/${other.bucket}/second/sub/big.bin`);
    expect(bytes.equals(FILES['sub/big.bin'] ?? Buffer.alloc(0))).toBe(true);
    const again = await startCli(['copy', ...args, '--json'], env, folder).ended;
    expect(sums(again)).toMatchObject({ files: 0, skipped: NAMES.length });
  });

  test('what is wrong is told in one line', async () => {
    const both = await startCli(['copy', 'source', 'other'], env, folder).ended;
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('both are of this machine') });
    const none = await copy('s3', 'nothing/here', 'cos', 'x');
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing is at "nothing/here"') });
  });
});
