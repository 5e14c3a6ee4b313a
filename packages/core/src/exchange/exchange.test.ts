import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { SendContext, SignClaim, Transport, WireResponse } from '../ports.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import type { Operation } from '../protocol/operations.ts';
import { createManualClock, type ManualClock } from '../testing/manual-clock.ts';
import { createExchange, type Exchange } from './exchange.ts';
import { createTraffic } from './traffic.ts';

const MIB = 1024 * 1024;
const TIMEOUTS = { connectMs: 10_000, noProgressMs: 30_000, responseMs: 30_000 };

const slice = (sizeBytes: number): Operation<null, 'slice'> => {
  return { op: 'slice', session: 's', index: 0, range: { offset: 0, length: sizeBytes }, content: null };
};
const LIST: Operation<null, 'list'> = { op: 'list' };

interface Reply {
  readonly code?: number;
  readonly status?: number;
  readonly date?: string;
}

function setUp(
  answer: (context: SendContext, index: number, clock: ManualClock) => Promise<Reply>,
  traits: Partial<Transport<null>> = {},
) {
  const clock = createManualClock();
  const claims: SignClaim[] = [];
  let sent = 0;
  const transport: Transport<null> = {
    reportsProgress: true,
    ...traits,
    async send(_request, context): Promise<WireResponse> {
      sent += 1;
      const aborted = new Promise<never>((_resolve, reject) =>
        context.signal.addEventListener('abort', () => reject(context.signal.reason)),
      );
      const { code = 0, status = 200, date } = await Promise.race([answer(context, sent - 1, clock), aborted]);
      const body = JSON.stringify({ code, message: `E${-code}` });
      return { status, header: (name) => (name === 'date' ? date : undefined), body };
    },
  };
  const exchange: Exchange<null> = createExchange({
    wire: jsonApi,
    target: { endpoint: 'http://cos.test/files/v2', appId: '1', bucket: 'b', path: 'p' },
    transport,
    signer: {
      sign: async (claim) => {
        claims.push(claim);
        return `c2ln${String(claims.length).padStart(4, '0')}`;
      },
    },
    clock,
    timeouts: TIMEOUTS,
    traffic: createTraffic(),
    life: new AbortController().signal,
  });
  const run = (operation: Operation<null>, attempt = 0): Promise<unknown> =>
    exchange.run(operation, { attempt, controller: new AbortController() }).then(
      ({ reply, slow }) => (slow ? 'slow' : reply.kind),
      (error) => error,
    );
  return { clock, claims, exchange, run };
}

const never = new Promise<never>(() => {});
const inMs = async (clock: ManualClock, delayMs: number): Promise<Reply> => {
  await clock.sleep(delayMs, new AbortController().signal);
  return {};
};

/** How long an attempt lasts that nobody ends. */
async function patienceOf(
  sending: (context: SendContext) => void,
  operation: Operation<null>,
  {
    attempt = 0,
    others = 0,
    traits = {},
  }: { attempt?: number; others?: number; traits?: Partial<Transport<null>> } = {},
): Promise<{ afterMs: number; error: CosSliceError }> {
  const { clock, run } = setUp(async (context, index) => {
    if (index < others) context.onConnected();
    else sending(context);
    return never;
  }, traits);
  for (let other = 0; other < others; other += 1) void run(slice(MIB), 4);
  await clock.settle();
  const startedAtMs = clock.monotonicMs();
  const error = (await clock.runUntil(run(operation, attempt))) as CosSliceError;
  return { afterMs: clock.monotonicMs() - startedAtMs, error };
}

