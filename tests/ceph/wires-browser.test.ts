// Pages that upload over S3 and the XML API of COS, in Chromium, to Ceph and to COS in front of it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UploadResult } from '@cos-slice/browser';
import { type FaultProxy, type Faults, startFaultProxy } from '@cos-slice/testkit/fault-proxy';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ceph } from './support/bucket.ts';
import { contentOf, PAGE_PLACES, PAGE_START, type PageSite, startPages } from './support/pages.ts';
import { dropUploads, partsIn } from './support/s3.ts';
import { PART_BYTES, type WirePlace } from './support/wires.ts';

const endpoint = ceph?.smallEndpoint ?? '';

interface Outcome {
  readonly result?: UploadResult;
  readonly code?: string;
  readonly fraction: number;
}

interface Order {
  readonly kind: 's3' | 'cos';
  readonly endpoint: string;
  readonly bucket: string;
  readonly signer: { readonly secretId: string; readonly secretKey: string };
  readonly path: string;
  readonly sizeBytes: number;
  readonly options?: Options;
}

interface Options {
  readonly integrity?: 'md5';
  readonly bytesPerSecond?: number;
  readonly overwrite?: boolean | 'skip' | 'rename';
  readonly transport?: 'fetch' | 'xhr';
  /** What the page's file input holds is uploaded instead of content of the page's own. */
  readonly picked?: boolean;
}

declare const window: {
  start(order: Order): void;
  outcome(path: string): Promise<Outcome>;
  uploads: Record<string, { pause(): void; resume(): void; cancel(): void; readonly stored: number }>;
};

const PAGE = `${PAGE_START}
  import { uploadBlob } from '@cos-slice/browser';
  window.uploads = {};
  const outcomes = {};
  window.start = ({ signer, path, sizeBytes, options: { bytesPerSecond, picked, ...options } = {}, ...place }) => {
    const bandwidth = bytesPerSecond && createBandwidth(bytesPerSecond);
    const controller = new AbortController();
    const upload = uploadBlob(picked ? document.querySelector('#file').files[0] : contentOf(sizeBytes), {
      wire: wireOf(place), signer, path, sliceSize: minPartBytes, signal: controller.signal, ...options, ...(bandwidth && { bandwidth }),
      retry: { attempts: 1000, attemptsPerUpload: 100000, baseDelayMs: 20, maxDelayMs: 300 },
      timeouts: { connectMs: 10000, responseMs: 5000, noProgressMs: 5000 },
    });
    const fraction = () => upload.state.progress.fraction;
    outcomes[path] = upload.done.then(
      (result) => ({ result: { ...result }, fraction: fraction() }),
      (error) => ({ code: typeof error.code === 'string' ? error.code : error.name, fraction: fraction() }),
    );
    window.uploads[path] = {
      pause: () => upload.pause(),
      resume: () => { if (bandwidth) bandwidth.bytesPerSecond = 1e9; upload.resume(); },
      cancel: () => controller.abort(),
      get stored() { return upload.state.progress.slices.stored; },
    };
  };
  window.outcome = (path) => outcomes[path];
`;

/** Slow enough for something to happen in the middle, however fast the machine. */
const SLOW = { bytesPerSecond: 8 * PART_BYTES };

/** How much goes well on one connection after the other, in parts. */
function chance(parts: readonly number[]): () => number {
  let next = 0;
  return () => (parts[next++ % parts.length] ?? 0) * PART_BYTES;
}

