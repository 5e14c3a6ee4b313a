import { expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { ResumeRecord } from '../ports.ts';
import { FOUND, KEY, ok, refuse, SLICE, setUp, switchedNetwork } from '../testing/setting.ts';
import { detours } from './detours.ts';
import { createRecorder } from './recorder.ts';
import type { Late } from './start-upload.ts';

const unloadable = (remedy: 'backoff' | 'none') => async (): Promise<never> => {
  throw new CosSliceError('network', 'the code does not come', { remedy });
};
const STORE = { load: async () => undefined, save: async () => {}, remove: async () => {} };

/** @returns what is loaded late, and what of it was */
function watched(more: Partial<Late> = {}) {
  const loaded: string[] = [];
  const late: Pick<Late, 'detours' | 'recorder'> = {
    async detours() {
      loaded.push('detours');
      return { detours };
    },
    async recorder(recorded) {
      loaded.push('recorder');
      return createRecorder(STORE, recorded);
    },
    ...more,
  };
  return { late, loaded };
}

test('an upload that goes straight on loads nothing but what remembers it', async () => {
  const { late, loaded } = watched();
  const { start } = setUp({ late });
  await start().done;
  expect(loaded).toEqual(['recorder']);
});

test('one that remembers nothing loads nothing at all', async () => {
  const { late, loaded } = watched({ recorder: undefined });
  const upload = setUp({ late }).start();
  expect(upload.state.resumable).toBe(false);
  await upload.done;
  expect(loaded).toEqual([]);
});

test('what is in the way is dealt with by code that is loaded then', async () => {
  const { late, loaded } = watched();
  const { start } = setUp({
    late,
    options: { onConflict: 'restart' },
    answer: ({ fields }, index) => {
      if (index === 0) return refuse(-4020, 409);
      return fields.op === 'upload_slice_list'
        ? ok({ session: 'old', slice_size: SLICE, session_delete: 1 })
        : undefined;
    },
  });
  await start().done;
  expect(loaded).toEqual(['recorder', 'detours']);
});

test('code that does not come at first is asked for again', async () => {
  let times = 0;
  const { late } = watched({
    async detours() {
      times += 1;
      if (times < 3) return unloadable('backoff')();
      return { detours };
    },
  });
  const { start, clock } = setUp({
    late,
    answer: ({ fields }) => (fields.op === 'upload_slice_finish' && times < 3 ? refuse(-197, 404) : undefined),
  });
  const { done } = start();
  await clock.runUntil(done);
  await expect(done).resolves.toMatchObject({ accessUrl: FOUND.access_url });
  expect(times).toBe(3);
});

test('where it never comes, the upload fails with what was answered', async () => {
  const { late } = watched({ detours: unloadable('none') });
  const { start } = setUp({ late, answer: (_request, index) => (index === 0 ? refuse(-4020, 409) : undefined) });
  await expect(start().done).rejects.toMatchObject({ code: 'conflict', wireCode: -4020 });
});

test('an upload whose recorder cannot be loaded is forgetful', async () => {
  const { late } = watched({ recorder: unloadable('backoff') });
  const upload = setUp({ late }).start();
  expect(upload.state.resumable).toBe(true);
  await upload.done;
  expect(upload.state.resumable).toBe(false);
});

test('but offline, when no code can be loaded, it is waited for', async () => {
  const network = switchedNetwork(false);
  const saved: string[] = [];
  const { late } = watched({
    async recorder(recorded) {
      if (!network.online()) return unloadable('backoff')();
      return createRecorder(
        { ...STORE, save: async (key: string, _record: ResumeRecord) => void saved.push(key) },
        recorded,
      );
    },
  });
  const { start, clock } = setUp({ late, network });
  const upload = start();
  await clock.advance(60_000);
  expect(saved).toEqual([]);
  expect(upload.state.waitingFor).toBe('network');
  network.set(true);
  await clock.runUntil(upload.done);
  expect(saved).toContain(KEY);
});
