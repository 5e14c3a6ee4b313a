import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchChromium } from '@cos-slice/testkit/chromium';
import { sha256, makeFile as writeFile } from '@cos-slice/testkit/files';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { buildPage } from '../scripts/bundle.js';
import { type Demo, startDemo } from '../server/demo.js';
import { FAULTS } from '../server/faults.js';

export const MB = 1_000_000;
/** Places in the legend. */
export const IN_FLIGHT = 1;
export const STORED = 2;
export const RESUMED = 4;

export let dir: string;
export let demo: Demo;
export let context: BrowserContext;
export let page: Page;
let browser: Browser;

/** For every test of a file: a demo of its own, and a fresh page with all faults off. */
export function useDemo(): void {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cos-slice-demo-'));
    const pageDir = join(dir, 'page');
    [browser] = await Promise.all([launchChromium(), buildPage(pageDir, { fromSources: true })]);
    demo = await startDemo({ dir: join(dir, 'uploads'), pageDir, port: 0 });
  });
  afterAll(async () => {
    await browser?.close();
    await demo?.close();
    await rm(dir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    demo.faults.set(Object.fromEntries(FAULTS.map((fault) => [fault, false])));
    context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 900 } });
    await openPage();
  });
  afterEach(() => context.close());
}

/** Another tab: from now on, `page`. */
export async function openPage(): Promise<void> {
  page = await context.newPage();
  await page.goto(demo.url);
}

/** The same demo in a new process, as far as pages can tell. */
export async function restartDemo(): Promise<void> {
  const port = Number(new URL(demo.url).port);
  await demo.close();
  demo = await startDemo({ dir: join(dir, 'uploads'), pageDir: join(dir, 'page'), port });
}

export const makeFile = (name: string, sizeBytes: number): Promise<string> => writeFile(join(dir, name), sizeBytes);

export const add = (...paths: string[]): Promise<void> =>
  page.locator('.uppy-Dashboard-input').first().setInputFiles(paths);

export const turn = (fault: string, on: boolean): Promise<void> => {
  const control = page.locator(`#fault-${fault}`);
  // Losing a session happens once and switches itself off, perhaps before anybody can see it on.
  return fault === 'lose' && on ? control.click() : control.setChecked(on);
};

export const stored = (): Promise<number> =>
  page
    .locator('#count-slices')
    .textContent()
    .then((text) => Number.parseInt(text?.replace(/,/g, '') ?? '', 10));

export const untilStored = (slices: number): Promise<void> =>
  expect.poll(stored, { interval: 50 }).toBeGreaterThanOrEqual(slices);

export const legend = (at: number): Promise<number> =>
  page
    .locator('#legend b')
    .nth(at)
    .textContent()
    .then((text) => Number(text));

export async function expectFinished(name: string, source: string): Promise<void> {
  const row = page.locator('#finished li', { hasText: name }).last();
  // Through faults it takes long; what stands still for ever ends here and not at the test's own limit, which says less.
  await row.waitFor({ timeout: 500_000 });
  await expect.poll(() => row.getAttribute('data-disk')).toBe('same');
  const landed = join(demo.filesDir, name);
  expect((await stat(landed)).size).toBe((await stat(source)).size);
  expect(await sha256(landed)).toBe(await sha256(source));
}
