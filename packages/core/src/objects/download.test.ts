import { describe, expect, test, vi } from 'vitest';
import type { ByteRange, Transport } from '../ports.ts';
import { createManualClock } from '../testing/manual-clock.ts';
import { FILE } from '../testing/object-setting.ts';
import { createScriptedTransport } from '../testing/scripted-transport.ts';
import { ok } from '../testing/setting.ts';
import { createObjectClient } from './client.ts';
import type { DownloadOptions, Sink } from './download.ts';

const never = (): Promise<never> => new Promise(() => {});

interface Faults extends Partial<Sink> {
  /** Before the head comes, and before the body. */
  readonly delaysMs?: readonly [head: number, body: number];
  readonly reportsProgress?: boolean;
}

function setUp(
  { delaysMs = [0, 0], reportsProgress = true, ...faults }: Faults = {},
  sizeBytes: number = FILE.filelen,
) {
  const clock = createManualClock();
  const received: number[] = [];
  const { send } = createScriptedTransport<ByteRange>(() =>
    ok({ ...FILE, filesize: `${sizeBytes}`, filelen: sizeBytes }),
  );
  const transport: Transport<ByteRange> = {
    reportsProgress,
    send,
    async receive(_request, { signal }) {
      received.push(clock.monotonicMs());
      const [headMs, bodyMs] = delaysMs;
      if (headMs > 0) await clock.sleep(headMs, signal);
      async function* body() {
        if (bodyMs > 0) await clock.sleep(bodyMs, signal);
        yield new Uint8Array(sizeBytes);
      }
      return { status: 200, header: () => undefined, body: body() };
    },
  };
  const leave = vi.fn(async () => {});
  const sink: Sink = {
    ordered: false,
    open: async () => ({ kept: [] }),
    write: async () => {},
    discard: async () => {},
    finish: async () => {},
    leave,
    ...faults,
  };
  const client = createObjectClient<ByteRange>(
    {
      endpoint: 'http://cos.test/files/v2',
      appId: '10055004',
      bucket: 'demobucket',
      signer: () => 'U0lHTkFUVVJF',
    },
    { transport, clock, random: () => 0.5 },
  );
  return { clock, leave, received, start: (options?: DownloadOptions) => client.downloadTo(sink, 'a', options) };
}

describe('a sink that hangs', () => {
  test.each(['open', 'write', 'finish'] as const)('in %s is told by name', async (call) => {
    const { clock, start, leave } = setUp({ [call]: never });
    const download = start();
    await clock.advance(100_000);
    expect(download.state.error).toMatchObject({
      code: 'target-unwritable',
      message: expect.stringContaining('something hangs'),
    });
    expect(leave).toHaveBeenCalledTimes(1);
    expect(clock.sleepers).toBe(0);
  });

  test.each([
    ['open', {}],
    ['write', {}],
    ['write', { unhurried: true, ordered: true }],
    ['finish', {}],
    ['finish', { unhurried: true, ordered: true }],
  ] as const)('in %s, %j, and when it is left, does not keep a cancelled download from ending', async (call, kind) => {
    const controller = new AbortController();
    const { clock, start } = setUp({ ...kind, [call]: never, leave: never });
    const download = start({ signal: controller.signal });
    await clock.settle();
    controller.abort('enough');
    await clock.advance(7_000);
    expect(download.state.phase).toBe('cancelled');
    await expect(download.done).rejects.toBe('enough');
  });

  test('and opens after all is left then', async () => {
    let open = (_opened: { readonly kept: [] }): void => {};
    const { clock, start, leave } = setUp({ open: () => new Promise((resolve) => (open = resolve)) });
    start();
    await clock.advance(100_000);
    open({ kept: [] });
    await clock.settle();
    expect(leave).toHaveBeenCalledTimes(2);
  });
});

test('a sink that takes bytes in its own time is waited for', async () => {
  const { signal } = new AbortController();
  const { clock, start } = setUp({
    ordered: true,
    unhurried: true,
    write: () => clock.sleep(3_600_000, signal),
    finish: () => clock.sleep(3_600_000, signal),
  });
  const startedAtMs = clock.monotonicMs();
  await clock.runUntil(start().done);
  expect(clock.monotonicMs() - startedAtMs).toBe(2 * 3_600_000);
});

test('a large file may take as long to be checked as a slow disk does', async () => {
  const { signal } = new AbortController();
  const { clock, start } = setUp({ ordered: true, finish: () => clock.sleep(100_000, signal) }, 12_000_000);
  await clock.runUntil(start().done);
});

test('what is cancelled may end what it is writing', async () => {
  const controller = new AbortController();
  const kept: ByteRange[] = [];
  const { clock, start } = setUp({
    async write() {
      controller.abort('enough');
      await clock.sleep(500, new AbortController().signal);
    },
    keep: (range) => void kept.push(range),
  });
  await expect(clock.runUntil(start({ signal: controller.signal }).done)).rejects.toBe('enough');
  expect(kept).toEqual([{ offset: 0, length: FILE.filelen }]);
});

describe('what is on the way takes all before it passes anything on', () => {
  test.each([
    ['before the head', [300_000, 0], 4],
    ['after the head', [0, 300_000], 5],
  ] as const)('and is waited for twice as long with each attempt: %s', async (_when, delaysMs, attempts) => {
    const { clock, start, received } = setUp({ delaysMs });
    await clock.runUntil(start().done);
    expect(received).toHaveLength(attempts);
  });

  test('or has a queue that nobody sees, and is broken off once', async () => {
    const { clock, start, received } = setUp({ delaysMs: [300_000, 0], reportsProgress: false });
    await clock.runUntil(start().done);
    expect(received).toHaveLength(2);
  });
});
