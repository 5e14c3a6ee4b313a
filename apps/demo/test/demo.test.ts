import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
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

const add = (...paths: string[]): Promise<void> => page.locator('.uppy-Dashboard-input').first().setInputFiles(paths);
const turn = (fault: string, on: boolean): Promise<void> => {
  const control = page.locator(`#fault-${fault}`);
  // Losing a session happens once and switches itself off, perhaps before anybody can see it on.
  return fault === 'lose' && on ? control.click() : control.setChecked(on);
};
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
  const row = page.locator('#finished li', { hasText: name }).last();
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

  // Added again, it is there at once.
  await page.locator('.uppy-Dashboard-Item').waitFor({ state: 'detached' });
  await add(source);
  await page.locator('#finished .badge.instant').waitFor({ timeout: 30_000 });
}, 240_000);

test('40 MB arrive byte for byte through faults in pairs, and then all of them together', async () => {
  const source = await makeFile('worst.bin', 40 * MB);
  const control = (...faults: readonly string[]): void =>
    demo.faults.set(Object.fromEntries(FAULTS.map((fault) => [fault, faults.includes(fault)])));
  const before = demo.faults.state().struck;
  // In every pair, so that the upload lasts long enough to meet them all.
  control('slow');
  await add(source);
  await untilStored(1);
  for (const fault of ['lose', 'expire', 'stall', 'drop', 'busy'] as const) {
    control('slow', fault);
    await page.waitForTimeout(1000);
  }
  control(...FAULTS);
  await expectFinished('worst.bin', source);
  const { struck } = demo.faults.state();
  for (const fault of ['lose', 'expire', 'drop', 'busy'] as const) expect(struck[fault]).toBeGreaterThan(before[fault]);
}, 120_000);

/** From now on, sums up how far what is in sight moves by itself. */
async function watchShifts(): Promise<() => Promise<number>> {
  await page.evaluate(() => {
    const shifts: number[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) shifts.push(entry.value);
      }
    }).observe({ type: 'layout-shift', buffered: false });
  });
  return () =>
    page.evaluate(() => (window as unknown as { shifts: number[] }).shifts.reduce((sum, value) => sum + value, 0));
}

test('the page is usable at 360 px, in both languages, and nothing moves while files are uploaded', async () => {
  // High enough for everything to be in sight: only what is seen can be seen to move.
  await page.setViewportSize({ width: 360, height: 3000 });
  const shifted = await watchShifts();
  const source = await makeFile('narrow.bin', 12 * MB);
  await add(source);
  await expectFinished('narrow.bin', source);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  expect(await shifted()).toBeLessThan(0.05);

  await page.getByRole('button', { name: '中文' }).click();
  await page.getByRole('heading', { name: '分片图' }).waitFor();
  expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN');
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
});

for (const [width, height] of [
  [1280, 1600],
  [360, 3000],
] as const) {
  test(`with four files, and then a hundred, next to nothing moves at ${width} px`, async () => {
    await page.setViewportSize({ width, height });
    const shifted = await watchShifts();
    const few = await Promise.all([9, 3, 6, 12].map((size, at) => makeFile(`${width}-few-${at}.bin`, size * MB)));
    await add(...few);
    await expect.poll(() => page.locator('#finished li').count(), { timeout: 30_000 }).toBe(4);
    await page.locator('.uppy-Dashboard-Item').first().waitFor({ state: 'detached' });
    expect(await shifted()).toBeLessThan(0.1);

    const many = await Promise.all(Array.from({ length: 100 }, (_, at) => makeFile(`${width}-many-${at}.bin`, 5000)));
    await add(...many);
    await page.locator('#finished li', { hasText: '-many-99.bin' }).waitFor({ timeout: 30_000 });
    await page.locator('.uppy-Dashboard-Item').first().waitFor({ state: 'detached' });
    expect(await shifted()).toBeLessThan(0.1);
  });
}

test('the map says in words what it shows, and the keyboard reaches every switch', async () => {
  const source = await makeFile('words.bin', 8_000_000);
  await add(source);
  await expectFinished('words.bin', source);
  const label = 'words.bin: 4 slices. 4 stored, 0 resumed, 0 in flight, 0 retrying, 0 waiting.';
  await page.getByRole('img', { name: label }).waitFor();
  await page.locator('#fault-drop').focus();
  await page.keyboard.press('Space');
  await expect.poll(() => demo.faults.state().faults.drop).toBe(true);
  for (const fault of ['busy', 'stall', 'slow', 'expire', 'lose']) {
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe(`fault-${fault}`);
  }
});

test('every tab keeps uploads of its own, also one that was made from another', async () => {
  const source = await makeFile('mine.bin', 30 * MB);
  await turn('slow', true);
  await add(source);
  await untilStored(2);
  const items = (tab: Page): Promise<number> => tab.locator('.uppy-Dashboard-Item').count();

  const other = await context.newPage();
  await other.goto(demo.url);
  // It comes with the session storage of the first.
  const [copy] = await Promise.all([
    context.waitForEvent('page'),
    page.evaluate(() => void window.open(location.href)),
  ]);
  for (const tab of [other, copy]) {
    await tab.locator('body[data-ready]').waitFor();
    await tab.waitForTimeout(1000);
    expect(await items(tab)).toBe(0);
  }
  await Promise.all([other, copy].map((tab) => tab.reload()));
  await page.locator('#reload').click();
  await page.waitForLoadState('load');
  await untilStored(3);
  expect(await items(page)).toBe(1);
  for (const tab of [other, copy]) expect(await items(tab)).toBe(0);
  await turn('slow', false);
  await expectFinished('mine.bin', source);
});

