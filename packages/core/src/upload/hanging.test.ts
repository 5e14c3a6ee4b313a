import { describe, expect, test, vi } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { ByteRange, HashContext, ResumeStore, Source } from '../ports.ts';
import { FOUND, memoryStore, ok, SHA, SLICE, setUp } from '../testing/setting.ts';

const never = (): Promise<never> => new Promise(() => {});
const failure = (done: Promise<unknown>): Promise<unknown> => done.catch((error) => error);

describe('work that hangs', () => {
  test('a source that never opens fails with its name, and one that opens late is closed', async () => {
    const { clock, open } = setUp({});
    const opened: ((source: Source<ByteRange>) => void)[] = [];
    const startedAtMs = clock.monotonicMs();
    const upload = open(() => new Promise((resolve) => void opened.push(resolve)));
    const error = await clock.runUntil(failure(upload.done));
    expect(error).toMatchObject({ code: 'source-unreadable', message: expect.stringContaining('opening the source') });
    expect(opened.length).toBe(3);
    expect(clock.monotonicMs() - startedAtMs).toBeLessThan(5 * 30_000);
    const close = vi.fn(async () => {});
    for (const open of opened) open({ sizeBytes: 1, slice: never, identity: never, close });
    await clock.settle();
    expect(close).toHaveBeenCalledTimes(3);
  });

  test('a slice that cannot be read now is read again, and the late one is released', async () => {
    let reads = 0;
    const late: ((range: ByteRange) => void)[] = [];
    const { clock, start, released } = setUp({
      source: {
        slice(range) {
          if (range.offset > 0) return Promise.resolve(range);
          reads += 1;
          return reads === 1 ? new Promise((resolve) => void late.push(resolve)) : Promise.resolve(range);
        },
      },
    });
    await clock.runUntil(start().done);
    expect(reads).toBe(2);
    const before = released.length;
    for (const give of late) give({ offset: 0, length: SLICE });
    await clock.settle();
    expect(released.length).toBe(before + 1);
  });

  test('a read that hangs once is made again, also where the slice was sent in vain before', async () => {
    let [sends, reads] = [0, 0];
    const { clock, start } = setUp({
      answer({ fields }) {
        if (fields.op !== 'upload_slice_data' || fields.offset !== '0') return undefined;
        sends += 1;
        return sends <= 2 ? new CosSliceError('network', 'broke', { remedy: 'backoff' }) : undefined;
      },
      source: {
        slice(range) {
          if (range.offset > 0) return Promise.resolve(range);
          reads += 1;
          return reads === 3 ? never() : Promise.resolve(range);
        },
      },
    });
    await clock.runUntil(start().done);
    expect(reads).toBe(4);
  });

  test.each([
    ['reading', { source: { slice: never } }, 'source-unreadable', 'reading the source'],
    ['telling the identity', { source: { identity: never } }, 'source-unreadable', 'reading the source'],
    ['checking the source', { source: { verify: never } }, 'source-unreadable', 'reading the source'],
    ['the digest of a slice', { hasher: { digest: never } }, 'hashing-failed', 'hashing'],
    ['hashing', { hasher: { uploadParts: never } }, 'hashing-failed', 'hashing'],
  ])('%s that always hangs fails with its name', async (name, faults, expected, what) => {
    const { clock, start } = setUp(faults);
    const integrity = name === 'hashing' ? 'sha1' : 'md5';
    const error = await clock.runUntil(failure(start({ integrity, resume: memoryStore() }).done));
    expect(error).toMatchObject({ code: expected, message: expect.stringContaining(what) });
  });

  test('hashing that gets on may take as long as it likes; one that stood still is told that it is tried again', async () => {
    const attempts: (number | undefined)[] = [];
    const { clock, start } = setUp({
      hasher: {
        async uploadParts(_source, _sliceSizeBytes, { attempt, signal, onProgress }: HashContext) {
          attempts.push(attempt);
          if (attempts.length === 1) return never();
          for (let bytes = 0; bytes < 10; bytes += 1) {
            await clock.sleep(20_000, signal);
            onProgress(bytes);
          }
          return { sha: SHA, parts: [] };
        },
      },
    });
    await clock.runUntil(start({ integrity: 'sha1' }).done);
    expect(attempts).toEqual([0, 1]);
  });

  test('a source whose bytes come in their own time is waited for', async () => {
    const { clock, start } = setUp({
      size: 2 * SLICE,
      source: {
        unhurried: true,
        async slice(range, signal) {
          await clock.sleep(3_600_000, signal);
          return range;
        },
      },
    });
    await clock.runUntil(start({ retry: { attempts: 1 } }).done);
  });

  test.each(['load', 'save', 'remove', 'lock'] as const)('a store whose %s hangs is done without', async (method) => {
    const store: ResumeStore = { ...memoryStore(), lock: async () => async () => {}, [method]: never };
    const { clock, start } = setUp({
      answer: ({ fields, context }) =>
        fields.op === 'upload_slice_finish' ? clock.sleep(29_000, context.signal).then(() => ok(FOUND)) : undefined,
    });
    const upload = start({ resume: store, timeouts: { noProgressMs: 20_000 } });
    await clock.runUntil(upload.done);
    if (method === 'save') expect(upload.state.resumable).toBe(false);
  });

  test('a lock that comes when nobody waits for it any more is given back', async () => {
    let give = (_unlock: () => Promise<void>): void => {};
    const unlock = vi.fn(async () => {});
    const { clock, start } = setUp({});
    const store: ResumeStore = { ...memoryStore(), lock: () => new Promise((resolve) => (give = resolve)) };
    await clock.runUntil(start({ resume: store }).done);
    expect(unlock).not.toHaveBeenCalled();
    give(unlock);
    await clock.settle();
    expect(unlock).toHaveBeenCalledTimes(1);
  });

  test.each([
    ['the source', { source: { close: never } }, {}],
    ['the lock', {}, { lock: async () => never }],
  ])('%s that is never let go of does not keep an upload from ending', async (_name, faults, store) => {
    const { clock, start } = setUp(faults);
    await clock.runUntil(start({ resume: { ...memoryStore(), ...store } }).done);
    expect(clock.sleepers).toBe(0);
  });

  test.each([
    ['opening the source', {}, undefined, never],
    ['reading', { source: { slice: never, unhurried: true } }, undefined, undefined],
    ['hashing', { hasher: { uploadParts: never } }, undefined, undefined],
    ['a request whose transport does not notice', {}, never, undefined],
    ['the signer', { options: { signer: never } }, undefined, undefined],
    ['the lock', { options: { resume: { ...memoryStore(), lock: never } } }, undefined, undefined],
  ])('cancelling ends an upload within a moment, whatever hangs: %s', async (_name, faults, send, openSource) => {
    const controller = new AbortController();
    const { clock, open, start } = setUp({ ...faults, ...(send && { send }) });
    const options = { signal: controller.signal, integrity: 'sha1' as const };
    const upload = openSource ? open(openSource, options) : start(options);
    await clock.settle();
    const startedAtMs = clock.monotonicMs();
    controller.abort('enough');
    await expect(clock.runUntil(upload.done)).rejects.toBe('enough');
    expect(clock.monotonicMs() - startedAtMs).toBeLessThanOrEqual(6_000);
  });
});

describe('a source that cannot be opened yet', () => {
  test('is opened again, as long as it says that this is worth while', async () => {
    let times = 0;
    const { clock, open, source } = setUp({});
    const upload = open(async () => {
      times += 1;
      if (times < 6) throw new CosSliceError('source-unreadable', 'too many files are open', { remedy: 'backoff' });
      return source;
    });
    await clock.runUntil(upload.done);
    expect(times).toBe(6);
  });
});

test('the wall clock set back in the middle of a pause delays nothing', async () => {
  let failures = 0;
  const { clock, start } = setUp({
    answer: ({ fields }) => {
      if (fields.op !== 'upload_slice_data' || failures >= 5) return undefined;
      failures += 1;
      clock.jump(-3_600_000);
      return failures % 2 ? new CosSliceError('network', 'lost', { remedy: 'backoff' }) : 'hang';
    },
  });
  const startedAtMs = clock.monotonicMs();
  await clock.runUntil(start().done);
  expect(clock.monotonicMs() - startedAtMs).toBeLessThan(120_000);
});
