import { describe, expect, test } from 'vitest';
import { createLimiter } from '../batch/limiter.ts';
import { CosSliceError } from '../errors.ts';
import type { AttemptReport, ByteRange, Limiter, Network } from '../ports.ts';
import type { ScriptedRequest } from '../testing/scripted-transport.ts';
import { code, FOUND, happy, ok, refuse, SLICE, sends, setUp } from '../testing/setting.ts';

describe('a kept connection that the other side had closed', () => {
  const stale = () => new CosSliceError('network', 'closed', { remedy: 'backoff', stale: true });

  test('costs neither a pause nor an attempt', async () => {
    const { start, clock, transport } = setUp({
      options: { retry: { attempts: 1, baseDelayMs: 3_600_000, maxDelayMs: 3_600_000 } },
      answer: ({ fields }, index) => (index % 2 === 0 && fields.op !== 'upload_slice_list' ? stale() : undefined),
    });
    const startedAtMs = clock.nowMs();
    await clock.runUntil(start({ concurrency: 1 }).done);
    expect(clock.nowMs() - startedAtMs).toBeLessThan(60_000);
    expect(transport.requests.length).toBeGreaterThan(20);
  });

  test('leaves it open whether the server had acted: an object that is there then may be ours', async () => {
    let singles = 0;
    const { start, clock } = setUp({
      size: 1000,
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_list') return ok({ ...FOUND, filesize: 1000, sha: 'sha1-0' });
        singles += 1;
        return singles === 1 ? stale() : refuse(-177, 409);
      },
    });
    await clock.runUntil(start({ integrity: 'md5' }).done);
    expect(singles).toBe(2);
  });
});

describe('retry', () => {
  test('waits longer each time, with jitter, and then gives up', async () => {
    const times: number[] = [];
    const { start, clock } = setUp({
      size: 2 * SLICE,
      options: { concurrency: 1, retry: { attempts: 4, baseDelayMs: 1000 } },
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data') return undefined;
        times.push(clock.nowMs());
        return refuse(-5997, 503);
      },
    });
    const startedAtMs = clock.nowMs();
    expect(await clock.runUntil(code(start().done))).toBe('unavailable');
    // Half of 1, 2 and 4 seconds.
    expect(times.map((time) => time - startedAtMs)).toEqual([0, 500, 1500, 3500]);
  });

  test('honours Retry-After', async () => {
    const times: number[] = [];
    const { start, clock } = setUp({
      size: 2 * SLICE,
      options: { concurrency: 1 },
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data' || times.length > 1) return undefined;
        times.push(clock.nowMs());
        return refuse(-71, 503, { 'Retry-After': '7' });
      },
    });
    await clock.runUntil(start().done);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBe(7000);
  });

  test.each([
    [-47, 403, 'unauthorized'],
    [-97, 403, 'unauthorized'],
    [-133, 404, 'bucket-not-found'],
    [-177, 409, 'exists'],
    [-284, 400, 'bad-request'],
    [-31337, 400, 'bad-request'],
  ])('code %i is final: one attempt, error %s', async (wireCode, status, expected) => {
    const { start, transport, clock } = setUp({ answer: () => refuse(wireCode, status) });
    const failure = start().done.catch((error) => error);
    const error = await clock.runUntil(failure);
    expect(error).toMatchObject({ code: expected, wireCode, httpStatus: status, requestId: 'r1' });
    expect(error.message).not.toContain('\n');
    expect(transport.transcript).toHaveLength(1);
  });

  test('final errors stop everything at once (ali-oss#196)', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data') return undefined;
        return fields.offset === '0' ? refuse(-97, 403) : 'hang';
      },
    });
    expect(await clock.runUntil(code(start().done))).toBe('unauthorized');
    expect(transport.inFlight).toBe(0);
    expect(sends(transport.transcript)).toHaveLength(3);
  });

  test('an address where nothing answers is given up soon', async () => {
    const refused = new CosSliceError('network', 'refused', { remedy: 'backoff', unreachable: true });
    const { start, transport, clock } = setUp({ answer: () => refused });
    expect(await clock.runUntil(code(start().done))).toBe('network');
    expect(transport.transcript).toHaveLength(3);
  });

  test('a server that goes away in the middle and comes back is waited for', async () => {
    let outage = 0;
    const { start, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data' || Number(fields.offset) < 3 * SLICE) return undefined;
        outage += 1;
        return outage < 15
          ? new CosSliceError('network', 'refused', { remedy: 'backoff', unreachable: true })
          : undefined;
      },
    });
    await clock.runUntil(start().done);
  });

  test('replies that are not JSON are retried', async () => {
    let times = 0;
    const { start, clock } = setUp({
      answer: () => {
        times += 1;
        return times < 3 ? { status: 502, text: '<html>bad gateway</html>' } : undefined;
      },
    });
    await clock.runUntil(start().done);
  });

  test('being offline waits and costs no attempt (uppy#2978)', async () => {
    let online = true;
    let wentOffline = false;
    const listeners = new Set<() => void>();
    const network: Network = {
      online: () => online,
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    const set = (value: boolean): void => {
      online = value;
      for (const listener of listeners) listener();
    };
    const { start, transport, clock } = setUp({
      network,
      options: { retry: { attempts: 1 } },
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data') return undefined;
        if (fields.offset === '0' && !wentOffline) {
          wentOffline = true;
          set(false);
        }
        return online ? undefined : new CosSliceError('network', 'lost', { remedy: 'backoff' });
      },
    });
    const upload = start();
    await clock.advance(3_600_000);
    expect(upload.state).toMatchObject({ phase: 'sending', online: false });
    expect(transport.inFlight).toBe(0);
    set(true);
    await clock.runUntil(upload.done);
    expect(listeners.size).toBe(0);
  });
});

