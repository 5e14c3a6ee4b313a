import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterEach, expect, test } from 'vitest';
import { zhCN } from './index.ts';
import { setUpPages } from './testing/page.ts';

/** The README's examples, as they stand there: bundled, opened in Chromium, and used. */

const MIB = 1024 * 1024;

const pages = setUpPages();
afterEach(() => {
  pages.setting.intercept = undefined;
});

/** Only where it uploads to is changed. */
async function exampleOf(heading: string): Promise<string> {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const section = readme.split(/^## /m).find((one) => one.startsWith(`${heading}\n`));
  const code = section?.match(/^```jsx?\n(.*?)^```$/ms)?.[1];
  if (!code) throw new Error(`the README has no example of ${heading}`);
  return code.replace(/'https:[^']*'/, JSON.stringify(pages.setting.endpoint)).replace("'films'", "'demobucket'");
}

const IN_REACT = `
  import { StrictMode } from 'react';
  import { createRoot } from 'react-dom/client';
  const root = createRoot(document.querySelector('#uploads'));
  globalThis.show = (isShown) => root.render(isShown ? <StrictMode><Uploads /></StrictMode> : null);
  show(true);
`;

const fileOf = (name: string, sizeBytes: number) => ({
  name,
  mimeType: 'application/octet-stream',
  buffer: randomBytes(sizeBytes),
});

async function expectStored({ name, buffer }: ReturnType<typeof fileOf>): Promise<void> {
  expect((await readFile(pages.setting.file(name))).equals(buffer)).toBe(true);
}

/** @returns sets how many bytes a second the page may upload; -1: any */
async function throttle(page: Page): Promise<(bytesPerSec: number) => Promise<unknown>> {
  const network = await page.context().newCDPSession(page);
  await network.send('Network.enable');
  return (uploadThroughput) =>
    network.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput,
    });
}

test('Language: the Dashboard speaks Chinese, the failure of a file included', async () => {
  const page = await pages.open(await exampleOf('Language'));
  pages.setting.intercept = ({ method }, res) => {
    if (method !== 'POST') return false;
    res.setHeader('Access-Control-Allow-Origin', '*');
    res.writeHead(403, { 'Content-Type': 'application/json' }).end('{"code":-97,"message":"no"}');
    return true;
  };
  await page.locator('.uppy-Dashboard-input').first().setInputFiles(fileOf('中文.bin', MIB));
  await page.getByRole('button', { name: '上传 1 个文件' }).click();
  await page.getByRole('button', { name: zhCN.strings['failed-unauthorized'] }).waitFor();
  const shown = await page.locator('.uppy-StatusBar, .uppy-Informer').allInnerTexts();
  expect(shown.join().replaceAll('中文.bin', '')).not.toMatch(/[A-Za-z]/);
  await page.context().close();
});

test.each(['Dashboard', 'React'])('%s: the Dashboard uploads a file', async (heading) => {
  const page = await pages.open((await exampleOf(heading)) + (heading === 'React' ? IN_REACT : ''));
  const file = fileOf(`${heading}.bin`, 9 * MIB + 1);
  await page.locator('.uppy-Dashboard-input').first().setInputFiles(file);
  await page.getByRole('button', { name: 'Upload 1 file' }).click();
  await page.getByText('Complete', { exact: true }).waitFor();
  await expectStored(file);
  const inner = page.locator('.uppy-Dashboard-inner');
  expect(await inner.evaluate((one) => getComputedStyle(one).borderStyle), 'with its styles').toBe('solid');
  await page.context().close();
});

test('React: an upload goes on while its component is not there, and the next one shows how it stands', async () => {
  const page = await pages.open((await exampleOf('React')) + IN_REACT);
  const show = (isShown: boolean): Promise<void> => page.evaluate(`show(${isShown})`);
  const limitUpload = await throttle(page);
  await limitUpload(MIB / 4);
  const file = fileOf('unmounted.bin', 16 * MIB + 1);
  await page.locator('.uppy-Dashboard-input').first().setInputFiles(file);
  await page.getByRole('button', { name: 'Upload 1 file' }).click();
  const item = page.locator('.uppy-Dashboard-Item', { hasText: file.name });
  await item.getByRole('button', { name: 'Pause upload' }).click();
  await show(false);
  await item.waitFor({ state: 'detached' });
  await show(true);
  await limitUpload(-1);
  await item.getByRole('button', { name: 'Resume upload' }).click();
  await show(false);
  await expect.poll(() => readFile(pages.setting.file(file.name)).catch(() => undefined)).toBeDefined();
  await show(true);
  await page.getByText('Complete', { exact: true }).waitFor();
  await expectStored(file);
  await page.context().close();
});

test('Headless: the components upload a file, pause and resume', async () => {
  const page = await pages.open((await exampleOf('Headless')) + IN_REACT);
  const limitUpload = await throttle(page);
  await limitUpload(MIB / 4);
  const file = fileOf('headless.bin', 16 * MIB + 1);
  await page.locator('[name=uppy-dropzone-file-input]').setInputFiles(file);
  await page.getByRole('listitem').getByText(file.name).waitFor();
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
  await page.getByRole('button', { name: 'Pause' }).click();
  // What was on its way has five seconds to arrive; nothing follows.
  await limitUpload(-1);
  await page.waitForTimeout(6000);
  const arrived = pages.setting.requests.length;
  await page.waitForTimeout(1000);
  expect(pages.setting.requests.length).toBe(arrived);
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Complete' }).waitFor();
  await expectStored(file);
  expect(await page.locator('[name=uppy-dropzone-file-input]').isVisible(), 'without its styles').toBe(false);
  await page.context().close();
});

test('Headless: a file that fails can be tried again', async () => {
  const page = await pages.open((await exampleOf('Headless')) + IN_REACT);
  pages.setting.intercept = ({ method }, res) => {
    if (method !== 'POST') return false;
    res.setHeader('Access-Control-Allow-Origin', '*');
    res.writeHead(403, { 'Content-Type': 'application/json' }).end('{"code":-97,"message":"no"}');
    return true;
  };
  const file = fileOf('again.bin', MIB);
  await page.locator('[name=uppy-dropzone-file-input]').setInputFiles(file);
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
  const again = page.getByRole('button', { name: 'Try again' });
  await again.waitFor();
  pages.setting.intercept = undefined;
  await again.click();
  await again.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Complete' }).waitFor();
  await expectStored(file);
  await page.context().close();
});

test('An interface of your own: hears of slices, and of the end', async () => {
  const page = await pages.open(await exampleOf('An interface of your own'));
  const said: string[] = [];
  page.on('console', (message) => said.push(message.text()));
  const file = fileOf('own.bin', 9 * MIB + 1);
  await page.locator('#file').setInputFiles(file);
  await page.waitForEvent('console', (message) => message.text().includes('/demobucket/own.bin'));
  await expectStored(file);
  expect(said.some((line) => /^own.bin sending \d+ of \d+ slices$/.test(line))).toBe(true);
  await page.context().close();
});
