import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFile, sha256, withFolder } from '@cos-slice/testkit/files';
import { describe, expect, test } from 'vitest';
import { type Running, upload } from './command.ts';

const MIB = 1024 * 1024;
/** As many slices as the default keeps in flight. */
const IN_FLIGHT_BYTES = 16 * MIB;

/** Servers that are processes, however many, which take slices of 1 MiB. */
export interface ProcessPlace {
  readonly endpoint: string;
  /** SHA-256 of what has been stored, read past the servers. */
  hashOf(path: string): Promise<string>;
  /** How many requests of that operation the servers have answered with success. */
  answered(op: string): number;
  /** Kills a server with SIGKILL, and starts it again. */
  crash(): Promise<void>;
  /** What is there of uploads that are not finished. */
  unfinished(): Promise<string[]>;
  /** Ends the servers, which must do so by themselves. */
  close(): Promise<void>;
}

export interface ProcessSizes {
  /** Of large files, by what is checked. */
  readonly large: readonly (readonly [sizeBytes: number, integrity: string])[];
  /** Of a file whose upload is killed after a fifth, long before it could be over. */
  readonly killedBytes: number;
  /** Whether a server crashes in the middle of what is about something else, too. */
  readonly restless?: boolean;
}

async function resultOf(
  running: Running,
): Promise<{ sentBytes: number; resumedBytes: number; [name: string]: unknown }> {
  const exitCode = await running.ended;
  expect(running.stderr.trim().split('\n').at(-1) ?? '', running.stderr).not.toMatch(/error/i);
  expect(exitCode).toBe(0);
  expect(running.stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(running.stdout);
}

/** Uploaders and servers that are killed. @param start gets a folder for the place's files */
export function describeProcesses(
  name: string,
  start: (folder: string) => Promise<ProcessPlace>,
  { large, killedBytes, restless = false }: ProcessSizes,
): void {
  async function inPlace(use: (place: ProcessPlace, folder: string) => Promise<void>): Promise<void> {
    await withFolder(async (folder) => {
      const place = await start(folder);
      try {
        await use(place, folder);
      } finally {
        await place.close();
      }
    });
  }

  /** Waits until so many more slices have been answered. */
  async function untilAnswered(place: ProcessPlace, slices: number, running: Running): Promise<void> {
    const before = place.answered('upload_slice_data');
    while (place.answered('upload_slice_data') - before < slices) {
      if (running.process.exitCode !== null) throw new Error(`it ended before: ${running.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  describe(`uploaders as processes of their own, and ${name}`, () => {
    test('every size with every integrity arrives byte for byte', async () => {
      await inPlace(async (place, folder) => {
        for (const sizeBytes of [0, 1, MIB - 1, MIB, MIB + 1, 20_000_000]) {
          const file = await makeFile(join(folder, `file-${sizeBytes}`), sizeBytes);
          const crashing = restless ? place.crash() : undefined;
          for (const integrity of ['none', 'md5', 'sha1']) {
            const path = `dir/${integrity}-${sizeBytes}.bin`;
            await resultOf(upload(file, `demobucket/${path}`, place.endpoint, folder, ['--integrity', integrity]));
            expect(await place.hashOf(path)).toBe(await sha256(file));
          }
          await crashing;
        }
      });
    });

    test.each(large)('%i bytes with integrity %s', async (sizeBytes, integrity) => {
      await inPlace(async (place, folder) => {
        const file = await makeFile(join(folder, 'big'), sizeBytes);
        const uploading = upload(file, 'demobucket/big.bin', place.endpoint, folder, ['--integrity', integrity]);
        expect((await resultOf(uploading)).sentBytes).toBe(sizeBytes);
        expect(await place.hashOf('big.bin')).toBe(await sha256(file));
      });
    });

    test.each(['目录/文件 名.bin', 'with spaces/a  b.bin', '\u{1f600}\u{1f680}.bin', '+ % # & =.bin'])(
      'the name %s',
      async (name) => {
        await inPlace(async (place, folder) => {
          const file = await makeFile(join(folder, 'file'), 3 * MIB + 5);
          for (const integrity of ['none', 'md5', 'sha1']) {
            const path = `${integrity}/${name}`;
            await resultOf(upload(file, `demobucket/${path}`, place.endpoint, folder, ['--integrity', integrity]));
            expect(await place.hashOf(path)).toBe(await sha256(file));
          }
        });
      },
    );

    test.each(['md5', 'sha1'])('the uploader is killed, with integrity %s: the same command resumes', async (how) => {
      await inPlace(async (place, folder) => {
        const file = await makeFile(join(folder, 'big'), killedBytes);
        const run = (): Running => upload(file, 'demobucket/big.bin', place.endpoint, folder, ['--integrity', how]);
        const before = place.answered('upload_slice_data');
        const first = run();
        await untilAnswered(place, Math.floor(killedBytes / MIB / 5), first);
        first.process.kill('SIGKILL');
        expect(await first.ended).toBe('SIGKILL');
        // What the servers answered in the first run; answers to the last few may not have been heard.
        await new Promise((resolve) => setTimeout(resolve, 200));
        const answered = (place.answered('upload_slice_data') - before) * MIB;
        if (restless) await place.crash();
        const result = await resultOf(run());
        expect(result.resumedBytes).toBeGreaterThanOrEqual(answered);
        expect(result.resumedBytes + result.sentBytes).toBe(killedBytes);
        expect(answered + result.sentBytes).toBeLessThanOrEqual(killedBytes + IN_FLIGHT_BYTES);
        expect(await place.hashOf('big.bin')).toBe(await sha256(file));
      });
    });

    test('a server is killed: the uploader carries on by itself', async () => {
      await inPlace(async (place, folder) => {
        const file = await makeFile(join(folder, 'big'), killedBytes);
        const uploading = upload(file, 'demobucket/big.bin', place.endpoint, folder);
        await untilAnswered(place, Math.floor(killedBytes / MIB / 5), uploading);
        await place.crash();
        const result = await resultOf(uploading);
        expect(result.resumedBytes).toBe(0);
        expect(result.sentBytes).toBeLessThanOrEqual(killedBytes + 3 * IN_FLIGHT_BYTES);
        expect(await place.hashOf('big.bin')).toBe(await sha256(file));
      });
    });

    test('nothing of a finished upload is left but the file', async () => {
      await inPlace(async (place, folder) => {
        const file = await makeFile(join(folder, 'file'), 5 * MIB);
        await resultOf(upload(file, 'demobucket/file.bin', place.endpoint, folder));
        expect(await place.unfinished()).toEqual([]);
        const state = join(folder, 'state');
        const left = existsSync(state) ? await readdir(state, { recursive: true }) : [];
        const files = await Promise.all(
          left.map(async (name) => ((await stat(join(state, name))).isFile() ? name : undefined)),
        );
        expect(files.filter((name) => name !== undefined)).toEqual([]);
      });
    });
  });
}
