import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { patternBytes, sha1 } from '../../testing/content.ts';
import { diskError, watchDisk } from '../../testing/disk.ts';
import { temporaryDir } from '../../testing/server.ts';
import { createCopier } from './copier.ts';

const MIB = 1024 * 1024;

test('large copies take turns: a small one is done before them, and one thread is busy', async () => {
  const dir = await temporaryDir();
  const big = patternBytes(0, 24 * MIB);
  const small = patternBytes(1, 100_000);
  await writeFile(join(dir, 'big'), big);
  await writeFile(join(dir, 'small'), small);
  const disk = await watchDisk(dir);
  const { copy } = createCopier(false);
  const done: string[] = [];
  const bigs = [1, 2, 3, 4].map(async (number) => {
    await copy(join(dir, 'big'), join(dir, `big-${number}`), { sha: sha1(big) });
    done.push('big');
  });
  await copy(join(dir, 'small'), join(dir, 'copy'));
  done.push('small');
  await Promise.all(bigs);
  expect(done[0]).toBe('small');
  const order = disk.calls.filter(({ name }) => name === 'write').map(({ path }) => path.at(-1));
  // Nobody has two turns while others wait.
  expect(order.slice(0, 60).filter((each, i) => each === order[i + 1]).length).toBeLessThan(5);
  for (const number of [1, 2, 3, 4]) expect((await readFile(join(dir, `big-${number}`))).equals(big)).toBe(true);
});

test('a copy that is not what it should be, fails or is given up leaves nothing', async () => {
  const dir = await temporaryDir();
  await writeFile(join(dir, 'file'), patternBytes(0, 3 * MIB));
  const { copy } = createCopier(true);
  const [from, to] = [join(dir, 'file'), join(dir, 'copy')];
  expect(await copy(from, to, { sha: 'ab'.repeat(20) })).toBe(false);
  const abort = new AbortController();
  const disk = await watchDisk(dir);
  disk.before = ({ name }) => {
    if (name === 'write') abort.abort();
  };
  await expect(copy(from, to, { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
  for (const failing of ['write', 'datasync']) {
    disk.before = (call) => {
      if (call.name === failing) throw diskError('ENOSPC', call);
    };
    await expect(copy(from, to)).rejects.toMatchObject({ code: 'ENOSPC' });
  }
  await expect(copy(join(dir, 'missing'), to)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await readdir(dir)).toEqual(['file']);
});
