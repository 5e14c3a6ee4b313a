// Pages that upload over S3 and the XML API of COS, in Chromium, to Ceph and to COS in front of it.
import type { UploadResult } from '@cos-slice/browser';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ceph } from './support/bucket.ts';
import { contentOf, PAGE_PLACES, PAGE_START, type PageSite, startPages } from './support/pages.ts';
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
  readonly options?: { readonly integrity?: 'md5'; readonly bytesPerSecond?: number; readonly overwrite?: boolean };
}

declare const window: {
  run(order: Order): Promise<Outcome>;
  stored: number;
};

const PAGE = `${PAGE_START}
  import { uploadBlob } from '@cos-slice/browser';
  window.run = async ({ signer, path, sizeBytes, options: { bytesPerSecond, ...options } = {}, ...place }) => {
    const bandwidth = bytesPerSecond && createBandwidth(bytesPerSecond);
    const upload = uploadBlob(contentOf(sizeBytes), {
      wire: wireOf(place), signer, path, sliceSize: minPartBytes, ...options, ...(bandwidth && { bandwidth }),
      retry: { attempts: 20, baseDelayMs: 20, maxDelayMs: 300 },
    });
    upload.subscribe(({ progress }) => { window.stored = progress.slices.stored; });
    try {
      return { result: await upload.done, fraction: upload.state.progress.fraction };
    } catch (error) {
      return { code: error.code ?? String(error), fraction: upload.state.progress.fraction };
    }
  };
`;

describe.skipIf(!ceph)('a page', () => {
  let pages: PageSite;
  beforeAll(async () => {
    pages = await startPages(PAGE);
  });
  afterAll(() => pages?.close());

  describe.each(PAGE_PLACES)('over %s', (_name, kind, start) => {
    let place: WirePlace;
    let order: (path: string, sizeBytes: number, options?: Order['options']) => Order;
    beforeAll(async () => {
      place = await start(endpoint);
      const { facade, bucket, signer } = place;
      const at = facade?.endpoint ?? endpoint;
      order = (path, sizeBytes, options) => ({
        kind,
        endpoint: at,
        bucket,
        signer,
        path,
        sizeBytes,
        ...(options && { options }),
      });
    });
    afterAll(() => place?.close());

    const run = (page: Page, given: Order) => page.evaluate((one) => window.run(one), given);
    const holds = async ({ path, sizeBytes }: Order): Promise<boolean> =>
      (await place.read(path))?.equals(contentOf(sizeBytes)) === true;

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

    test('goes on after a reload', async () => {
      const page = await pages.open();
      const given = order('reloaded.bin', 30 * PART_BYTES + 1);
      void run(page, { ...given, options: { bytesPerSecond: 8 * PART_BYTES } }).catch(() => {});
      await page.waitForFunction(() => window.stored >= 5, undefined, { polling: 20 });
      await page.reload();
      const { result } = await run(page, given);
      expect(result?.resumedBytes).toBeGreaterThanOrEqual(5 * PART_BYTES);
      expect((result?.resumedBytes ?? 0) + (result?.sentBytes ?? 0)).toBe(given.sizeBytes);
      expect(await holds(given)).toBe(true);
      expect(await place.unfinished()).toEqual([]);
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
