import { appendFile, open, readFile, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { createFileResumeStore, type UploadOptions, uploadFile } from '@cos-slice/node';
import { type FaultProxy, type Faults, startFaultProxy } from '@cos-slice/testkit/fault-proxy';
import { makeFile, sha256, withFolder } from '@cos-slice/testkit/files';
import { describe, expect, test } from 'vitest';
import { type RunningStore, startStore } from './support/store.ts';

const MIB = 1024 * 1024;

interface Setting {
  readonly folder: string;
  readonly store: RunningStore;
  readonly proxy: FaultProxy;
  readonly file: string;
  upload(more?: Partial<UploadOptions>): ReturnType<typeof uploadFile>;
}

/** A real file, a real server, and a proxy between them that misbehaves. */
async function underFaults(
  faults: Faults,
  use: (setting: Setting) => Promise<void>,
  sizeBytes = 24 * MIB + 12_345,
): Promise<void> {
  await withFolder(async (folder) => {
    const store = await startStore(join(folder, 'store'));
    const proxy = await startFaultProxy(store.port, faults);
    const file = await makeFile(join(folder, 'file.bin'), sizeBytes);
    const upload = (more: Partial<UploadOptions> = {}): ReturnType<typeof uploadFile> =>
      uploadFile(file, {
        ...store.options,
        endpoint: `${proxy.url}/files/v2`,
        path: 'dir/file.bin',
        resume: createFileResumeStore({ dir: join(folder, 'state') }),
        retry: { attempts: 50, baseDelayMs: 20, maxDelayMs: 300 },
        timeouts: { connectMs: 2000, responseMs: 2000, noProgressMs: 2000 },
        ...more,
      });
    try {
      await use({ folder, store, proxy, file, upload });
    } finally {
      await proxy.close();
      await store.close();
    }
  });
}

async function expectStored({ store, file }: Setting): Promise<void> {
  expect(await sha256(store.file('dir/file.bin'))).toBe(await sha256(file));
}

/** Waits for the first snapshot that fits. */
function seen(upload: ReturnType<typeof uploadFile>, fits: (state: typeof upload.state) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = upload.subscribe((state) => {
      if (!fits(state)) return;
      stop();
      resolve();
    });
  });
}

describe('an upload survives', () => {
  test('connections that are reset every few megabytes', async () => {
    let next = 1;
    const faults = { resetAfterBytes: () => ((next++ * 7) % 5) * MIB + 500_000 };
    await underFaults(faults, async (setting) => {
      await setting.upload().done;
      await expectStored(setting);
      expect(setting.proxy.connections).toBeGreaterThan(6);
    });
  });

  test('connections that stall in the middle of a slice (tus-js-client#773)', async () => {
    let count = 0;
    const faults = { stallAfterBytes: () => (count++ % 3 === 0 ? 1_300_000 : Number.POSITIVE_INFINITY) };
    await underFaults(faults, async (setting) => {
      await setting.upload().done;
      await expectStored(setting);
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

  test('a server that is replaced in the middle, on the same files', async () => {
    await withFolder(async (folder) => {
      const root = join(folder, 'store');
      const first = await startStore(root);
      const file = await makeFile(join(folder, 'file.bin'), 64 * MIB);
      const upload = uploadFile(file, {
        ...first.options,
        path: 'dir/file.bin',
        resume: false,
        retry: { baseDelayMs: 20 },
      });
      await seen(upload, (state) => state.progress.slices.stored > 5);
      await first.close();
      const second = await startStore(root, {}, first.port);
      const result = await upload.done;
      expect(await sha256(second.file('dir/file.bin'))).toBe(await sha256(file));
      // Only what was in flight is sent again.
      expect(result.sentBytes).toBeLessThanOrEqual(64 * MIB + 16 * MIB);
      await second.close();
    });
  });

  test('a session that the server loses', async () => {
    await underFaults({}, async (setting) => {
      const upload = setting.upload();
      await seen(upload, (state) => state.progress.slices.stored > 3);
      upload.pause();
      await new Promise((resolve) => setTimeout(resolve, 100));
      const { store } = setting;
      await store.close();
      await rm(join(store.root, '.cos-slice', 'sessions'), { recursive: true });
      const again = await startStore(store.root, {}, store.port);
      upload.resume();
      await upload.done;
      await expectStored(setting);
      await again.close();
    });
  });

  test('signatures that expire in mid-upload (uppy#1724)', async () => {
    await withFolder(async (folder) => {
      let aheadMs = 0;
      const store = await startStore(join(folder, 'store'), { nowMs: () => Date.now() + aheadMs });
      const file = await makeFile(join(folder, 'file.bin'), 32 * MIB);
      const upload = uploadFile(file, { ...store.options, path: 'dir/file.bin', resume: false });
      await seen(upload, (state) => state.progress.slices.stored > 3);
      // Two hours pass for the server: signatures live for one.
      aheadMs = 2 * 3600 * 1000;
      await upload.done;
      expect(upload.state.progress.signatures).toBe(2);
      expect(await sha256(store.file('dir/file.bin'))).toBe(await sha256(file));
      await store.close();
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
      await expect(readFile(setting.store.file('dir/file.bin'))).rejects.toMatchObject({ code: 'ENOENT' });
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
      const controller = new AbortController();
      const upload = setting.upload({ signal: controller.signal });
      await seen(upload, (state) => state.progress.slices.stored > 5);
      controller.abort(new Error('enough'));
      await expect(upload.done).rejects.toThrow('enough');
      const stored = upload.state.progress.confirmedBytes;
      const result = await setting.upload().done;
      await expectStored(setting);
      expect(result.resumedBytes).toBeGreaterThanOrEqual(stored);
      expect(result.resumedBytes + result.sentBytes).toBe(24 * MIB + 12_345);
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
