import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { launchChromium } from '../../../packages/browser/src/testing/setting.ts';
import { buildPage } from '../scripts/bundle.js';
import { type Demo, startDemo } from '../server/demo.js';
import { FAULTS } from '../server/faults.js';

const MB = 1_000_000;

let dir: string;
let browser: Browser;
let demo: Demo;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cos-slice-demo-'));
  const pageDir = join(dir, 'page');
  [browser] = await Promise.all([launchChromium(), buildPage(pageDir, { fromSources: true })]);
  demo = await startDemo({ dir: join(dir, 'uploads'), pageDir, port: 0 });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await demo?.close();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  demo.faults.set(Object.fromEntries(FAULTS.map((fault) => [fault, false])));
  context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 900 } });
  page = await context.newPage();
  await page.goto(demo.url);
});
afterEach(() => context.close());

/** Random content: nothing of it can pass for anything else. */
async function makeFile(name: string, sizeBytes: number): Promise<string> {
  const path = join(dir, name);
  const file = await open(path, 'w');
  try {
    for (let left = sizeBytes; left > 0; left -= MB) await file.write(randomBytes(Math.min(left, MB)));
  } finally {
    await file.close();
  }
  return path;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

const add = (path: string): Promise<void> => page.locator('.uppy-Dashboard-input').first().setInputFiles(path);
const turn = (fault: string, on: boolean): Promise<void> => page.locator(`#fault-${fault}`).setChecked(on);
const stored = (): Promise<number> =>
  page
    .locator('#count-slices')
    .textContent()
    .then((text) => Number.parseInt(text?.replace(/,/g, '') ?? '', 10));
const untilStored = (slices: number): Promise<void> =>
  expect.poll(stored, { timeout: 60_000, interval: 50 }).toBeGreaterThanOrEqual(slices);
const legend = (at: number): Promise<number> =>
  page
    .locator('#legend b')
    .nth(at)
    .textContent()
    .then((text) => Number(text));
const RESUMED = 4;

async function expectFinished(name: string, source: string): Promise<void> {
  const row = page.locator('#finished li', { hasText: name }).first();
  await row.waitFor({ timeout: 120_000 });
  await expect.poll(() => row.getAttribute('data-disk'), { timeout: 20_000 }).toBe('same');
  const landed = join(demo.filesDir, name);
  expect((await stat(landed)).size).toBe((await stat(source)).size);
  expect(await sha256(landed)).toBe(await sha256(source));
}

test('200 MB, paused, resumed, reloaded and through every fault, arrive byte for byte', async () => {
  const source = await makeFile('film.mp4', 200 * MB);
  await turn('slow', true);
  await add(source);
  await untilStored(5);

  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByText(/^Paused at/).waitFor();
  // What was in flight is aborted; nothing follows.
  const atPause = await stored();
  await page.waitForTimeout(1500);
  expect(await stored()).toBe(atPause);
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await untilStored(atPause + 5);

  const before = await stored();
  await page.locator('#reload').click();
  await page.waitForLoadState('load');
  await untilStored(before);
  expect(await legend(RESUMED)).toBeGreaterThanOrEqual(before);

  for (const fault of ['drop', 'busy', 'stall', 'expire', 'lose'] as const) {
    await turn(fault, true);
    await expect.poll(() => demo.faults.state().struck[fault], { timeout: 30_000 }).toBeGreaterThan(0);
    await turn(fault, false);
  }
  await turn('slow', false);
  await expectFinished('film.mp4', source);
}, 240_000);
