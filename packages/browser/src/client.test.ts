import { CHROMIUMS, launchChromium } from '@cos-slice/testkit/chromium';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient, s3 } from './index.ts';
import { createSetting, type Setting } from './testing/setting.ts';

describe.each(CHROMIUMS)('in $name', (chromium) => {
  let setting: Setting;
  let browser: Browser;
  beforeAll(async () => {
    setting = await createSetting();
    browser = await launchChromium(chromium);
  });
  afterAll(async () => {
    await browser?.close();
    await setting?.close();
  });

  test.each([0, 5_000_000])(
    'a page makes, lists, changes, copies, downloads, moves and removes what is there, of %i bytes',
    async (sizeBytes) => {
      const page = await browser.newPage();
      await page.goto(setting.pageUrl);
      const { endpoint, signUrl } = setting;
      const seen = await page.evaluate(([one, size]) => cosSlice.client(one, size), [
        { endpoint, signUrl },
        sizeBytes,
      ] as const);
      expect(seen).toEqual({
        paths: ['of client/copy', 'of client/\u00fc.bin'],
        result: expect.objectContaining({ sizeBytes, resumedBytes: 0 }),
        type: 'video/mp4',
        same: [true, true, true],
        gone: 'not-found',
      });
      await page.evaluate(
        async (one) => {
          await cosSlice.forget(one, 'moved/');
        },
        { endpoint, signUrl },
      );
      await page.close();
    },
  );

  test.each(['blob', 'stream'] as const)(
    'what comes is compared with the SHA-1 that the server tells, to a %s',
    async (to) => {
      const page = await browser.newPage();
      await page.goto(setting.pageUrl);
      const { endpoint, signUrl } = setting;
      const sizeBytes = 9_000_001;
      const options = { integrity: 'sha1' } as const;
      const order = { endpoint, signUrl, path: `checked-${to}`, sizeBytes, options };
      await page.evaluate((one) => cosSlice.upload(one), order);
      const download = (verify: boolean): Promise<{ done: unknown; end: string }> =>
        page.evaluate(([one, how]) => cosSlice.download(one, one.path, how), [order, { to, verify }] as const);
      const closed = to === 'stream' ? 'closed' : '';
      expect(await download(true)).toEqual({ done: sizeBytes, end: closed });

      setting.intercept = ({ method, url = '' }, res) => {
        if (method !== 'GET' || !url.includes(order.path) || url.includes('op=')) return false;
        res.writeHead(200, { 'Access-Control-Allow-Origin': '*' }).end(Buffer.alloc(sizeBytes, 1));
        return true;
      };
      expect(await download(true)).toEqual({ done: 'integrity', end: to === 'stream' ? 'aborted' : '' });
      expect(await download(false)).toEqual({ done: sizeBytes, end: closed });
      setting.intercept = undefined;
      await page.close();
    },
  );
});

test('options of a client are checked at once', () => {
  expect(() => createClient({ endpoint: 'ftp://host', appId: '1', bucket: 'b', signer: () => '' })).toThrow(
    /endpoint must be a URL/,
  );
});

test("an option that is there but undefined leaves the client's own in force", async () => {
  const wire = s3({ endpoint: 'http://127.0.0.1:1', bucket: 'b' });
  const client = createClient({ wire, signer: { authorize: async (request) => request } });
  // Otherwise it would be missed that there is no endpoint and no appId of the JSON API.
  const given = { wire: undefined } as unknown as object;
  const { done } = client.upload(new Blob(['a']), 'path', { ...given, signal: AbortSignal.abort('enough') });
  await expect(done).rejects.toBe('enough');
});