test('what a closed tab has left falls to the next one', async () => {
  await turn('slow', true);
  await add(await makeFile('left.bin', 20 * MB));
  await untilStored(1);
  await page.waitForTimeout(1000);
  await page.close();
  page = await context.newPage();
  await page.goto(demo.url);
  await page.locator('.uppy-Dashboard-Item', { hasText: 'left.bin' }).waitFor();
});

test('what is paused stays so when the page is reloaded', async () => {
  const source = await makeFile('pausing.bin', 30 * MB);
  await turn('slow', true);
  await add(source);
  await untilStored(2);
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByText(/^Paused at/).waitFor();
  // Kept at most twice a second.
  await page.waitForTimeout(700);
  await page.locator('#reload').click();
  await page.waitForLoadState('load');
  const resume = page.getByRole('button', { name: 'Resume', exact: true });
  await resume.waitFor();
  await page.waitForTimeout(1500);
  expect(await stored()).toBe(0);
  await turn('slow', false);
  await resume.click();
  await expectFinished('pausing.bin', source);
});

test('what was counted stays counted when the server is started anew', async () => {
  const preflights = async (): Promise<number> => Number(await page.locator('#count-preflights').textContent());
  await turn('busy', true);
  await add(await makeFile('count.bin', 12 * MB));
  await expectFinished('count.bin', join(dir, 'count.bin'));
  await expect.poll(() => page.locator('#faults .times', { hasText: '×' }).count()).toBe(1);
  const before = await preflights();
  expect(before).toBeGreaterThan(0);

  const port = Number(new URL(demo.url).port);
  const struck = demo.faults.state().struck.busy;
  await demo.close();
  demo = await startDemo({ dir: join(dir, 'uploads'), pageDir: join(dir, 'page'), port });
  // The page has heard of the new one when its switch is off again.
  await expect.poll(() => page.locator('#fault-busy').isChecked(), { timeout: 20_000 }).toBe(false);
  expect(await preflights()).toBe(before);
  await fetch(`${demo.url}/files/v2/1250000000/demo/x`, { method: 'OPTIONS' });
  await expect.poll(preflights).toBe(before + 1);
  expect(struck).toBeGreaterThan(0);
  expect(await page.locator('#faults .times', { hasText: '×' }).count()).toBe(1);
});

/** All that is said from now on to those who do not see the page. */
async function listen(): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const said: string[] = [];
    Object.assign(window, { said });
    const announcer = document.getElementById('announcer') as HTMLElement;
    new MutationObserver(() => said.push(announcer.textContent ?? '')).observe(announcer, { childList: true });
  });
  return () => page.evaluate(() => (window as unknown as { said: string[] }).said);
}

test('many files are spoken of by their number, and what is cancelled or removed is said', async () => {
  const said = await listen();
  await add(...(await Promise.all(Array.from({ length: 30 }, (_, at) => makeFile(`said-${at}.bin`, 3000)))));
  await page.locator('#finished li', { hasText: 'said-29.bin' }).waitFor();
  await expect.poll(said).toEqual(['The upload of 30 files has started.', '30 of 30 files are uploaded.']);
  await page.locator('.uppy-Dashboard-Item').first().waitFor({ state: 'detached' });
  expect(await said()).toHaveLength(2);

  await turn('slow', true);
  await add(await makeFile('said-a.bin', 9 * MB), await makeFile('said-b.bin', 9 * MB));
  await page
    .getByText(/^Sending/)
    .first()
    .waitFor();
  const item = page.locator('.uppy-Dashboard-Item', { hasText: 'said-a.bin' });
  await item.getByRole('button', { name: 'Remove file' }).click();
  await expect.poll(said).toContain('said-a.bin is removed.');
  await page.getByRole('button', { name: 'Cancel', exact: true }).first().click();
  await expect.poll(async () => (await said()).at(-1)).toBe('The upload is cancelled.');
});

test('a failure is told with what to do about it, in the language of the page', async () => {
  await page.route('**/sign', (route) => route.fulfill({ status: 403, body: 'no' }));
  const said = await listen();
  await page.getByRole('button', { name: '中文' }).click();
  await add(await makeFile('unsigned.bin', MB));
  const reason = '未能取得签名，请确认演示正在运行，然后重试';
  await page.getByText(`失败：${reason}`, { exact: true }).waitFor();
  await expect.poll(async () => (await said()).at(-1)).toBe(`unsigned.bin 上传失败：${reason}。`);
  // In what Uppy shows, too.
  expect(await page.locator('.uppy-Informer [role=tooltip]').first().getAttribute('aria-label')).toBe(reason);
  const [dialog] = await Promise.all([
    page.waitForEvent('dialog'),
    page.locator('.uppy-StatusBar-details').click({ noWaitAfter: true }),
    page.once('dialog', (one) => void one.dismiss()),
  ]);
  expect(dialog.message()).toContain(reason);
  await page.getByRole('button', { name: 'English' }).click();
  await page.getByText(/^Failed: there was no signature: /).waitFor();
});

