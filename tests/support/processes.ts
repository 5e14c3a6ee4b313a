import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFile, sha256, withFolder } from '@cos-slice/testkit/files';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Running } from './command.ts';
import type { WireFacts } from './place.ts';
import { type Moment, startStepProxy } from './step-proxy.ts';

/** As many slices as the default keeps in flight. */
const IN_FLIGHT = 16;

/** Servers that are processes, however many, over whichever wire. */
export interface ProcessPlace {
  readonly port: number;
  /**
   * Starts the command line on a file, with `--json` and slices as large as `ProcessSizes` says.
   *
   * @param port another one, from where requests go on to the place's
   */
  upload(file: string, path: string, folder: string, more?: readonly string[], port?: number): Running;
  /** SHA-256 of what has been stored, read past the servers. */
  hashOf(path: string): Promise<string>;
  /** How many slices the servers have acknowledged; at least those of uploads that have not ended. */
  answered(): number | Promise<number>;
  /** Kills a server with SIGKILL, and starts it again. */
  crash(): Promise<void>;
  /** What is there of uploads that are not finished. */
  unfinished(): Promise<string[]>;
  /** Ends the servers, which must do so by themselves. */
  close(): Promise<void>;
}

export interface ProcessSizes {
  /** Of a slice, in bytes. */
  readonly sliceBytes: number;
  /** Of large files, by what is checked. */
  readonly large: readonly (readonly [sizeBytes: number, integrity: string])[];
  /** Slices of a file whose upload is killed after a fifth, long before it could be over. */
  readonly killedSlices: number;
  /** Flags that see to that. */
  readonly slowly?: readonly string[];
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
  { integrity: integrities, onePerPath }: WireFacts,
  start: (folder: string) => Promise<ProcessPlace>,
  { sliceBytes, large, killedSlices, slowly = [], restless = false }: ProcessSizes,
): void {
  const killedBytes = killedSlices * sliceBytes;
  const fifth = Math.max(1, Math.floor(killedSlices / 5));

  async function inPlace(use: (place: ProcessPlace, folder: string) => Promise<void>): Promise<void> {
    const started: Running[] = [];
    let isOver = false;
    // What a failed test has left must not be there in the next one.
    async function end(): Promise<void> {
      isOver = true;
      for (const { process } of started) process.kill('SIGKILL');
      await Promise.all(started.map(({ ended }) => ended));
    }
    const using = withFolder(async (folder) => {
      const place = await start(folder);
      const upload: ProcessPlace['upload'] = (...args) => {
        if (isOver) throw new Error('the test is over');
        const running = place.upload(...args);
        started.push(running);
        return running;
      };
      let crashing: Promise<void> | undefined;
      const crash = (): Promise<void> => {
        crashing = place.crash();
        return crashing;
      };
      try {
        await use({ ...place, upload, crash }, folder);
      } finally {
        await end();
        await Promise.resolve(crashing).finally(place.close);
      }
    });
    // It may go on after its time is up.
    onTestFinished(async () => {
      await end();
      await using.catch(() => {});
    });
    await using;
  }

  /** Uploads a file with each integrity, at the same time. */
  async function arrive(
    place: ProcessPlace,
    folder: string,
    file: string,
    pathOf: (integrity: string) => string,
  ): Promise<void> {
    await Promise.all(
      integrities.map(async (integrity) => {
        const path = pathOf(integrity);
        await resultOf(place.upload(file, path, folder, ['--integrity', integrity]));
        expect(await place.hashOf(path)).toBe(await sha256(file));
      }),
    );
  }

  /** Waits until a fifth of the file that is to be killed has been answered. */
  async function untilFifth(place: ProcessPlace, running: Running): Promise<void> {
    const before = await place.answered();
    while ((await place.answered()) - before < fifth) {
      if ((running.process.exitCode ?? running.process.signalCode) !== null)
        throw new Error(`it ended before: ${running.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  describe(`uploaders as processes of their own, and ${name}`, () => {
    test('every size with every integrity arrives byte for byte', async () => {
      await inPlace(async (place, folder) => {
        for (const sizeBytes of [0, 1, sliceBytes - 1, sliceBytes, sliceBytes + 1, 3 * sliceBytes + 5]) {
          const file = await makeFile(join(folder, `file-${sizeBytes}`), sizeBytes);
          const crashing = restless ? place.crash() : undefined;
          await arrive(place, folder, file, (integrity) => `dir/${integrity}-${sizeBytes}.bin`);
          await crashing;
        }
      });
    });

    test.each(large)('%i bytes with integrity %s', async (sizeBytes, integrity) => {
      await inPlace(async (place, folder) => {
        const file = await makeFile(join(folder, 'big'), sizeBytes);
        const uploading = place.upload(file, 'big.bin', folder, ['--integrity', integrity]);
        expect((await resultOf(uploading)).sentBytes).toBe(sizeBytes);
        expect(await place.hashOf('big.bin')).toBe(await sha256(file));
      });
    });

    test.each(['目录/文件 名.bin', 'with spaces/a  b.bin', '\u{1f600}\u{1f680}.bin', '+ % # & =.bin'])(
      'the name %s',
      async (name) => {
        await inPlace(async (place, folder) => {
          const file = await makeFile(join(folder, 'file'), 2 * sliceBytes + 5);
          await arrive(place, folder, file, (integrity) => `${integrity}/${name}`);
        });
      },
    );

    test.each([
      ...integrities.filter((how) => how !== 'none').map((how) => ['SIGKILL', how] as const),
      ['SIGINT', 'md5'] as const,
    ])('the uploader gets %s, with integrity %s: the same command resumes', async (signal, how) => {
      await inPlace(async (place, folder) => {
        const file = await makeFile(join(folder, 'big'), killedBytes);
        const run = (more: readonly string[] = []): Running =>
          place.upload(file, 'big.bin', folder, ['--integrity', how, ...more]);
        const before = await place.answered();
        const first = run(slowly);
        await untilFifth(place, first);
        first.process.kill(signal);
        expect(await first.ended).toBe(signal === 'SIGINT' ? 130 : signal);
        if (signal === 'SIGINT') expect(first.stderr).toMatch(/interrupted at [1-9]\d*%; to resume, run/);
        // What the servers answered in the first run; answers to the last few may not have been heard.
        const answered = ((await place.answered()) - before) * sliceBytes;
        if (restless) await place.crash();
        const result = await resultOf(run());
        expect(result.resumedBytes).toBeGreaterThanOrEqual(answered);
        expect(result.resumedBytes + result.sentBytes).toBe(killedBytes);
        expect(answered + result.sentBytes).toBeLessThanOrEqual(killedBytes + IN_FLIGHT * sliceBytes);
        expect(await place.hashOf('big.bin')).toBe(await sha256(file));
        expect(await place.unfinished()).toEqual([]);
      });
    });

    test('a server is killed: the uploader carries on by itself', async () => {
      await inPlace(async (place, folder) => {
        const file = await makeFile(join(folder, 'big'), killedBytes);
        const uploading = place.upload(file, 'big.bin', folder, slowly);
        await untilFifth(place, uploading);
        await place.crash();
        const result = await resultOf(uploading);
        expect(result.resumedBytes).toBe(0);
        expect(result.sentBytes).toBeLessThanOrEqual(killedBytes + 3 * IN_FLIGHT * sliceBytes);
        expect(await place.hashOf('big.bin')).toBe(await sha256(file));
        expect(await place.unfinished()).toEqual([]);
      });
    });

    test('nothing of a finished upload is left but the file', async () => {
      await inPlace(async (place, folder) => {
        const file = await makeFile(join(folder, 'file'), 3 * sliceBytes);
        await resultOf(place.upload(file, 'file.bin', folder));
        expect(await place.unfinished()).toEqual([]);
        const state = join(folder, 'state');
        const left = existsSync(state) ? await readdir(state, { recursive: true }) : [];
        const files = await Promise.all(
          left.map(async (name) => ((await stat(join(state, name))).isFile() ? name : undefined)),
        );
        expect(files.filter((name) => name !== undefined)).toEqual([]);
      });
    });

    test.skipIf(restless)(
      'the uploader is killed at each of its requests, and at the first of the next run: a third one ends it',
      async () => {
        await inPlace(async (place, folder) => {
          const died = new Set<string>();
          let lost = 0;
          const dieAt = async (slices: number, moment: Moment): Promise<boolean> => {
            const name = `${slices}-${moment.request}-${moment.carriedOut}`;
            const file = await makeFile(join(folder, name), Math.max(10, slices * sliceBytes - 5));
            const proxy = await startStepProxy(place.port);
            // What goes in one request leaves nothing to go on with: it is there, or it is not.
            const flags = ['--concurrency', '1', '--quiet', ...(slices === 0 ? ['--skip-existing'] : [])];
            const run = (): Running => place.upload(file, name, join(folder, `of ${name}`), flags, proxy.port);
            const killed = async (at: Moment): Promise<boolean> => {
              const running = run();
              const isThere = await Promise.race([proxy.until(at).then(() => true), running.ended.then(() => false)]);
              running.process.kill('SIGKILL');
              await running.ended;
              return isThere;
            };
            try {
              const isThere = await killed(moment);
              if (isThere) {
                const { name: step } = proxy.steps[moment.request] ?? { name: '' };
                died.add(`${moment.carriedOut ? 'after' : 'before'} ${step}`);
                await killed({ request: proxy.steps.length, carriedOut: moment.carriedOut });
                const again = proxy.steps.at(-1)?.name;
                died.add(`${moment.carriedOut ? 'after' : 'before'} ${again} of the next run`);
                await resultOf(run());
              }
              expect(await place.hashOf(name), name).toBe(await sha256(file));
              const carried = proxy.steps.filter(({ carriedOut }) => carriedOut).map((step) => step.name);
              const count = (wanted: string): number => carried.filter((step) => step === wanted).length;
              // What was acknowledged once is not sent again, also where nobody lived to hear it.
              expect(count('part'), `${name}: ${carried}`).toBe(slices);
              lost += Math.max(0, count('init') - 1);
              return isThere;
            } finally {
              await proxy.close();
            }
          };
          const work = async (slices: number, carriedOut: boolean): Promise<void> => {
            for (let at = 0; await dieAt(slices, { request: at, carriedOut }); at += 1);
          };
          await Promise.all([work(2, false), work(2, true), work(0, false), work(0, true)]);
          // Elsewhere nobody knows the name of an upload whose first answer was never heard.
          expect(await place.unfinished()).toHaveLength(onePerPath ? 0 : lost);
          for (const step of ['init', 'part', 'finish', 'put', 'list of the next run']) {
            expect([...died]).toEqual(expect.arrayContaining([`before ${step}`, `after ${step}`]));
          }
        });
      },
    );
  });
}
