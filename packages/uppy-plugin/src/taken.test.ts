import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { setUpPages } from './testing/page.ts';

/** What the Dashboard makes of files whose path is taken already. */

const pages = setUpPages();

interface Told {
  readonly name: string;
  readonly uploadURL: string | undefined;
  readonly body: { readonly path?: string; readonly skipped?: boolean };
}

const open = (overwrite: string): Promise<Page> =>
  pages.open(`
    import Uppy from '@uppy/core';
    import Dashboard from '@uppy/dashboard';
    import '@uppy/core/css/style.min.css';
    import '@uppy/dashboard/css/style.min.css';
    import CosSlice from '@cos-slice/uppy-plugin';
    globalThis.told = [];
    new Uppy()
      .use(Dashboard, { inline: true, target: '#uploads' })
      .use(CosSlice, { endpoint: ${JSON.stringify(pages.setting.endpoint)}, appId: '10055004', bucket: 'demobucket',
        signUrl: '/sign', path: ({ name }) => 'taken/' + name, overwrite: ${overwrite} })
      .on('upload-success', (file, response) =>
        void told.push({ name: file.name, uploadURL: response.uploadURL, body: response.body }));
    `);

async function upload(page: Page, name: string, buffer: Buffer): Promise<void> {
  const file = { name, mimeType: 'image/jpeg', buffer };
  await page.locator('.uppy-Dashboard-input').first().setInputFiles([file]);
  await page.getByRole('button', { name: 'Upload 1 file' }).click();
}

const told = (page: Page): Promise<Told[]> => page.evaluate(() => (globalThis as unknown as { told: Told[] }).told);

async function put(path: string, content: Buffer): Promise<void> {
  await mkdir(dirname(pages.setting.file(path)), { recursive: true });
  await writeFile(pages.setting.file(path), content);
}

test.each([1000, 5_000_000])('rename: %i bytes get the next free name, which the link leads to', async (sizeBytes) => {
  const [older, newer] = [randomBytes(10), randomBytes(sizeBytes)];
  await put(`taken/image ${sizeBytes}.jpg`, older);
  const page = await open("'rename'");
  await upload(page, `image ${sizeBytes}.jpg`, newer);
  await page.getByText('Complete').first().waitFor();
  const renamed = `taken/image ${sizeBytes} (1).jpg`;
  const [one] = await told(page);
  expect(one).toMatchObject({ name: `image ${sizeBytes}.jpg`, body: { path: renamed, skipped: false } });
  expect(decodeURIComponent(String(one?.uploadURL))).toContain(renamed);
  expect((await readFile(pages.setting.file(renamed))).equals(newer)).toBe(true);
  expect((await readFile(pages.setting.file(`taken/image ${sizeBytes}.jpg`))).equals(older)).toBe(true);
  await page.context().close();
});

test.each([1000, 5_000_000])('skip: %i bytes stay here, and the file counts as done', async (sizeBytes) => {
  const older = randomBytes(10);
  await put(`taken/kept ${sizeBytes}.jpg`, older);
  const page = await open("'skip'");
  await upload(page, `kept ${sizeBytes}.jpg`, randomBytes(sizeBytes));
  await page.getByText('Complete').first().waitFor();
  expect(await told(page)).toMatchObject([{ body: { path: `taken/kept ${sizeBytes}.jpg`, skipped: true } }]);
  expect((await readFile(pages.setting.file(`taken/kept ${sizeBytes}.jpg`))).equals(older)).toBe(true);
  await page.context().close();
});

test('without either the Dashboard says that something is there, and nothing is replaced', async () => {
  const older = randomBytes(10);
  await put('taken/mine.jpg', older);
  const page = await open('false');
  await upload(page, 'mine.jpg', randomBytes(1000));
  await page.locator('.uppy-StatusBar').getByText('Upload failed').waitFor();
  expect(await told(page)).toEqual([]);
  expect((await readFile(pages.setting.file('taken/mine.jpg'))).equals(older)).toBe(true);
  await page.context().close();
});
