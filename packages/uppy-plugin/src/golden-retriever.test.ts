import { createSigner } from '@cos-slice/core';
import type Uppy from '@uppy/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CosSliceFile } from './index.ts';
import { ACCOUNT, add, createSetting, type Setting, SLICE, setUp, until } from './testing/setting.ts';

let setting: Setting;
beforeEach(async () => {
  setting = await createSetting();
});
afterEach(() => setting.close());

const resumedBytesOf = (uppy: Uppy, id: string): number => Number(Object(uppy.getFile(id).response?.body).resumedBytes);

describe('Golden Retriever', () => {
  /** What survives a reload: files as JSON, with their data when it was stored. */
  const reload = (uppy: Uppy, into: Uppy, id: string, withData: boolean): void => {
    const { data, preview: _preview, ...file } = uppy.getFile(id);
    const plain = JSON.parse(JSON.stringify(file));
    into.setState({
      files: { [id]: { ...plain, data: withData ? data : undefined, isRestored: true, isGhost: !withData } },
    });
  };

  const interrupted = async (): Promise<{ uppy: Uppy; id: string; stored: number }> => {
    const { uppy, plugin } = setUp(setting);
    const id = add(uppy, 60);
    void uppy.upload();
    await until(() => (plugin.getUpload(id)?.state.progress.slices.stored ?? 0) > 5, 'some slices are stored');
    uppy.pauseAll();
    await until(() => setting.open === 0, 'nothing is open');
    return { uppy, id, stored: plugin.getUpload(id)?.state.progress.slices.stored ?? 0 };
  };

  test("the file's state holds plain JSON without a signature, as soon as the session exists", async () => {
    const { uppy, id } = await interrupted();
    const state = uppy.getFile(id).cosSlice as CosSliceFile;
    expect(state).toMatchObject({ sliceSizeBytes: SLICE, sizeBytes: 60 * SLICE, path: uppy.getFile(id).name });
    expect(state.session).toMatch(/^\w+$/);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
    const signature = await createSigner({ ...ACCOUNT, bucket: 'demobucket' }).sign(
      { appId: ACCOUNT.appId, bucket: 'demobucket', path: state.path, effect: 'multi', nowSec: 1 },
      new AbortController().signal,
    );
    expect(JSON.stringify(state)).not.toContain(signature.slice(-20));
    expect(JSON.stringify(state)).not.toContain('KEY');
  });

  test('with its data restored the upload continues', async () => {
    const { uppy, id, stored } = await interrupted();
    const next = setUp(setting);
    reload(uppy, next.uppy, id, true);
    next.uppy.setFileState(id, {
      isPaused: false,
      progress: { ...uppy.getFile(id).progress, uploadStarted: null } as never,
    });
    await next.uppy.upload();
    await setting.expectStored(next.uppy, id);
    expect(resumedBytesOf(next.uppy, id)).toBeGreaterThanOrEqual(stored * SLICE);
    expect(next.uppy.getFile(id).cosSlice).toBeUndefined();
  });

  test('as a ghost it says so, and continues when the same file is added again', async () => {
    const { uppy, id, stored } = await interrupted();
    const next = setUp(setting);
    reload(uppy, next.uppy, id, false);
    next.uppy.setFileState(id, {
      isPaused: false,
      progress: { ...uppy.getFile(id).progress, uploadStarted: null } as never,
    });
    const first = await next.uppy.upload();
    expect(first?.failed).toHaveLength(1);
    next.uppy.setFileState(id, { data: uppy.getFile(id).data as never, isGhost: false });
    await next.uppy.retryUpload(id);
    await setting.expectStored(next.uppy, id);
    expect(resumedBytesOf(next.uppy, id)).toBeGreaterThanOrEqual(stored * SLICE);
  });

  test('what does not fit the file is ignored', async () => {
    const { uppy } = setUp(setting);
    const id = add(uppy, 4);
    const stale = {
      version: 1,
      destination: 'elsewhere',
      path: 'x',
      identity: 'y',
      sizeBytes: 1,
      sliceSizeBytes: 2,
      session: 's',
      savedAtMs: 0,
    };
    uppy.setFileState(id, { cosSlice: stale as CosSliceFile });
    const result = await uppy.upload();
    expect(result?.successful).toHaveLength(1);
    await setting.expectStored(uppy, id);
    expect(uppy.getFile(id).cosSlice).toBeUndefined();
  });
});
