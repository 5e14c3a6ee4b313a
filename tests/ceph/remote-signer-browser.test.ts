// Pages whose requests an application's server signs, in Chromium: by themselves and with Uppy. No key is in any of them.
import type { UploadResult } from '@cos-slice/browser';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ceph } from './support/bucket.ts';
import { contentOf, PAGE_PLACES, PAGE_START, type PageSite, startPages } from './support/pages.ts';
import { type SigningServer, startSigningServer } from './support/signing-server.ts';
import { PART_BYTES, type WirePlace } from './support/wires.ts';

const endpoint = ceph?.smallEndpoint ?? '';
const PARTS = 40;

interface Order {
  readonly kind: 's3' | 'cos';
  readonly endpoint: string;
  readonly bucket: string;
  readonly signUrl: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly bytesPerSecond?: number;
}

interface Outcome {
  readonly result?: UploadResult;
  readonly code?: string;
  readonly message?: string;
}

declare const window: {
  run(order: Order): Promise<Outcome>;
  runUppy(order: Order): Promise<Outcome>;
  stored: number;
};

const PAGE = `${PAGE_START}
  import { remoteSigner, uploadBlob } from '@cos-slice/browser';
  import CosSlice from '@cos-slice/uppy-plugin';
  import Uppy from '@uppy/core';
  const retry = { attempts: 6, baseDelayMs: 20, maxDelayMs: 300 };
  window.stored = 0;
  window.run = async ({ signUrl, path, sizeBytes, bytesPerSecond = 1e9, ...place }) => {
    const upload = uploadBlob(contentOf(sizeBytes), {
      wire: wireOf(place), signer: remoteSigner(signUrl), path, sliceSize: minPartBytes, retry,
      bandwidth: createBandwidth(bytesPerSecond),
    });
    upload.subscribe(({ progress }) => { window.stored = progress.slices.stored; });
    return upload.done.then((result) => ({ result }), ({ code, message }) => ({ code, message }));
  };
  window.runUppy = async ({ signUrl, path, sizeBytes, ...place }) => {
    const uppy = new Uppy().use(CosSlice, { wire: wireOf(place), signUrl, path: () => path, sliceSize: minPartBytes, retry });
    const file = contentOf(sizeBytes);
    uppy.addFile({ name: file.name, data: file });
    const { successful, failed } = await uppy.upload();
    return failed[0] ? { message: failed[0].error } : { result: successful[0].response.body };
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
    let server: SigningServer;
    beforeAll(async () => {
      place = await start(endpoint);
      server = await startSigningServer(place.options.wire, place.options.signer);
    });
    afterAll(async () => {
      await server?.close();
      await place?.close();
    });
    afterEach(() => {
      server.fault = () => undefined;
      server.allowed = { path: '' };
    });

    const order = (path: string, sizeBytes: number, more: Partial<Order> = {}): Order => {
      const at = place.facade?.endpoint ?? endpoint;
      return { kind, endpoint: at, bucket: place.bucket, signUrl: server.url, path, sizeBytes, ...more };
    };
    const run = (page: Page, given: Order) => page.evaluate((one) => window.run(one), given);
    const holds = async ({ path, sizeBytes }: Order): Promise<boolean> =>
      (await place.read(path)).equals(contentOf(sizeBytes));

    test.each([0, PART_BYTES, PARTS * PART_BYTES - 12_345])('stores what it uploads: %i bytes', async (sizeBytes) => {
      const page = await pages.open();
      const given = order(`${sizeBytes}/ a b+c腾.bin`, sizeBytes);
      expect(await run(page, given)).toMatchObject({ result: { sentBytes: sizeBytes } });
      expect(await holds(given)).toBe(true);
      expect(await place.unfinished()).toEqual([]);
    });

    test('uploads with Uppy, whose signUrl serves every wire', async () => {
      const page = await pages.open();
      const given = order('with uppy.bin', PARTS * PART_BYTES - 1);
      const outcome = await page.evaluate((one) => window.runUppy(one), given);
      expect(outcome).toMatchObject({ result: { sentBytes: given.sizeBytes } });
      expect(await holds(given)).toBe(true);
    });

    test.each([-36, 7])('whose clock is %i hours off needs nothing more', async (hours) => {
      const page = await pages.open();
      await page.evaluate((skewMs) => {
        const { now } = Date;
        Date.now = () => now.call(Date) + skewMs;
      }, hours * 3_600_000);
      const before = server.questions.length;
      const given = order(`skew ${hours}.bin`, PARTS * PART_BYTES);
      expect((await run(page, given)).code).toBeUndefined();
      expect(await holds(given)).toBe(true);
      // To begin, for the parts, to finish; on Ceph it is looked first whether something is there.
      expect(server.questions.length - before).toBe(kind === 's3' ? 5 : 3);
    });

    test('goes on after a reload', async () => {
      const page = await pages.open();
      const given = order('reloaded.bin', PARTS * PART_BYTES);
      void run(page, { ...given, bytesPerSecond: 8 * PART_BYTES }).catch(() => {});
      await page.waitForFunction(() => window.stored >= 5, undefined, { polling: 20 });
      await page.reload();
      const { result } = await run(page, given);
      expect(result?.resumedBytes).toBeGreaterThanOrEqual(5 * PART_BYTES);
      expect(await holds(given)).toBe(true);
      expect(await place.unfinished()).toEqual([]);
    });

    test('has signatures that have expired renewed in mid-upload', async () => {
      const page = await pages.open();
      const before = server.questions.length;
      const [, ofParts] = kind === 's3' ? [2, 3] : [1, 2];
      server.fault = (count) => (count - before === ofParts ? 'expired' : undefined);
      const given = order('expired.bin', PARTS * PART_BYTES);
      expect((await run(page, given)).code).toBeUndefined();
      expect(await holds(given)).toBe(true);
    });

    test('is told when it may not, and when nobody signs', async () => {
      const page = await pages.open();
      server.allowed = { path: 'users/7/' };
      const given = order('users/8/a.bin', 10);
      const message = expect.stringMatching(/the signer refuses .*: it lies outside of what is allowed/);
      expect(await run(page, given)).toEqual({ code: 'signing-failed', message });
      server.fault = () => 'nonsense';
      expect(await run(page, given)).toMatchObject({ code: 'signing-failed' });
      server.fault = () => 'fails';
      const before = server.questions.length;
      expect(await run(page, given)).toMatchObject({ code: 'signing-failed' });
      expect(server.questions.length - before).toBe(6);
      await expect(place.read(given.path)).rejects.toThrow('404');
    });
  });
});
