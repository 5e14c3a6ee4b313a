import { describe, expect, test } from 'vitest';
import { createLimiter } from '../batch/limiter.ts';
import { CosSliceError } from '../errors.ts';
import type { ByteRange, Hasher, Source } from '../ports.ts';
import { type Answer, happy, memoryStore, SHA, SLICE, sends, setUp } from '../testing/setting.ts';

describe('cancel and pause', () => {
  const phases: [string, Answer | undefined, Partial<Hasher<ByteRange>>, Partial<Source<ByteRange>>][] = [
    ['hashing', undefined, { uploadParts: () => new Promise(() => {}) }, {}],
    ['opening', ({ fields }) => (fields.op === 'upload_slice_init' ? 'hang' : undefined), {}, {}],
    ['sending', ({ fields }) => (fields.op === 'upload_slice_data' ? 'hang' : undefined), {}, {}],
    ['finishing', ({ fields }) => (fields.op === 'upload_slice_finish' ? 'hang' : undefined), {}, {}],
  ];

  test.each(phases)(
    'cancelling while %s rejects with the reason and leaves no request running',
    async (phase, answer, hasher) => {
      const controller = new AbortController();
      const abortable: Partial<Hasher<ByteRange>> = hasher.uploadParts
        ? {
            uploadParts: (_s, _n, { signal }) =>
              new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
          }
        : {};
      const { start, transport, clock, slices, released } = setUp({ ...(answer ? { answer } : {}), hasher: abortable });
      const upload = start({ integrity: 'sha1', signal: controller.signal });
      await clock.settle();
      expect(upload.state.phase).toBe(phase);
      const reason = new Error('enough');
      controller.abort(reason);
      await expect(clock.runUntil(upload.done)).rejects.toBe(reason);
      expect(transport.inFlight).toBe(0);
      expect(upload.state.phase).toBe('cancelled');
      expect(released).toHaveLength(slices.length);
      upload.resume();
      expect(upload.state.phase).toBe('cancelled');
    },
  );

  test.each(['cancelled', 'paused'] as const)(
    '%s while the destination is being locked: whoever comes next finds no lock, and the first to come back neither',
    async (how) => {
      const { start, clock } = setUp({});
      let held = false;
      /** Takes its time, and does not hear of being given up. */
      const lock = async (): Promise<() => Promise<void>> => {
        if (held) throw new CosSliceError('locked', 'another upload runs');
        held = true;
        await clock.sleep(100, new AbortController().signal);
        return async () => {
          await clock.sleep(100, new AbortController().signal);
          held = false;
        };
      };
      const resume = { ...memoryStore(), lock };
      const controller = new AbortController();
      const upload = start({ resume, signal: controller.signal });
      await clock.advance(50);
      expect(held).toBe(true);
      if (how === 'paused') {
        upload.pause();
        upload.resume();
        await clock.runUntil(upload.done);
      } else {
        controller.abort('enough');
        await expect(clock.runUntil(upload.done)).rejects.toBe('enough');
        expect(held).toBe(false);
        await clock.runUntil(start({ resume }).done);
      }
      expect(held).toBe(false);
    },
  );

  test('cancelling before it starts sends nothing', async () => {
    const { start, transport, clock } = setUp({});
    const upload = start({ signal: AbortSignal.abort('no') });
    await expect(clock.runUntil(upload.done)).rejects.toBe('no');
    expect(transport.transcript).toEqual([]);
  });

  test.each(phases)(
    'pausing while %s aborts what does not come to its end soon, and frees its places; resuming goes on',
    async (phase, answer) => {
      let hang = true;
      let hashes = 0;
      const limiter = createLimiter(3);
      const { start, transport, clock } = setUp({
        answer: (request, index) => {
          const reply = answer?.(request, index);
          return hang ? reply : undefined;
        },
        hasher:
          phase === 'hashing'
            ? {
                uploadParts: (_s, _n, { signal, from, onCheckpoint }) => {
                  hashes += 1;
                  if (hashes > 1) {
                    expect(from).toEqual({ hashedBytes: 5, data: 'half' });
                    return Promise.resolve({ sha: SHA, parts: [] });
                  }
                  onCheckpoint({ hashedBytes: 5, data: 'half' });
                  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
                },
              }
            : {},
      });
      const upload = start({ integrity: 'sha1', concurrency: limiter });
      await clock.settle();
      expect(upload.state.phase).toBe(phase);
      upload.pause();
      upload.pause();
      await clock.advance(100_000);
      expect(upload.state).toMatchObject({ phase, paused: true });
      expect(transport.inFlight).toBe(0);
      // Every place is free.
      const free = new AbortController().signal;
      const leaves = await Promise.all([1, 2, 3].map(() => limiter.acquire(free)));
      for (const leave of leaves) leave({ outcome: 'neutral', bytes: 0 });
      hang = false;
      upload.resume();
      upload.resume();
      await clock.runUntil(upload.done);
    },
  );

  test('a paused upload sends nothing until resumed', async () => {
    const { start, transport, clock } = setUp({});
    const upload = start();
    upload.pause();
    await clock.advance(10_000);
    expect(transport.transcript).toEqual([]);
    upload.resume();
    await clock.runUntil(upload.done);
  });
});

