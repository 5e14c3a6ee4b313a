import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { launchChromium } from '@cos-slice/testkit/chromium';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { contentBlocks } from './content.ts';
import type { UploadOrder, UploadOutcome } from './page.ts';
import { createSetting, type Setting } from './setting.ts';

const MIB = 1024 * 1024;
/** What `uploadBlob` asks for by default, in bytes. */
export const SLICE: number = 2 * MIB;

export let browser: Browser;
export let setting: Setting;
export let page: Page;

/**
 * For a `describe`: a browser, a setting, and a page for each test, since a page that has made many blobs is refused more of
 * them.
 *
 * @param scripts what the page's server has besides, by path
 */
export function usePage(
  chromium: { readonly executablePath?: string; readonly args?: readonly string[] },
  scripts: Readonly<Record<string, string>> = {},
): void {
  beforeAll(async () => {
    [browser, setting] = await Promise.all([launchChromium(chromium), createSetting()]);
    for (const [path, script] of Object.entries(scripts)) setting.scripts.set(path, script);
  });
  afterAll(async () => {
    await browser?.close();
    await setting?.close();
  });
  beforeEach(async () => {
    page = await open();
  });
  afterEach(async () => {
    setting.intercept = undefined;
    setting.pageHeaders = {};
    await page.context().close();
  });
}

/** Another page, which shares nothing with the first. */
export async function open(): Promise<Page> {
  const context = await browser.newContext();
  const opened = await context.newPage();
  await opened.goto(setting.pageUrl);
  return opened;
}

export function order(path: string, sizeBytes: number, more: Partial<UploadOrder> = {}): UploadOrder {
  return { endpoint: setting.endpoint, signUrl: setting.signUrl, path, sizeBytes, ...more };
}

export async function run(one: UploadOrder, on: Page = page): Promise<UploadOutcome> {
  await on.evaluate((it) => cosSlice.start(it), one);
  return outcomeOf(one.path, on);
}

/** How an upload ends. What drives browsers loses a promise now and then, though not what it was of: that is asked again. */
export async function outcomeOf(path: string, on: Page = page): Promise<UploadOutcome> {
  for (;;) {
    try {
      return await on.evaluate((it) => cosSlice.outcome(it), path);
    } catch (error) {
      if (!/promise was garbage collected/.test(String(error))) throw error;
    }
  }
}

export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
}

/** The server has what was ordered, byte for byte. */
export async function expectStored({ path, sizeBytes }: UploadOrder, { error }: UploadOutcome): Promise<void> {
  expect(error).toBeUndefined();
  const wanted = createHash('sha256');
  for (const block of contentBlocks(sizeBytes)) wanted.update(block);
  expect(await sha256(setting.file(path))).toBe(wanted.digest('hex'));
}

export async function untilStored(on: Page, path: string, slices: number): Promise<void> {
  await on.waitForFunction(([name, count]) => cosSlice.storedSlices(name) >= count, [path, slices] as const, {
    polling: 10,
  });
}
