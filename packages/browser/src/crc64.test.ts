import { fileURLToPath } from 'node:url';
import { type Bucket, startBucket } from '@cos-slice/testkit/bucket';
import { launchChromium } from '@cos-slice/testkit/chromium';
import * as esbuild from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSetting, type Setting } from './testing/setting.ts';

const MIB = 1024 * 1024;
const IN_PAGE = `
  import { cosXml, profiles, s3, uploadBlob } from './index.ts';
  globalThis.upload = async ({ kind, endpoint, sizeBytes, ...options }) => {
    const wire = kind === 'S3'
      ? s3({ endpoint, bucket: 'films', pathStyle: true, profile: { ...profiles.aws, minPartBytes: 1024 * 1024 } })
      : cosXml({ region: 'sh', bucket: 'films', appId: 1, endpoint });
    const bytes = Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 131 + (index >> 8) * 17 + 7) & 255);
    const signer = { secretId: 'a', secretKey: 'b' };
    const { done } = uploadBlob(new Blob([bytes]), { wire, signer, path: 'film.bin', sliceSize: 1024 * 1024, ...options });
    return done.then(() => 'done', (error) => error.code + ': ' + error.message);
  };
`;

let browser: Browser;
let setting: Setting;
let page: Page;
beforeAll(async () => {
  [browser, setting] = await Promise.all([launchChromium(), createSetting()]);
  const { outputFiles } = await esbuild.build({
    stdin: { contents: IN_PAGE, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    conditions: ['@cos-slice/source'],
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'error',
  });
  setting.scripts.set('/crc64.js', outputFiles[0]?.text ?? '');
  page = await (await browser.newContext()).newPage();
  await page.goto(`${setting.pageUrl}/blank`);
  await page.addScriptTag({ url: '/crc64.js', type: 'module' });
  await page.waitForFunction(() => 'upload' in globalThis);
});
afterAll(async () => {
  await browser?.close();
  await setting?.close();
});

describe.each(['COS', 'S3'] as const)('integrity crc64 in a page, over %s', (kind) => {
  const key = kind === 'S3' ? 'films/film.bin' : 'film.bin';
  const sizeBytes = 5 * MIB + 123;
  let bucket: Bucket;
  beforeAll(async () => {
    bucket = await startBucket(kind === 'S3' ? 'x-amz-' : 'x-cos-');
  });
  afterAll(() => bucket?.close());
  const upload = (options: object = {}): Promise<string> =>
    page.evaluate((order) => Reflect.get(globalThis, 'upload')(order), {
      kind,
      endpoint: bucket.endpoint,
      sizeBytes,
      integrity: 'crc64',
      overwrite: true,
      ...options,
    });

  test.each([
    ['in parts', {}],
    ['in one request', { singleRequestMax: 8 * MIB }],
  ])('is computed in a worker, and compared with the whole: %s', async (_name, options) => {
    bucket.objects.clear();
    expect(await upload(options)).toBe('done');
    const content = Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 131 + (index >> 8) * 17 + 7) & 255);
    expect(bucket.objects.get(key)?.equals(content)).toBe(true);
  });

  test('integrity md5 takes no ETag for an MD5 where pages are not shown how the bucket encrypts', async () => {
    bucket.objects.clear();
    bucket.seals = true;
    const retry = { attempts: 1 };
    expect(await upload({ integrity: 'md5', retry })).toBe('done');
    expect(await upload({ integrity: 'md5', retry, singleRequestMax: 8 * MIB })).toBe('done');
    expect(bucket.objects.get(key)?.length).toBe(sizeBytes);
    bucket.seals = false;
  });

  test('an object that is damaged is told', async () => {
    bucket.damage = (request, bytes) => (request === 'POST uploadId' ? Buffer.from(bytes).fill(0, 0, 1000) : bytes);
    expect(await upload()).toMatch(/^integrity: the object is not what was sent/);
    bucket.damage = (_request, bytes) => bytes;
  });
});