describe('nothing hangs', () => {
  test.each([
    ['connect', 'hang' as const, 10_000],
    // And what a line of 0.5 Mbit/s takes for what is under way.
    ['response', 'after-sending' as const, 30_000 + SLICE / 64],
    ['no-progress', 'after-a-bit' as const, 30_000],
  ])('%s timeout', async (phase, how, afterMs) => {
    const { start, clock } = setUp({
      options: { retry: { attempts: 1 } },
      answer: ({ fields, context }) => {
        if (fields.op !== 'upload_slice_data') return undefined;
        if (how !== 'hang') context.onConnected();
        if (how === 'after-sending') context.onSent(SLICE);
        if (how === 'after-a-bit') context.onSent(10);
        return 'hang';
      },
    });
    const startedAtMs = clock.nowMs();
    const error = await clock.runUntil(start().done.catch((failure) => failure));
    expect(error).toMatchObject({ code: 'timeout', phase });
    expect(clock.nowMs() - startedAtMs).toBe(afterMs);
  });

  test('progress keeps an attempt alive', async () => {
    const { start, clock } = setUp({
      size: 2 * SLICE,
      options: { retry: { attempts: 1 } },
      answer: async ({ fields, context }) => {
        if (fields.op !== 'upload_slice_data') return happy({ fields } as ScriptedRequest<ByteRange>);
        context.onConnected();
        for (let sent = 0; sent < 10; sent += 1) {
          await clock.sleep(20_000, context.signal);
          context.onSent(sent * 1000);
        }
        return ok({});
      },
    });
    await clock.runUntil(start().done);
  });

  test('a slow link gets more time at each attempt', async () => {
    const { start, clock } = setUp({
      size: 2 * SLICE,
      options: { concurrency: 1 },
      answer: async ({ fields, context }) => {
        if (fields.op !== 'upload_slice_data') return happy({ fields } as ScriptedRequest<ByteRange>);
        context.onConnected();
        // The kernel swallows the whole slice at once; the reply takes as long as the link needs.
        context.onSent(SLICE);
        await clock.sleep(100_000, context.signal);
        return ok({});
      },
    });
    await clock.runUntil(start().done);
  });
});

test('a limiter is told of each slice how it ended, and how much of it is there', async () => {
  const inner = createLimiter(1);
  const reports: AttemptReport[] = [];
  const limiter: Limiter = {
    ...inner,
    get limit() {
      return inner.limit;
    },
    async acquire(...given) {
      const leave = await inner.acquire(...given);
      return (report) => {
        reports.push(report);
        leave(report);
      };
    },
  };
  const replies = [refuse(-71, 503), new CosSliceError('network', 'reset', { remedy: 'backoff' }), undefined];
  const { start, clock } = setUp({
    size: 2 * SLICE,
    answer: ({ fields }) => (fields.op === 'upload_slice_data' ? replies.shift() : undefined),
  });
  await clock.runUntil(start({ concurrency: limiter }).done);
  expect(reports.filter(({ outcome }) => outcome !== 'neutral')).toEqual([
    { outcome: 'busy', bytes: 0 },
    { outcome: 'failed', bytes: 0 },
    { outcome: 'ok', bytes: SLICE },
    { outcome: 'ok', bytes: SLICE },
  ]);
});

test.each([
  ['one at a time', {}, { concurrency: 1 }],
  ['in a serial session', { serial_upload: 1 }, {}],
])('a line that was quick and becomes slow is waited for, %s', async (_how, session, options) => {
  let sent = 0;
  const { start, clock } = setUp({
    options,
    answer: async ({ fields, context }) => {
      if (fields.op === 'upload_slice_init') return ok({ session: 's1', slice_size: SLICE, ...session });
      if (fields.op !== 'upload_slice_data') return happy({ fields });
      sent += 1;
      // Something on the way takes all at once, so that there is no sign until the answer.
      context.onConnected();
      context.onSent(SLICE);
      await clock.sleep(sent > 6 ? 100_000 : 200, context.signal);
      return happy({ fields });
    },
  });
  await clock.runUntil(start().done);
});
