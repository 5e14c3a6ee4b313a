import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFile, sha256, withFolder } from '@cos-slice/testkit/files';
import { describe, expect, test } from 'vitest';
import { type Running, serve, upload } from './support/command.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** Of a file whose upload is killed after a fifth, long before it could be over. */
const KILLED_BYTES = 512 * MIB;
/** As many slices as the default keeps in flight. */
const IN_FLIGHT_BYTES = 16 * MIB;

async function resultOf(
  running: Running,
): Promise<{ sentBytes: number; resumedBytes: number; [name: string]: unknown }> {
  const exitCode = await running.ended;
  expect(running.stderr.trim().split('\n').at(-1) ?? '', running.stderr).not.toMatch(/error/i);
  expect(exitCode).toBe(0);
  expect(running.stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(running.stdout);
}

const stored = (root: string, path: string): string => join(root, '10055004', 'demobucket', path);

/** Waits until the server has answered so many slices. */
async function untilJournalled(running: { readonly stdout: string }, slices: number): Promise<void> {
  while ((running.stdout.match(/upload_slice_data/g)?.length ?? 0) < slices) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('server and uploader as processes of their own', () => {
  test('every size with every integrity arrives byte for byte', async () => {
    await withFolder(async (folder) => {
      const root = join(folder, 'store');
      const server = await serve(root, folder);
      for (const sizeBytes of [0, 1, MIB - 1, MIB, MIB + 1, 20_000_000]) {
        const file = await makeFile(join(folder, `file-${sizeBytes}`), sizeBytes);
        for (const integrity of ['none', 'md5', 'sha1']) {
          const path = `dir/${integrity}-${sizeBytes}.bin`;
          await resultOf(upload(file, `demobucket/${path}`, server.endpoint, folder, ['--integrity', integrity]));
          expect(await sha256(stored(root, path))).toBe(await sha256(file));
        }
      }
      server.process.kill('SIGTERM');
      expect(await server.ended).toBe(0);
    });
  });

  test.each([
    [GIB, 'sha1'],
    [300 * MIB, 'md5'],
    [300 * MIB, 'none'],
  ])('%i bytes with integrity %s', async (sizeBytes, integrity) => {
    await withFolder(async (folder) => {
      const root = join(folder, 'store');
      const server = await serve(root, folder);
      const file = await makeFile(join(folder, 'big'), sizeBytes);
      const uploading = upload(file, 'demobucket/big.bin', server.endpoint, folder, ['--integrity', integrity]);
      expect((await resultOf(uploading)).sentBytes).toBe(sizeBytes);
      expect(await sha256(stored(root, 'big.bin'))).toBe(await sha256(file));
      server.process.kill('SIGTERM');
      await server.ended;
    });
  });

  test.each(['目录/文件 名.bin', 'with spaces/a  b.bin', '\u{1f600}\u{1f680}.bin', '+ % # & =.bin'])(
    'the name %s',
    async (name) => {
      await withFolder(async (folder) => {
        const root = join(folder, 'store');
        const server = await serve(root, folder);
        const file = await makeFile(join(folder, 'file'), 3 * MIB + 5);
        for (const integrity of ['none', 'md5', 'sha1']) {
          await resultOf(
            upload(file, `demobucket/${integrity}/${name}`, server.endpoint, folder, ['--integrity', integrity]),
          );
          expect(await sha256(stored(root, `${integrity}/${name}`))).toBe(await sha256(file));
        }
        server.process.kill('SIGTERM');
        await server.ended;
      });
    },
  );
});

describe('killed in the middle', () => {
  test.each(['md5', 'sha1'])('the uploader, with integrity %s: the same command resumes', async (integrity) => {
    await withFolder(async (folder) => {
      const root = join(folder, 'store');
      const server = await serve(root, folder);
      const file = await makeFile(join(folder, 'big'), KILLED_BYTES);
      const run = (): Running =>
        upload(file, 'demobucket/big.bin', server.endpoint, folder, ['--integrity', integrity]);
      const first = run();
      await untilJournalled(server, 100);
      first.process.kill('SIGKILL');
      expect(await first.ended).toBe('SIGKILL');
      // What the server answered in the first run; answers to the last few may not have been heard.
      await new Promise((resolve) => setTimeout(resolve, 200));
      const answered = (server.stdout.match(/upload_slice_data "[^"]*" 200/g)?.length ?? 0) * MIB;
      const result = await resultOf(run());
      expect(result.resumedBytes).toBeGreaterThanOrEqual(answered);
      expect(result.resumedBytes + result.sentBytes).toBe(KILLED_BYTES);
      expect(answered + result.sentBytes).toBeLessThanOrEqual(KILLED_BYTES + IN_FLIGHT_BYTES);
      expect(await sha256(stored(root, 'big.bin'))).toBe(await sha256(file));
      server.process.kill('SIGTERM');
      await server.ended;
    });
  });

  test('the server: the uploader carries on by itself when it is back', async () => {
    await withFolder(async (folder) => {
      const root = join(folder, 'store');
      const server = await serve(root, folder);
      const file = await makeFile(join(folder, 'big'), KILLED_BYTES);
      const uploading = upload(file, 'demobucket/big.bin', server.endpoint, folder);
      await untilJournalled(server, 100);
      server.process.kill('SIGKILL');
      await server.ended;
      const again = await serve(root, folder, server.port);
      const result = await resultOf(uploading);
      expect(result.resumedBytes).toBe(0);
      expect(result.sentBytes).toBeLessThanOrEqual(KILLED_BYTES + 3 * IN_FLIGHT_BYTES);
      expect(await sha256(stored(root, 'big.bin'))).toBe(await sha256(file));
      again.process.kill('SIGTERM');
      await again.ended;
    });
  });

  test('nothing of a finished upload is left but the file', async () => {
    await withFolder(async (folder) => {
      const root = join(folder, 'store');
      const server = await serve(root, folder);
      const file = await makeFile(join(folder, 'file'), 5 * MIB);
      await resultOf(upload(file, 'demobucket/file.bin', server.endpoint, folder));
      server.process.kill('SIGTERM');
      await server.ended;
      const sessions = join(root, '.cos-slice', 'sessions');
      expect(existsSync(sessions) ? await readdir(sessions) : []).toEqual([]);
      const state = join(folder, 'state');
      const left = existsSync(state) ? await readdir(state, { recursive: true }) : [];
      const files = await Promise.all(
        left.map(async (name) => ((await stat(join(state, name))).isFile() ? name : undefined)),
      );
      expect(files.filter((name) => name !== undefined)).toEqual([]);
    });
  });
});
