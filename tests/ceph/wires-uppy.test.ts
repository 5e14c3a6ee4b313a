// The Uppy plugin over S3 and the XML API of COS: a Dashboard in Chromium, used as people use it.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ceph } from './support/bucket.ts';
import { PAGE_PLACES, PAGE_START, type PageSite, startPages } from './support/pages.ts';
import { PART_BYTES, type WirePlace } from './support/wires.ts';

const endpoint = ceph?.smallEndpoint ?? '';

/** Bytes per second: a click comes in time even where the machine is busy. */
const SLOW = 4 * PART_BYTES;
/** Parts that are under way at most; what is shown counts them as they are sent. */
const AT_ONCE = 6;

interface Settings {
  readonly kind: 's3' | 'cos';
  readonly endpoint: string;
  readonly bucket: string;
  readonly signer: { readonly secretId: string; readonly secretKey: string };
  readonly overwrite?: boolean;
  readonly bytesPerSecond?: number;
}

interface Told {
  readonly uploadURL?: string;
  readonly resumedBytes?: number;
  readonly sentBytes?: number;
  readonly error?: string;
}

declare const window: {
  start(settings: Settings): void;
  /** Sets the rate; nothing: as fast as can be. */
  hurry(): void;
  told: Told[];
  stored: number;
};

const PAGE = `${PAGE_START}
  import Uppy from '@uppy/core';
  import Dashboard from '@uppy/dashboard';
  import CosSlice from '@cos-slice/uppy-plugin';
  window.told = [];
  window.stored = 0;
  window.start = ({ signer, overwrite = false, bytesPerSecond = 1e9, ...place }) => {
    document.body.append(Object.assign(document.createElement('div'), { id: 'uploads' }));
    const bandwidth = createBandwidth(bytesPerSecond);
    window.hurry = () => { bandwidth.bytesPerSecond = 1e9; };
    const uppy = new Uppy()
      .use(Dashboard, { inline: true, target: '#uploads' })
      .use(CosSlice, {
        wire: wireOf(place), overwrite, bandwidth, sliceSize: minPartBytes, path: ({ name }) => 'of uppy/' + name,
        signer: { credentials: async () => signer }, retry: { attempts: 20, baseDelayMs: 20, maxDelayMs: 300 },
      });
    uppy.on('upload-progress', (file, { bytesUploaded }) => { window.stored = bytesUploaded; });
    uppy.on('upload-success', (_, { uploadURL, body }) => window.told.push({ ...body, uploadURL }));
    uppy.on('upload-error', (_, error) => window.told.push({ error: error.code + ': ' + error.cause?.message }));
  };
`;

describe.skipIf(!ceph)('a Dashboard', () => {
  let pages: PageSite;
  beforeAll(async () => {
    pages = await startPages(PAGE);
  });
  afterAll(() => pages?.close());

  describe.each(PAGE_PLACES)('over %s', (_name, kind, startPlace) => {
    let place: WirePlace;
    let settings: Settings;
    let page: Page;
    beforeAll(async () => {
      place = await startPlace(endpoint);
      const {
        port,
        bucket,
        options: { signer },
      } = place;
      settings = { kind, endpoint: `http://127.0.0.1:${port}`, bucket, signer };
    });
    afterAll(() => place?.close());
    beforeEach(async () => {
      page = await pages.open();
    });

    const start = (more: Partial<Settings> = {}) =>
      page.evaluate((one) => window.start(one), { ...settings, ...more } as Settings);
    /** @param file its path, or its name and what is in it */
    async function upload(file: string, buffer?: Buffer): Promise<void> {
      const input = page.locator('.uppy-Dashboard-input').first();
      if (buffer) await input.setInputFiles([{ name: file, mimeType: 'application/octet-stream', buffer }]);
      else await input.setInputFiles(file);
      await page.getByRole('button', { name: 'Upload 1 file' }).click();
    }
    async function told(): Promise<Told> {
      await page.waitForFunction(() => window.told.length > 0);
      return page.evaluate(() => window.told[0] as Told);
    }
    const stored = (name: string) => place.read(`of uppy/${name}`);
    /** Not with the mouse: the button moves while progress is shown. */
    const press = (name: string) => page.getByRole('button', { name, exact: true }).first().dispatchEvent('click');
    const storedBytes = () => page.evaluate(() => window.stored);
    const someStored = (parts: number) =>
      page.waitForFunction((bytes) => window.stored >= bytes, parts * PART_BYTES, { polling: 20 });

    test.each([0, PART_BYTES, 20 * PART_BYTES + 12_345])('uploads %i bytes', async (sizeBytes) => {
      await start();
      const [name, content] = [`a b+c腾 ${sizeBytes}.bin`, randomBytes(sizeBytes)];
      await upload(name, content);
      expect(await told()).toMatchObject({ sentBytes: sizeBytes });
      expect((await stored(name)).equals(content)).toBe(true);
      expect(await place.unfinished()).toEqual([]);
    });

    test('stands still while it is paused, and goes on', async () => {
      await start({ bytesPerSecond: SLOW });
      const content = randomBytes(60 * PART_BYTES + 1);
      await upload('paused.bin', content);
      await someStored(2 * AT_ONCE);
      await press('Pause');
      // What is under way may end; then nothing moves.
      let before = -1;
      for (let now = await storedBytes(); now !== before; now = await storedBytes()) {
        before = now;
        await page.waitForTimeout(1500);
      }
      expect(before).toBeLessThan(content.length);
      await page.evaluate(() => window.hurry());
      await press('Resume');
      expect(await told()).toMatchObject({ sentBytes: content.length });
      expect((await stored('paused.bin')).equals(content)).toBe(true);
    });

    test('goes on after a reload with what is stored', async () => {
      await start({ bytesPerSecond: SLOW });
      const content = randomBytes(60 * PART_BYTES + 1);
      // It must have been changed at the same time when it is chosen again.
      const dir = await mkdtemp(join(tmpdir(), 'cos-slice-uppy-'));
      onTestFinished(() => rm(dir, { recursive: true, force: true }));
      const file = join(dir, 'reloaded.bin');
      await writeFile(file, content);
      await upload(file);
      await someStored(2 * AT_ONCE);
      await page.reload();
      await start();
      await upload(file);
      const ended = await told();
      expect(ended).toMatchObject({ resumedBytes: expect.any(Number), sentBytes: expect.any(Number) });
      const { resumedBytes = 0, sentBytes = 0 } = ended;
      expect(resumedBytes).toBeGreaterThan(0);
      expect(resumedBytes + sentBytes).toBe(content.length);
      expect((await stored('reloaded.bin')).equals(content)).toBe(true);
      expect(await place.unfinished()).toEqual([]);
    });

    test('replaces what is there only when it may', async () => {
      const [first, second] = [randomBytes(10), randomBytes(3 * PART_BYTES)];
      await start();
      await upload('kept.bin', first);
      await told();
      await page.reload();
      await start();
      await upload('kept.bin', second);
      expect(await told()).toEqual({ error: expect.stringMatching(/^exists/) });
      expect((await stored('kept.bin')).equals(first)).toBe(true);
      await page.reload();
      await start({ overwrite: true });
      await upload('kept.bin', second);
      expect(await told()).toMatchObject({ sentBytes: second.length });
      expect((await stored('kept.bin')).equals(second)).toBe(true);
    });
  });
});