describe('how long an attempt may take', () => {
  const allAtOnce = (context: SendContext): void => {
    context.onConnected();
    context.onSent(MIB);
  };
  const nothing = (): void => {};

  test('what has left at once is given what the line may take for all that is under way (proxies that buffer)', async () => {
    const alone = await patienceOf(allAtOnce, slice(MIB));
    expect(alone.error).toMatchObject({ code: 'timeout', phase: 'response' });
    expect(alone.afterMs).toBe(30_000 + MIB / 64);
    const withOthers = await patienceOf(allAtOnce, slice(MIB), { others: 7 });
    expect(withOthers.afterMs).toBe(30_000 + (8 * MIB) / 64);
  });

  test('what was broken off once without a sign is not broken off again before it can have arrived', async () => {
    // 64 kbit/s: 8 MiB take 1049 s.
    const again = await patienceOf(allAtOnce, slice(MIB), { attempt: 1, others: 7 });
    expect(again.afterMs).toBeGreaterThan(1_049_000);
    const silent = await patienceOf(nothing, slice(MIB), { attempt: 1, others: 7, traits: { queues: true } });
    expect(silent.afterMs).toBeGreaterThan(again.afterMs);
  });

  test('a request in a browser’s queue is not timed as one that connects', async () => {
    const queued = await patienceOf(nothing, LIST, { traits: { queues: true } });
    expect(queued).toMatchObject({ afterMs: 70_000, error: { code: 'timeout', phase: 'response' } });
    const behindOthers = await patienceOf(nothing, slice(MIB), { others: 5, traits: { queues: true } });
    expect(behindOthers.afterMs).toBe(70_000 + (6 * MIB) / 64);
    const connecting = await patienceOf(nothing, LIST);
    expect(connecting).toMatchObject({ afterMs: 10_000, error: { phase: 'connect' } });
  });

  test('a sign of life ends the waiting in the dark', async () => {
    const moving = await patienceOf((context) => context.onSent(1000), slice(MIB), { traits: { queues: true } });
    expect(moving).toMatchObject({ afterMs: 30_000, error: { phase: 'no-progress' } });
  });

  test('a server that may have to copy the content is waited for', async () => {
    const connected = (context: SendContext): void => context.onConnected();
    const init = { op: 'init', sizeBytes: 1, sliceSizeBytes: 1, overwrite: false } as const;
    expect((await patienceOf(connected, { ...init, sha: 'a'.repeat(40) })).afterMs).toBe(480_000);
    expect((await patienceOf(connected, init)).afterMs).toBe(30_000);
    expect((await patienceOf(connected, LIST)).afterMs).toBe(30_000);
  });

  test('a line that has shown what it carries is trusted less than it has shown, until it is late', async () => {
    const { clock, run } = setUp(async (context, index, time) => {
      context.onConnected();
      context.onSent(MIB);
      // 1 MiB a second.
      return index === 0 ? inMs(time, 1000) : never;
    });
    await clock.runUntil(run(slice(MIB)));
    const span = async (): Promise<number> => {
      const startedAtMs = clock.monotonicMs();
      await clock.runUntil(run(slice(MIB)));
      return clock.monotonicMs() - startedAtMs;
    };
    expect(await span()).toBe(34_000);
    expect(await span()).toBe(30_000 + MIB / 64);
  });

  test('answers that take half the time allowed are called slow', async () => {
    const { clock, run } = setUp(async (context, index, time) => {
      context.onConnected();
      if (index === 2) return inMs(time, 20_000);
      context.onSent(MIB);
      return inMs(time, index === 0 ? 20_000 : 10_000);
    });
    expect(await clock.runUntil(run(slice(MIB)))).toBe('slow');
    expect(await clock.runUntil(run(slice(MIB)))).toBe('stored');
    expect(await clock.runUntil(run(LIST)), 'a list has nothing to send').toBeInstanceOf(CosSliceError);
  });
});

