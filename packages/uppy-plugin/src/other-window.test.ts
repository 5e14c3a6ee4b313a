import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { setUpPages } from './testing/page.ts';

const pages = setUpPages();

test.each([3000, 5_000_000])('a file of another window, %i bytes, arrives', async (sizeBytes) => {
  const page = await pages.open(`
    import Uppy from '@uppy/core';
    import CosSlice from '@cos-slice/uppy-plugin';
    const frame = document.body.appendChild(document.createElement('iframe'));
    const data = new frame.contentWindow.File([new Uint8Array(${sizeBytes}).fill(7)], 'framed.bin');
    const uppy = new Uppy().use(CosSlice, { endpoint: ${JSON.stringify(pages.setting.endpoint)}, appId: '10055004',
      bucket: 'demobucket', signUrl: '/sign', path: () => 'framed/${sizeBytes}.bin' });
    uppy.addFile({ name: 'framed.bin', data });
    globalThis.uploaded = uppy.upload().then(({ failed }) => failed.map(({ error }) => error));
    `);
  const failed = await page
    .waitForFunction(() => (globalThis as unknown as { uploaded?: Promise<string[]> }).uploaded)
    .then((handle) => handle.jsonValue());
  expect(failed).toEqual([]);
  expect((await readFile(pages.setting.file(`framed/${sizeBytes}.bin`))).equals(Buffer.alloc(sizeBytes, 7))).toBe(true);
  await page.context().close();
});