test('texts, switches and slices can be told apart by their luminance, in light and in dark', async () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const contrast = await page.evaluate(() => {
      const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
      if (!context) throw new Error('no canvas');
      /** Of colours that lie upon each other, the first lowest. */
      const luminance = (...layers: string[]): number => {
        for (const layer of layers) {
          context.fillStyle = layer;
          context.fillRect(0, 0, 1, 1);
        }
        const [red = 0, green = 0, blue = 0] = [...context.getImageData(0, 0, 1, 1).data].map((value) =>
          value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
        );
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const ratio = (one: number, other: number): number =>
        (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      const root = getComputedStyle(document.documentElement);
      const of = (name: string): string => root.getPropertyValue(`--${name}`).trim();
      const surface = of('surface');
      const list = document.getElementById('finished') as HTMLElement;
      const badge = (kind: string): number => {
        const made = document.createElement('span');
        made.className = `badge ${kind}`;
        list.append(made);
        const { color, backgroundColor } = getComputedStyle(made);
        made.remove();
        return ratio(luminance(color), luminance(surface, backgroundColor));
      };
      const control = getComputedStyle(document.getElementById('fault-drop') as HTMLElement);
      const onSurface = (name: string): number => ratio(luminance(of(name)), luminance(surface));
      return {
        badges: Math.min(badge('instant'), badge('resumed')),
        border: ratio(luminance(surface, control.borderTopColor), luminance(surface)),
        slices: Math.min(...['in-flight', 'stored', 'retrying', 'resumed'].map(onSurface)),
        flightAndStored: ratio(luminance(of('in-flight')), luminance(of('stored'))),
      };
    });
    expect(contrast.badges, colorScheme).toBeGreaterThanOrEqual(4.5);
    expect(contrast.border, colorScheme).toBeGreaterThanOrEqual(3);
    expect(contrast.slices, colorScheme).toBeGreaterThanOrEqual(3);
    expect(contrast.flightAndStored, colorScheme).toBeGreaterThanOrEqual(1.7);
  }
});

test('names that the protocol refuses are made to fit it', async () => {
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(['hello'], '目录 a?b "c".txt', { type: 'text/plain' }));
    const input = document.querySelector<HTMLInputElement>('.uppy-Dashboard-input');
    if (!input) throw new Error('no input');
    input.files = data.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  });
  await page.locator('#finished li[data-disk=same]').waitFor();
  expect((await stat(join(demo.filesDir, '目录 a_b _c_.txt'))).size).toBe(5);
});

test('signatures are for the demo bucket and the path asked for only', async () => {
  const ask = (claim: object, type = 'application/json'): Promise<Response> =>
    fetch(`${demo.url}/sign`, { method: 'POST', headers: { 'Content-Type': type }, body: JSON.stringify(claim) });
  const claim = { appId: '1250000000', bucket: 'demo', path: 'a.bin', effect: 'multi', nowSec: 9_999_999_999 };
  const { signature } = (await (await ask(claim)).json()) as { signature: string };
  const text = Buffer.from(signature, 'base64').subarray(20).toString();
  expect(text).toContain('f=/1250000000/demo/a.bin');
  expect(Number(/&e=(\d+)/.exec(text)?.[1])).toBeLessThan(Date.now() / 1000 + 3600);
  expect((await ask({ ...claim, bucket: 'other' })).status).toBe(403);
  expect((await ask({ ...claim, appId: '1' })).status).toBe(403);
  expect((await ask({ ...claim, path: '' })).status).toBe(400);
  // What a form of another page can send.
  expect((await ask(claim, 'text/plain')).status).toBe(415);
  const elsewhere = `${demo.url}/files/v2/1250000000/demo/b.bin?sign=${encodeURIComponent(signature)}`;
  const form = new FormData();
  form.append('op', 'upload_slice_list');
  expect((await fetch(elsewhere, { method: 'POST', body: form })).status).toBe(403);
});

test('the command says where it is and where uploads land, and ends when interrupted', async () => {
  const main = fileURLToPath(new URL('../server/main.js', import.meta.url));
  const env = { ...process.env, PORT: '0', DEMO_DIR: join(dir, 'command') };
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line.startsWith('ready ')) break;
  }
  expect(lines[0]).toBe(`uploads land in ${join(dir, 'command/1250000000/demo')}`);
  const url = lines[1]?.slice('ready '.length) ?? '';
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  // An open page does not keep it from ending.
  const events = await fetch(`${url}/demo/events`);
  expect((await fetch(url)).status).toBe(200);
  const ended = new Promise((resolve) => {
    child.once('exit', (code) => resolve(code));
  });
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  await events.body?.cancel().catch(() => {});
});
