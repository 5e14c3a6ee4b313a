import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import { FOUND, happy, memoryStore, ok, refuse, SHA, SLICE, setUp, switchedNetwork } from '../testing/setting.ts';

const lost = (): CosSliceError => new CosSliceError('network', 'lost', { remedy: 'backoff' });

describe('a network that is said to be gone', () => {
  test('is looked for at once and now and then, at no cost, and the upload says that it waits', async () => {
    const network = switchedNetwork(false);
    const { start, transport, clock } = setUp({
      network,
      options: { retry: { attempts: 1 } },
      answer: () => (network.online() ? undefined : lost()),
    });
    const upload = start();
    await clock.advance(600_000);
    expect(upload.state).toMatchObject({ phase: 'opening', online: false, waitingFor: 'network' });
    expect(transport.transcript.length).toBeGreaterThan(10);
    expect(transport.transcript.length).toBeLessThan(100);
    expect(transport.mostInFlight).toBe(1);
    network.set(true);
    await clock.runUntil(upload.done);
    expect(network.listeners).toBe(0);
  });

  test('and is there all the same does not hold an upload up', async () => {
    const { start, transport, clock } = setUp({ network: switchedNetwork(false) });
    const upload = start();
    await clock.runUntil(upload.done);
    expect(transport.mostInFlight).toBe(3);
  });

  test('and is there all the same, where the page may not make its requests, does not keep that from being told', async () => {
    const { start, transport, clock } = setUp({
      network: switchedNetwork(false),
      answer: () => new CosSliceError('network', 'no CORS headers', { remedy: 'backoff', opaque: true, reached: true }),
    });
    const { done } = start();
    done.catch(() => {});
    await clock.advance(600_000);
    await expect(Promise.race([done, 'still waits'])).rejects.toMatchObject({ message: 'no CORS headers' });
    expect(transport.transcript).toHaveLength(5);
  });

  test('keeps no file from being opened, remembered and hashed', async () => {
    const network = switchedNetwork();
    const { open, source, transport, clock } = setUp({
      network,
      hasher: {
        async uploadParts(_source, _size, { onProgress, signal }) {
          onProgress(4 * SLICE);
          await clock.sleep(1_000, signal);
          return { sha: SHA, parts: [] };
        },
      },
    });
    const opens: number[] = [];
    const looks: string[] = [];
    const resume = { ...memoryStore(), load: async (key: string) => void looks.push(key) };
    const openSource = async () => {
      network.set(false);
      if (opens.push(clock.nowMs()) === 1) throw lost();
      return source;
    };
    const upload = open(openSource, { integrity: 'sha1', resume });
    await clock.advance(1_500);
    expect([opens.length, looks.length]).toEqual([2, 1]);
    expect(upload.state).toMatchObject({ phase: 'hashing', progress: { hashedBytes: 4 * SLICE } });
    await clock.advance(1_500);
    expect(upload.state).toMatchObject({ phase: 'opening', progress: { hashedBytes: 10 * SLICE } });
    expect(transport.transcript).toEqual([]);
    await clock.runUntil(upload.done);
  });

  test('in the middle leaves what is in flight to tell', async () => {
    const network = switchedNetwork();
    const { start, transport, clock } = setUp({
      network,
      answer: async ({ fields, context }) => {
        await clock.sleep(fields.op === 'upload_slice_data' ? 8_000 : 0, context.signal);
        return happy({ fields });
      },
    });
    const upload = start();
    await clock.advance(2_000);
    network.set(false);
    await clock.advance(5_000);
    expect(upload.state).toMatchObject({ online: false });
    expect(transport.inFlight).toBe(3);
    await clock.runUntil(upload.done);
    expect(transport.transcript.filter((line) => line.startsWith('upload_slice_data'))).toHaveLength(10);
  });

  test('that goes and comes again and again costs no attempts', async () => {
    const network = switchedNetwork();
    let requests = 0;
    const { start, clock } = setUp({
      network,
      options: { retry: { attempts: 2 } },
      answer: () => {
        requests += 1;
        if (requests % 3 === 0) network.set(false);
        return network.online() ? undefined : lost();
      },
    });
    const upload = start();
    for (let minute = 0; minute < 60 && upload.state.phase !== 'done'; minute += 1) {
      await clock.advance(60_000);
      network.set(true);
    }
    await clock.runUntil(upload.done);
  });

  test('lets what needs no network go on', async () => {
    const network = switchedNetwork(false);
    let hashed = false;
    const { start, clock } = setUp({
      network,
      answer: () => (network.online() ? undefined : lost()),
      hasher: {
        uploadParts: async () => {
          hashed = true;
          return { sha: SHA, parts: [] };
        },
      },
    });
    const upload = start({ integrity: 'sha1' });
    await clock.advance(1_000);
    expect(hashed).toBe(true);
    network.set(true);
    await clock.runUntil(upload.done);
  });

  test('leaves it open whether the finish that was under way was carried out', async () => {
    const network = switchedNetwork();
    let finishes = 0;
    const { start, clock } = setUp({
      network,
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_list') return ok({ ...FOUND, filesize: 10 * SLICE });
        if (fields.op !== 'upload_slice_finish') return undefined;
        finishes += 1;
        if (finishes > 1) return refuse(-197, 404);
        network.set(false);
        return lost();
      },
    });
    const upload = start();
    await clock.advance(1_000);
    network.set(true);
    await clock.runUntil(upload.done);
    expect(finishes).toBe(2);
  });
});
