// A real server is killed each time that it is about to change something on its disk; another one goes on.
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { uploadFile } from '@cos-slice/node';
import { withFolder } from '@cos-slice/testkit/files';
import { expect, test } from 'vitest';
import { serve } from './support/command.ts';
import { placeAt } from './support/store.ts';

const MIB = 1024 * 1024;
const HOOK = fileURLToPath(new URL('support/die-at.js', import.meta.url));
const CONTENTS = { 'dir/slices.bin': randomBytes(2 * MIB + 5), 'dir/whole.bin': randomBytes(100_000) };

/** @returns how many changes there are, where no server is killed (0) */
async function dieAt(change: number): Promise<number> {
  return withFolder(async (folder) => {
    const root = join(folder, 'store');
    const files = join(root, '10055004', 'demobucket');
    const env = { NODE_OPTIONS: `--import=${HOOK}`, DIE_AT: String(change) };
    const first = await serve(root, folder, 0, [], env).catch(() => undefined);
    let server = first ?? (await serve(root, folder));
    const { port } = server;

    async function expectWhole(): Promise<void> {
      for (const [path, bytes] of Object.entries(CONTENTS)) {
        const seen = await readFile(join(files, path)).catch(() => undefined);
        expect(seen === undefined || seen.equals(bytes), `${path} at change ${change}`).toBe(true);
      }
    }
    const replacing = first?.ended.then(async (end) => {
      if (end !== 'SIGKILL') return;
      await expectWhole();
      server = await serve(root, folder, port);
    });
    for (const [path, bytes] of Object.entries(CONTENTS)) {
      const options = { ...placeAt(port).options, path, resume: false, concurrency: 1, integrity: 'sha1' } as const;
      const retry = { attempts: 100, baseDelayMs: 20, maxDelayMs: 200 };
      await uploadFile(bytes, { ...options, retry }).done.catch(async (error) => {
        // An upload whose first request finds no server gives up; whoever wants it starts it again. It may be there already.
        if (error.code !== 'network') throw error;
        await replacing;
        await uploadFile(bytes, { ...options, retry, overwrite: true }).done;
      });
      expect((await readFile(join(files, path))).equals(bytes), `${path} at change ${change}`).toBe(true);
    }
    if (first?.process.signalCode) await replacing;
    server.process.kill('SIGTERM');
    if ((await server.ended) === 'SIGKILL') {
      // It was about to make its change as it ended.
      await replacing;
      server.process.kill('SIGTERM');
    }
    expect(await server.ended).toBe(0);
    expect(await readdir(join(root, '.cos-slice', 'sessions')), `at change ${change}`).toEqual([]);
    expect((await readdir(join(files, 'dir'))).sort()).toEqual(['slices.bin', 'whole.bin']);
    return Number(/changes: (\d+)/.exec(server.stderr)?.[1] ?? 0);
  });
}

test('a server may be killed at any change to its disk: uploads arrive whole, nothing half is seen, no session is left', async () => {
  const changes = await dieAt(0);
  expect(changes).toBeGreaterThan(20);
  let next = 1;
  const work = async (): Promise<void> => {
    for (let change = next++; change <= changes; change = next++) await dieAt(change);
  };
  await Promise.all([1, 2, 3].map(work));
  console.info(`killed at each of ${changes} changes`);
});