describe('a slice that stands out among its fellows', () => {
  const BYTES = 64 * 1024;

  /** Slices that are answered after so many ms; `undefined`: never, though all of it has left. */
  function line(answers: readonly (number | undefined)[]) {
    const { clock, run } = setUp(async (context, index, time) => {
      context.onConnected();
      context.onSent(BYTES);
      const answerMs = answers[index];
      return answerMs === undefined ? never : inMs(time, answerMs);
    });
    const send = async (attempt = 0): Promise<{ afterMs: number; came: unknown }> => {
      const startedAtMs = clock.monotonicMs();
      const came = await run(slice(BYTES), attempt);
      return { afterMs: clock.monotonicMs() - startedAtMs, came };
    };
    const arrive = async (count: number): Promise<void> => {
      for (let sent = 0; sent < count; sent += 1) expect((await clock.runUntil(send())).came).toBe('stored');
    };
    return { clock, send, arrive };
  }
  const early = { code: 'timeout', stale: true };
  const inTime = { code: 'timeout', stale: false };

  test('is given up long before its time, to be sent again at once', async () => {
    const { clock, send, arrive } = line([2000, 2000, 2000, 2000, undefined]);
    await arrive(4);
    expect(await clock.runUntil(send())).toMatchObject({ afterMs: 6000, came: early });
  });

  test('has five seconds at least', async () => {
    const { clock, send, arrive } = line([5, 5, 5, 5, undefined]);
    await arrive(4);
    expect(await clock.runUntil(send())).toMatchObject({ afterMs: 5000, came: early });
  });

  test('is compared with enough fellows, the slowest of them, for as much as is under way', async () => {
    const few = line([500, 500, 500, undefined]);
    await few.arrive(3);
    expect(await few.clock.runUntil(few.send())).toMatchObject({ came: inTime });
    const uneven = line([500, 2500, 500, 500, undefined]);
    await uneven.arrive(4);
    expect(await uneven.clock.runUntil(uneven.send())).toMatchObject({ afterMs: 7500, came: early });
    // Behind three others on a line that may carry one after another; the last of them arrives when it is silent already.
    const behind = line([500, 500, 500, 500, 400, 800, 1200, undefined]);
    await behind.arrive(4);
    const others = [behind.send(), behind.send(), behind.send()];
    const last = behind.send();
    await behind.clock.runUntil(Promise.all(others));
    expect(await behind.clock.runUntil(last)).toMatchObject({ afterMs: 4 * 1500, came: early });
  });

  test('does not, where nothing moves', async () => {
    const { clock, send, arrive } = line([500, 500, 500, 500, undefined, undefined]);
    await arrive(4);
    const both = [send(), send()];
    expect(await clock.runUntil(both[0] as Promise<unknown>)).toMatchObject({ came: inTime });
    // The other one is alone now, and nobody can say that it stands out.
    expect(await clock.runUntil(both[1] as Promise<unknown>)).toMatchObject({ came: { code: 'timeout' } });
  });

  test('comes seldom: the others wait, though no longer than their fellows justify, and each attempt twice as long', async () => {
    const { clock, send, arrive } = line(Array(12).fill(500));
    await arrive(12);
    expect((await clock.runUntil(send())).came).toMatchObject(early);
    expect(await clock.runUntil(send())).toMatchObject({ afterMs: 30_000, came: inTime });
    // Beside that, failed attempts would give it 16 times what the line may take.
    expect(await clock.runUntil(send(1))).toMatchObject({ afterMs: 60_000, came: inTime });
    expect(await clock.runUntil(send(2))).toMatchObject({ afterMs: 120_000, came: inTime });
  });

  test('is not what goes whole in one request: it might be there already', async () => {
    const upload: Operation<null> = { op: 'single', sizeBytes: BYTES, content: null, overwrite: false };
    const { clock, run } = setUp(async (context, index, time) => {
      context.onConnected();
      context.onSent(BYTES);
      return index < 4 ? inMs(time, 500) : never;
    });
    for (let sent = 0; sent < 4; sent += 1) await clock.runUntil(run(slice(BYTES)));
    expect(await clock.runUntil(run(upload))).toMatchObject(inTime);
  });

  test('may move, and yet be far behind', async () => {
    const { clock, run } = setUp(async (context, index, time) => {
      context.onConnected();
      if (index < 4) return inMs(time, 500);
      for (let sent = 1; ; sent += 1) {
        context.onSent(sent);
        await inMs(time, 400);
      }
    });
    for (let sent = 0; sent < 4; sent += 1) await clock.runUntil(run(slice(BYTES)));
    const startedAtMs = clock.monotonicMs();
    expect(await clock.runUntil(run(slice(BYTES)))).toMatchObject(early);
    expect(clock.monotonicMs() - startedAtMs).toBeGreaterThanOrEqual(20_000);
  });
});

describe('clocks that differ', () => {
  const at = (clock: ManualClock, aheadMs: number): string => new Date(clock.nowMs() - aheadMs).toUTCString();
  const refusing = (code: number, aheadMs: number) =>
    setUp(async (_context, index, clock) =>
      index === 0 ? { code, status: 403, date: at(clock, aheadMs) } : { code: -197, status: 404 },
    );

  test('by hours: signatures go by the server’s clock from then on', async () => {
    for (const aheadMs of [2 * 3600_000, -5 * 3600_000]) {
      const { clock, claims, run } = refusing(-59, aheadMs);
      expect(await run(LIST)).toMatchObject({ code: 'signature-expired', remedy: 'resign' });
      expect(await run(LIST, 0)).toBe('absent');
      expect((claims[1]?.nowSec ?? 0) * 1000).toBe(clock.nowMs() - aheadMs);
    }
  });

  test.each([
    [-97, 365, 'the clock of this machine is 365 days ahead of the server'],
    [-48, -3, 'the clock of this machine is 3 days behind the server'],
  ])('by days: a refusal (%i) is told as that and not as a wrong key', async (code, daysAhead, message) => {
    const { claims, clock, run } = refusing(code, daysAhead * 86_400_000);
    const error = (await run(LIST)) as CosSliceError;
    expect(error).toMatchObject({ code: 'unauthorized', remedy: 'none', wireCode: code, httpStatus: 403 });
    expect(error.message).toContain(message);
    expect(error.message).not.toMatch(/secret/);
    await run(LIST);
    // A wrong Date must not make anybody sign for another year.
    expect((claims.at(-1)?.nowSec ?? 0) * 1000).toBe(clock.nowMs());
  });

  test('by days: a signer with a good clock of its own is asked again first', async () => {
    const { run } = refusing(-59, 365 * 86_400_000);
    const error = (await run(LIST)) as CosSliceError;
    expect(error).toMatchObject({ code: 'signature-expired', remedy: 'resign' });
    expect(error.message).toContain('365 days ahead');
    expect(await run(LIST)).toBe('absent');
  });

  test('a wrong key with a good clock is called a wrong key', async () => {
    const { run } = refusing(-97, 60_000);
    expect(((await run(LIST)) as CosSliceError).message).toContain('secret key');
  });
});
