import { createHash } from 'node:crypto';
import { appendFile, open, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { createBandwidth, createFileResumeStore, type UploadOptions, uploadFile } from '@cos-slice/node';
import { type FaultProxy, type Faults, startFaultProxy } from '@cos-slice/testkit/fault-proxy';
import { makeFile, sha256, withFolder } from '@cos-slice/testkit/files';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { PlaceOptions, UploadPlace, WireFacts } from './place.ts';

/** What can happen to servers, however many there are. */
export interface FaultPlace extends UploadPlace {
  /** Ends all servers, one after the other where there are several, and starts them again. */
  replaceServers(): Promise<void>;
  /** Makes the servers forget all unfinished uploads. */
  loseSessions(): Promise<void>;
  /** What signs for less time than `expire` puts the servers' clocks ahead, where that can be done. */
  readonly expiring?: Pick<PlaceOptions, 'signer'>;
  expire?(): Promise<void>;
  /** What happens once in the middle of every upload, whatever else does. */
  disturb?(): Promise<void>;
  /** How long a reply may take. Default 5 seconds. */
  readonly responseMs?: number;
}

interface Setting {
  readonly folder: string;
  readonly place: FaultPlace;
  readonly proxy: FaultProxy;
  readonly file: string;
  upload(more?: Partial<UploadOptions>): ReturnType<typeof uploadFile>;
}

const sha256Of = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** The file is there, and nothing else is left of its upload. */
async function expectStored({ place, file }: Setting): Promise<void> {
  expect(sha256Of(await place.read('dir/file.bin'))).toBe(await sha256(file));
  expect(await place.unfinished()).toEqual([]);
}

/** Waits for the first snapshot that fits. @throws where the upload ends before */
async function seen(
  upload: ReturnType<typeof uploadFile>,
  fits: (state: typeof upload.state) => boolean,
): Promise<void> {
  let stop = (): void => {};
  const fitting = new Promise<void>((resolve) => {
    stop = upload.subscribe((state) => fits(state) && resolve());
  });
  const ended = upload.done.then(() => {
    throw new Error('the upload was over before');
  });
  await Promise.race([fitting, ended]).finally(stop);
}

/** An upload that was cancelled in the middle. */
async function cancelled(setting: Setting): Promise<ReturnType<typeof uploadFile>> {
  const controller = new AbortController();
  const upload = setting.upload({ signal: controller.signal });
  await seen(upload, (state) => state.progress.slices.stored > 5);
  controller.abort(new Error('enough'));
  await expect(upload.done).rejects.toThrow('enough');
  return upload;
}

/** Real files, real servers, and a proxy in front of them that misbehaves. @param start gets a folder for the place's files */
export function describeFaults(
  name: string,
  { sliceBytes, movesClock }: WireFacts,
  start: (folder: string) => Promise<FaultPlace>,
): void {
  const fileBytes = 24 * sliceBytes + 12_345;
  const bytesPerSecond = 32 * sliceBytes;

  async function underFaults(
    faults: Faults,
    use: (setting: Setting) => Promise<void>,
    sizeBytes = fileBytes,
  ): Promise<void> {
    const ending = new AbortController();
    const using = withFolder(async (folder) => {
      const place = await start(folder);
      const proxy = await startFaultProxy(place.port, faults);
      const file = await makeFile(join(folder, 'file.bin'), sizeBytes);
      let disturbing: Promise<void> | undefined;
      const upload = (more: Partial<UploadOptions> = {}): ReturnType<typeof uploadFile> => {
        const started = uploadFile(file, {
          ...place.through(Number(new URL(proxy.url).port)),
          path: 'dir/file.bin',
          sliceSize: sliceBytes,
          resume: createFileResumeStore({ dir: join(folder, 'state') }),
          retry: { attempts: 1000, attemptsPerUpload: 100_000, baseDelayMs: 20, maxDelayMs: 300 },
          timeouts: { connectMs: 10_000, responseMs: place.responseMs ?? 5000, noProgressMs: 10_000 },
          // Faults of the line come from the beginning; for others there must be a middle.
          ...(Object.keys(faults).length === 0 && { bandwidth: bytesPerSecond }),
          ...more,
          signal: more.signal ? AbortSignal.any([more.signal, ending.signal]) : ending.signal,
        });
        started.subscribe((state) => {
          if (state.progress.slices.stored > 1) disturbing ??= place.disturb?.();
        });
        return started;
      };
      try {
        await use({ folder, place, proxy, file, upload });
      } finally {
        // What a failed test has left must not be there in the next one.
        ending.abort();
        await proxy.close();
        await Promise.resolve(disturbing).finally(place.close);
      }
    });
    // It may go on after its time is up.
    onTestFinished(async () => {
      ending.abort();
      await using.catch(() => {});
    });
    await using;
  }

  describe(name, () => {
    describe('an upload survives', () => {
      test('connections that are reset every few slices', async () => {
        let next = 1;
        const faults = { resetAfterBytes: () => (((next++ * 7) % 5) + 0.5) * sliceBytes };
        await underFaults(faults, async (setting) => {
          await setting.upload().done;
          await expectStored(setting);
          expect(setting.proxy.connections).toBeGreaterThan(6);
        });
      });

      test('connections that stall in the middle of a slice (tus-js-client#773)', async () => {
        let count = 0;
        const faults = { stallAfterBytes: () => (count++ % 3 === 0 ? 1.3 * sliceBytes : Number.POSITIVE_INFINITY) };
        await underFaults(faults, async (setting) => {
          await setting.upload({ timeouts: { connectMs: 10_000, responseMs: 10_000, noProgressMs: 3000 } }).done;
          await expectStored(setting);
        });
      });

      test('bytes that change on the way', async () => {
        let next = 0;
        const faults = { changeAfterBytes: () => (next++ < 3 ? sliceBytes / 2 : Number.POSITIVE_INFINITY) };
        await underFaults(faults, async (setting) => {
          const { sentBytes } = await setting.upload({ integrity: 'md5' }).done;
          await expectStored(setting);
          expect(sentBytes).toBeGreaterThan(fileBytes);
        });
      });

      test('answers that get lost', async () => {
        await underFaults({}, async (setting) => {
          const upload = setting.upload();
          await seen(upload, (state) => state.progress.slices.stored > 3);
          setting.proxy.faults.deaf = true;
          await new Promise((resolve) => setTimeout(resolve, 900));
          setting.proxy.faults.deaf = false;
          await upload.done;
          await expectStored(setting);
        });
      });

      test('an outage in the middle', async () => {
        await underFaults({}, async (setting) => {
          const upload = setting.upload();
          await seen(upload, (state) => state.progress.slices.stored > 3);
          setting.proxy.faults.down = true;
          setting.proxy.cutAll();
          await new Promise((resolve) => setTimeout(resolve, 600));
          setting.proxy.faults.down = false;
          await upload.done;
          await expectStored(setting);
        });
      });

      test('servers that are replaced in the middle', async () => {
        const sizeBytes = 64 * sliceBytes;
        const use = async (setting: Setting) => {
          const bandwidth = createBandwidth(bytesPerSecond);
          // Ends are heard of at once: whatever takes long is no reason to send again.
          const timeouts = { connectMs: 60_000, responseMs: 60_000, noProgressMs: 60_000 };
          const upload = setting.upload({ bandwidth, timeouts });
          const stored: number[] = [];
          upload.subscribe(({ progress }) => stored.push(progress.slices.stored));
          await seen(upload, (state) => state.progress.slices.stored > 5);
          // It must not be over before they are.
          bandwidth.bytesPerSecond = sliceBytes;
          const startedAtMs = performance.now();
          await setting.place.replaceServers();
          const crawledSec = (performance.now() - startedAtMs) / 1000;
          bandwidth.bytesPerSecond = Infinity;
          const result = await upload.done;
          await expectStored(setting);
          // What is acknowledged stays so.
          expect(stored).toEqual([...stored].sort((a, b) => a - b));
          // Only what was in flight is sent again. A balancer takes more than that in vain, until it looks again who is there.
          if (setting.place.disturb) return;
          expect(result.sentBytes).toBeLessThanOrEqual(sizeBytes + (16 + crawledSec) * sliceBytes);
        };
        await underFaults({}, use, sizeBytes);
      });

      test('a session that the server loses', async () => {
        await underFaults({}, async (setting) => {
          const upload = setting.upload();
          await seen(upload, (state) => state.progress.slices.stored > 3);
          upload.pause();
          await new Promise((resolve) => setTimeout(resolve, 100));
          await setting.place.loseSessions();
          upload.resume();
          await upload.done;
          await expectStored(setting);
        });
      });

      test.runIf(movesClock)('signatures that expire in mid-upload (uppy#1724)', async () => {
        await underFaults({}, async (setting) => {
          const { expire, expiring } = setting.place;
          const upload = setting.upload(expiring);
          await seen(upload, (state) => state.progress.slices.stored > 3);
          upload.pause();
          await expire?.();
          upload.resume();
          await upload.done;
          expect(upload.state.progress.signatures).toBeGreaterThan(1);
          await expectStored(setting);
        });
      });

      test('times of the file that move, while its content stays', async () => {
        await underFaults({}, async (setting) => {
          const upload = setting.upload();
          await seen(upload, (state) => state.progress.slices.stored > 2);
          await utimes(setting.file, new Date(), new Date(Date.now() + 5000));
          await upload.done;
          await expectStored(setting);
        });
      });
    });

    describe('an upload stops', () => {
      test('when the file grows while it is uploaded, and is never finished (tus-js-client#255)', async () => {
        await underFaults({}, async (setting) => {
          const upload = setting.upload();
          await seen(upload, (state) => state.progress.slices.stored > 2);
          await appendFile(setting.file, 'more');
          await expect(upload.done).rejects.toMatchObject({ code: 'source-changed' });
          await expect(setting.place.read('dir/file.bin')).rejects.toThrow(/ENOENT|404/);
        });
      });

      test('when the file is written over in place', async () => {
        await underFaults({}, async (setting) => {
          const upload = setting.upload();
          await seen(upload, (state) => state.progress.slices.stored > 2);
          upload.pause();
          const file = await open(setting.file, 'r+');
          await file.write('other content, where the first slice was', 0);
          await file.close();
          upload.resume();
          await expect(upload.done).rejects.toMatchObject({ code: 'source-changed' });
        });
      });

      test('when cancelled, with no connection left open, and a later run resumes', async () => {
        await underFaults({}, async (setting) => {
          const upload = await cancelled(setting);
          const stored = upload.state.progress.confirmedBytes;
          const result = await setting.upload().done;
          await expectStored(setting);
          expect(result.resumedBytes).toBeGreaterThanOrEqual(stored);
          expect(result.resumedBytes + result.sentBytes).toBe(fileBytes);
        });
      });

      test('when cancelled, and a later run begins anew once the file has changed', async () => {
        await underFaults({}, async (setting) => {
          await cancelled(setting);
          await makeFile(setting.file, fileBytes);
          const result = await setting.upload().done;
          expect(result).toMatchObject({ resumedBytes: 0, sentBytes: fileBytes });
          await expectStored(setting);
        });
      });

      test('and two at once to the same path do not mix', async () => {
        await underFaults({}, async (setting) => {
          const first = setting.upload();
          await seen(first, (state) => state.phase === 'sending');
          await expect(setting.upload().done).rejects.toMatchObject({ code: 'locked' });
          await first.done;
          await expectStored(setting);
        });
      });
    });
  });
}