describe.skipIf(!ceph)('a page', () => {
  let pages: PageSite;
  beforeAll(async () => {
    pages = await startPages(PAGE);
  });
  afterAll(() => pages?.close());

  describe.each(PAGE_PLACES)('over %s', (_name, kind, begin) => {
    let place: WirePlace;
    let proxy: FaultProxy;
    let order: (path: string, sizeBytes: number, options?: Options) => Order;
    beforeAll(async () => {
      place = await begin(endpoint);
      proxy = await startFaultProxy(place.port);
      const { bucket } = place;
      const { signer } = place.options;
      order = (path, sizeBytes, options) => ({
        kind,
        endpoint: proxy.url,
        bucket,
        signer,
        path,
        sizeBytes,
        ...(options && { options }),
      });
    });
    afterEach(() => {
      for (const fault of Object.keys(proxy.faults)) delete proxy.faults[fault as keyof Faults];
    });
    afterAll(async () => {
      await proxy?.close();
      await place?.close();
    });

    const start = (page: Page, given: Order) => page.evaluate((one) => window.start(one), given);
    const outcomeOf = (page: Page, { path }: Order) => page.evaluate((one) => window.outcome(one), path);
    const run = async (page: Page, given: Order): Promise<Outcome> => {
      await start(page, given);
      return outcomeOf(page, given);
    };
    const press = (page: Page, { path }: Order, button: 'pause' | 'resume' | 'cancel') =>
      page.evaluate(([one, name]) => window.uploads[one]?.[name](), [path, button] as const);
    const untilStored = (page: Page, { path }: Order, parts: number) =>
      page.waitForFunction(([one, count]) => (window.uploads[one]?.stored ?? 0) >= count, [path, parts] as const, {
        polling: 20,
      });
    const partsLeft = () => partsIn(endpoint, place.bucket);
    /** Parts that are stored, once it has stayed so for a while: what was under way has ended. */
    const settledParts = async (): Promise<number> => {
      for (let before = -1, now = await partsLeft(); ; now = await partsLeft()) {
        if (now === before) return now;
        before = now;
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    };
    /** All of it was stored, some by an earlier page, and nothing else is left. */
    const expectResumed = async (given: Order, { result, code }: Outcome, leastParts: number): Promise<void> => {
      expect(code).toBeUndefined();
      expect(result?.resumedBytes).toBeGreaterThanOrEqual(leastParts * PART_BYTES);
      expect((result?.resumedBytes ?? 0) + (result?.sentBytes ?? 0)).toBe(given.sizeBytes);
      await expectStored(given);
    };
    const expectStored = async (given: Order): Promise<void> => {
      expect(await holds(given)).toBe(true);
      expect(await place.unfinished()).toEqual([]);
    };
    const holds = async ({ path, sizeBytes }: Order): Promise<boolean> =>
      (await place.read(path)).equals(contentOf(sizeBytes));

    test.each([
      ['nothing', 0],
      ['what goes in one request', PART_BYTES],
      ['many parts, the last one short', 20 * PART_BYTES + 12_345],
    ])('stores what it uploads: %s', async (name, sizeBytes) => {
      const page = await pages.open();
      for (const options of [{}, { integrity: 'md5' }] as const) {
        const given = order(`${name}/${Object.keys(options)} a b+c腾.bin`, sizeBytes, options);
        expect(await run(page, given)).toMatchObject({ result: { sentBytes: sizeBytes }, fraction: 1 });
        expect(await holds(given)).toBe(true);
      }
      expect(await place.unfinished()).toEqual([]);
    });

    test.each(['fetch', 'xhr'] as const)('stores what it uploads by %s', async (transport) => {
      const page = await pages.open();
      const given = order(`by ${transport}.bin`, 5 * PART_BYTES + 3, { transport });
      expect(await run(page, given)).toMatchObject({ result: { sentBytes: given.sizeBytes } });
      await expectStored(given);
    });

    test('stands still while it is paused, and goes on', async () => {
      const page = await pages.open();
      const given = order('paused.bin', 60 * PART_BYTES + 1, SLOW);
      await start(page, given);
      await untilStored(page, given, 3);
      await press(page, given, 'pause');
      expect(await settledParts()).toBeLessThan(60);
      await press(page, given, 'resume');
      expect(await outcomeOf(page, given)).toMatchObject({ result: { sentBytes: given.sizeBytes }, fraction: 1 });
      await expectStored(given);
    });

    test('ends when it is cancelled, and goes on when it is asked to', async () => {
      const page = await pages.open();
      const given = order('cancelled.bin', 60 * PART_BYTES + 1);
      await start(page, { ...given, options: SLOW });
      await untilStored(page, given, 3);
      await press(page, given, 'cancel');
      expect(await outcomeOf(page, given)).toMatchObject({ code: 'AbortError' });
      const parts = await settledParts();
      expect(parts).toBeLessThan(60);
      await expectResumed(given, await run(page, given), parts);
    });

    const departures: [string, (page: Page) => Promise<Page>][] = [
      [
        'by a reload',
        async (page) => {
          await page.reload();
          return page;
        },
      ],
      [
        'because its tab is killed',
        async (page) => {
          const session = await page.context().newCDPSession(page);
          const crashed = new Promise((resolve) => page.once('crash', resolve));
          void session.send('Page.crash').catch(() => {});
          await crashed;
          return pages.openIn(page.context());
        },
      ],
    ];
    test.each(departures)('that goes away %s goes on', async (how, leave) => {
      const page = await pages.open();
      const given = order(`gone ${how}.bin`, 30 * PART_BYTES + 1);
      await start(page, { ...given, options: SLOW });
      await untilStored(page, given, 5);
      const next = await leave(page);
      await expectResumed(given, await run(next, given), 5);
    });

    describe('goes through', () => {
      const faults: [string, Faults][] = [
        ['connections that are reset', { resetAfterBytes: chance([2.5, 0.5, 7.5, 1.5]) }],
        ['connections that stall', { stallAfterBytes: chance([1.3, 40, 40]) }],
      ];
      test.each(faults)('%s', async (what, fault) => {
        Object.assign(proxy.faults, fault);
        const page = await pages.open();
        const given = order(`${what}.bin`, 24 * PART_BYTES + 1);
        expect((await run(page, given)).code).toBeUndefined();
        expect(await holds(given)).toBe(true);
      });

      test('bytes that change on the way, with their MD5', async () => {
        // The first connections carry preflights and small requests, too: not their heads.
        let left = 3;
        proxy.faults.changeAfterBytes = () => (left-- > 0 ? PART_BYTES / 2 : Number.POSITIVE_INFINITY);
        const page = await pages.open();
        const given = order('changed bytes.bin', 24 * PART_BYTES + 1, { integrity: 'md5' });
        const { result } = await run(page, given);
        expect(result?.sentBytes).toBeGreaterThan(given.sizeBytes);
        expect(await holds(given)).toBe(true);
      });

      const outages: [string, (page: Page) => Promise<void>][] = [
        [
          'answers that get lost',
          async () => {
            proxy.faults.deaf = true;
            await new Promise((resolve) => setTimeout(resolve, 900));
            proxy.faults.deaf = false;
          },
        ],
        [
          'an outage',
          async () => {
            proxy.faults.down = true;
            proxy.cutAll();
            await new Promise((resolve) => setTimeout(resolve, 600));
            proxy.faults.down = false;
          },
        ],
        [
          'a time without network',
          async (page) => {
            await page.context().setOffline(true);
            await new Promise((resolve) => setTimeout(resolve, 500));
            await page.context().setOffline(false);
          },
        ],
        ['the loss of its session', () => dropUploads(endpoint, place.bucket)],
      ];
      test.each(outages)('%s', async (what, happen) => {
        const page = await pages.open();
        const given = order(`${what}.bin`, 24 * PART_BYTES + 1, SLOW);
        await start(page, given);
        await untilStored(page, given, 3);
        await happen(page);
        await press(page, given, 'resume');
        expect((await outcomeOf(page, given)).code).toBeUndefined();
        await expectStored(given);
      });
    });

    test('a file that changes ends the upload, and the next one begins anew', async () => {
      const page = await pages.open();
      const dir = await mkdtemp(join(tmpdir(), 'cos-slice-page-'));
      onTestFinished(() => rm(dir, { recursive: true, force: true }));
      const file = join(dir, 'picked.bin');
      const given = order('picked.bin', 60 * PART_BYTES, { picked: true });
      await writeFile(file, Buffer.alloc(given.sizeBytes));
      await page.setInputFiles('#file', file);
      await start(page, { ...given, options: { ...SLOW, picked: true } });
      await untilStored(page, given, 3);
      await writeFile(file, contentOf(given.sizeBytes));
      expect(await outcomeOf(page, given)).toMatchObject({ code: 'source-changed' });
      expect(await place.unfinished()).toEqual(['picked.bin']);
      await page.setInputFiles('#file', file);
      expect(await run(page, given)).toMatchObject({ result: { resumedBytes: 0, sentBytes: given.sizeBytes } });
      await expectStored(given);
    });

    test('a second upload of the same file to the same path is refused', async () => {
      const page = await pages.open();
      const given = order('twice.bin', 30 * PART_BYTES, SLOW);
      await start(page, given);
      await untilStored(page, given, 1);
      const other = await pages.openIn(page.context());
      expect(await run(other, given)).toMatchObject({ code: 'locked' });
      await press(page, given, 'resume');
      expect((await outcomeOf(page, given)).code).toBeUndefined();
      await expectStored(given);
    });

    test('leaves what is there, unless it may be replaced', async () => {
      const page = await pages.open();
      await run(page, order('kept.bin', 10));
      for (const sizeBytes of [11, 3 * PART_BYTES]) {
        expect(await run(page, order('kept.bin', sizeBytes))).toMatchObject({ code: 'exists' });
      }
      expect(await holds(order('kept.bin', 10))).toBe(true);
      const next = order('kept.bin', 3 * PART_BYTES, { overwrite: true });
      expect((await run(page, next)).code).toBeUndefined();
      expect(await holds(next)).toBe(true);
    });

    test.each([10, 3 * PART_BYTES])('leaves it alone, or finds another name: %i bytes', async (sizeBytes) => {
      const page = await pages.open();
      const there = order(`taken/${sizeBytes}.tar.gz`, 11);
      await run(page, there);
      const skipping = order(there.path, sizeBytes, { overwrite: 'skip' });
      expect(await run(page, skipping)).toMatchObject({ result: { skipped: true, path: there.path, sentBytes: 0 } });
      for (const number of [1, 2]) {
        const renamed = order(there.path, sizeBytes + number, { overwrite: 'rename' });
        const path = there.path.replace('.tar', ` (${number}).tar`);
        expect(await run(page, renamed)).toMatchObject({ result: { path, skipped: false } });
        await expectStored({ ...renamed, path });
      }
      await expectStored(there);
    });

    test.skipIf(kind === 's3')('gets through lost requests and answers, and knows its own object', async () => {
      const { facade } = place;
      if (!facade) throw new Error('no facade');
      const page = await pages.open();
      let count = 0;
      let finishes = 0;
      facade.fault = ({ method, query }) => {
        if (method === 'POST' && query.has('uploadId')) return finishes++ === 0 ? 'answer-lost' : undefined;
        count += 1;
        if (count % 5 === 0) return 'lost';
        return count % 7 === 0 ? 'answer-lost' : undefined;
      };
      onTestFinished(() => {
        facade.fault = () => undefined;
      });
      for (const overwrite of [false, true]) {
        finishes = 0;
        const given = order('through faults.bin', (20 + Number(overwrite)) * PART_BYTES, { overwrite });
        expect((await run(page, given)).code).toBeUndefined();
        expect(await holds(given)).toBe(true);
      }
    });
  });
});