describe('what is in flight when an upload is paused', () => {
  test('has a moment to come to its end, and nothing new starts', async () => {
    const { start, transport, clock } = setUp({
      answer: async ({ fields, context }) => {
        await clock.sleep(fields.op === 'upload_slice_data' ? 3_000 : 0, context.signal);
        return happy({ fields });
      },
    });
    const upload = start();
    await clock.advance(1_000);
    upload.pause();
    await clock.advance(60_000);
    expect(sends(transport.transcript)).toHaveLength(3);
    expect(upload.state).toMatchObject({ paused: true, waitingFor: undefined });
    expect(upload.state.progress).toMatchObject({ confirmedBytes: 3 * SLICE, fraction: 0.3, resentBytes: 0 });
    expect(upload.state.progress.slices).toMatchObject({ stored: 3, inFlight: 0 });
    upload.resume();
    const { sentBytes } = await clock.runUntil(upload.done);
    expect(sentBytes).toBe(10 * SLICE);
  });

  test('is aborted when it takes longer', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_data' ? 'hang' : undefined),
    });
    const upload = start();
    await clock.advance(1_000);
    upload.pause();
    await clock.advance(4_000);
    expect(transport.inFlight).toBe(3);
    await clock.advance(2_000);
    expect(transport.inFlight).toBe(0);
    expect(upload.state.progress.slices).toMatchObject({ inFlight: 0 });
  });

  test('goes on undisturbed when the upload is resumed in time', async () => {
    const { start, transport, clock } = setUp({
      answer: async ({ fields, context }) => {
        await clock.sleep(fields.op === 'upload_slice_data' ? 8_000 : 0, context.signal);
        return happy({ fields });
      },
    });
    const upload = start();
    await clock.advance(1_000);
    upload.pause();
    await clock.advance(2_000);
    upload.resume();
    await clock.runUntil(upload.done);
    expect(sends(transport.transcript)).toHaveLength(10);
  });

  test('may be the finish, which is heard', async () => {
    const { start, transport, clock } = setUp({
      answer: async ({ fields, context }) => {
        if (fields.op === 'upload_slice_finish') await clock.sleep(3_000, context.signal);
        return happy({ fields });
      },
    });
    const upload = start();
    await clock.settle();
    expect(upload.state.phase).toBe('finishing');
    upload.pause();
    await clock.runUntil(upload.done);
    expect(transport.transcript.at(-1)).toBe('upload_slice_finish');
  });

  test('does not go for hashing, which stops at once and goes on where it was', async () => {
    let stopped = false;
    const { start, clock } = setUp({
      hasher: {
        uploadParts: (_source, _sliceSizeBytes, { from, signal, onCheckpoint }) => {
          if (from) return Promise.resolve({ sha: SHA, parts: [] });
          onCheckpoint({ hashedBytes: SLICE, data: 'so far' });
          return new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () => {
              stopped = true;
              reject(signal.reason);
            }),
          );
        },
      },
    });
    const upload = start({ integrity: 'sha1' });
    await clock.settle();
    upload.pause();
    await clock.settle();
    expect(stopped).toBe(true);
    upload.resume();
    await clock.runUntil(upload.done);
  });
});
