import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RequestInfo } from '@cos-slice/server';
import { makeFile, sha256, withFolder } from '@cos-slice/testkit/files';
import { expect, test } from 'vitest';
import { ACCOUNT, type RunningStore, startStore } from './support/store.ts';

const MIB = 1024 * 1024;
const SCRIPT = fileURLToPath(new URL('./support/put-directory.js', import.meta.url));
/** `FULL_DIRECTORIES=1`: as many and as large files as users have, which takes minutes and 6 GiB of disk. */
const isFull = process.env.FULL_DIRECTORIES !== undefined;
const SMALL = isFull ? 10_000 : 300;
const BIG_BYTES = isFull ? 1024 * MIB : 40 * MIB;
const BIG = ['big-1.bin', 'deep/er/big-2.bin', 'z/big-3.bin'];
const SMALL_BYTES = 700;
/** Requests in flight, and with them files under way. */
const AT_ONCE = 16;

interface Line {
  readonly type: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly resumedBytes: number;
}
interface Result {
  readonly transferred: { readonly files: number; readonly bytes: number };
  readonly skipped: { readonly files: number; readonly bytes: number };
  readonly movedBytes: number;
  readonly failed: number;
  readonly rssBytes: number;
  readonly openFiles: number;
  readonly active: number;
}

interface Put {
  readonly child: ChildProcess;
  readonly lines: Line[];
  /** Undefined when it was killed. */
  readonly result: Promise<Result | undefined>;
}

function put(directory: string, store: RunningStore, folder: string): Put {
  const { endpoint } = store.options;
  const job = { directory, to: 'put', endpoint, account: ACCOUNT, bucket: 'demobucket' };
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, XDG_STATE_HOME: join(folder, 'state') },
  });
  const lines: Line[] = [];
  let result: Result | undefined;
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text);
    if (line.type === 'result') result = line;
    else lines.push(line);
  });
  return { child, lines, result: once(child, 'close').then(() => result) };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a directory of many small files and three big ones, killed twice, is completed by the next run', {
  timeout: 1_800_000,
}, async () => {
  await withFolder(async (folder) => {
    const directory = join(folder, 'local');
    const paths = Array.from({ length: SMALL }, (_, index) => `d${index % 97}/small-${index}.txt`);
    for (const path of paths) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), path.padEnd(SMALL_BYTES, '.'));
    }
    for (const path of BIG) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await makeFile(join(directory, path), BIG_BYTES);
    }
    const requests: RequestInfo[] = [];
    const store = await startStore(join(folder, 'store'), { onRequest: (info) => requests.push(info) });
    const stored = (op: string) => requests.filter((one) => one.op === op && one.code === 0);

    // In the middle of the first big one, and then with half of the small ones there.
    const bigSlices = (3 * BIG_BYTES) / MIB;
    for (const isTime of [
      () => stored('upload_slice_data').length >= bigSlices / 6,
      () => stored('upload').length > SMALL / 2,
    ]) {
      const killed = put(directory, store, folder);
      await until(() => (killed.child.exitCode ?? killed.child.signalCode) !== null || isTime());
      killed.child.kill('SIGKILL');
      expect(await killed.result).toBeUndefined();
    }
    const killedAt = { files: stored('upload').length, slices: stored('upload_slice_data').length };

    const second = put(directory, store, folder);
    const result = await second.result;
    const allFiles = SMALL + BIG.length;
    expect(result).toMatchObject({ failed: 0 });
    expect((result?.transferred.files ?? 0) + (result?.skipped.files ?? 0)).toBe(allFiles);
    // What was under way when it was killed may have arrived, unheard; nothing else was sent twice.
    expect(stored('upload').length).toBeLessThanOrEqual(SMALL + 2 * AT_ONCE);
    expect(stored('upload_slice_data').length).toBeLessThanOrEqual(bigSlices + 2 * AT_ONCE);
    const resumed = second.lines.reduce((sum, line) => sum + (line.resumedBytes ?? 0), 0);
    const skippedBig = second.lines.filter(({ type, path }) => type === 'skipped' && BIG.includes(path)).length;
    expect(resumed + skippedBig * BIG_BYTES).toBeGreaterThanOrEqual((killedAt.slices - 2 * AT_ONCE) * MIB);
    expect(result?.skipped.files).toBeGreaterThanOrEqual(killedAt.files - 2 * AT_ONCE);

    requests.length = 0;
    const third = await put(directory, store, folder).result;
    expect(third).toMatchObject({ movedBytes: 0, transferred: { files: 0 }, skipped: { files: allFiles } });
    expect(new Set(requests.map(({ op }) => op))).toEqual(new Set(['list']));

    for (const path of [...BIG, ...paths.filter((_, index) => index % Math.ceil(SMALL / 300) === 0)]) {
      expect(await sha256(store.file(`put/${path}`)), path).toBe(await sha256(join(directory, path)));
    }
    for (const one of [result, third]) {
      expect(one?.active).toBeLessThanOrEqual(AT_ONCE);
      expect(one?.openFiles).toBeLessThan(150);
      expect(one?.rssBytes).toBeLessThan(400 * MIB);
    }
    if (isFull) console.log({ killedAt, resumed, second: result, third });
    await store.close();
  });
});
