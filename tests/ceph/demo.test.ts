// The demo, started as people start it, with a store beside its slice server: a page in Chromium that sends files to Ceph.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CHROMIUMS, launchChromium } from '@cos-slice/testkit/chromium';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ceph } from './support/bucket.ts';
import { PAGE_PLACES } from './support/pages.ts';
import { CREDENTIALS } from './support/s3.ts';
import type { WirePlace } from './support/wires.ts';

const MAIN = fileURLToPath(new URL('../../apps/demo/server/main.js', import.meta.url));
const MIB = 1024 * 1024;
/** Bytes per second: a click comes in time even where the machine is busy. */
const SLOW = 6 * MIB;
const [, , startPlace] = PAGE_PLACES[0];
const endpoint = ceph?.endpoint ?? '';

describe.skipIf(!ceph)('the demo with an object store', () => {
  let dir: string;
  let place: WirePlace;
  let browser: Browser;
  let demo: ChildProcess;
  let url: string;

  /** @returns where it is, or undefined when it does not start */
  async function start(args: readonly string[], more: Record<string, string> = {}): Promise<[ChildProcess, string?]> {
    const { accessKeyId, secretAccessKey } = CREDENTIALS;
    const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const env = { ...process.env, PORT: '0', DEMO_DIR: join(dir, 'uploads'), ...keys, ...more };
    const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('ready ')) return [child, line.slice('ready '.length)];
    }
    return [child];
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cos-slice-demo-store-'));
    [place, browser] = await Promise.all([startPlace(endpoint), launchChromium(CHROMIUMS[0])]);
    const [child, at = ''] = await start([
      '--s3-endpoint',
      endpoint,
      '--s3-bucket',
      place.bucket,
      '--s3-server',
      'ceph',
    ]);
    [demo, url] = [child, at];
  });
  afterAll(async () => {
    await browser?.close();
    if (demo?.kill('SIGINT')) await once(demo, 'exit');
    await place?.close();
    await rm(dir, { recursive: true, force: true });
  });

  async function open(): Promise<Page> {
    const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 900 } });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    await page.goto(url);
    return page;
  }
  /** Sets the network to a rate, or as fast as can be. */
  async function limit(page: Page, bytesPerSecond: number): Promise<void> {
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    const rates = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytesPerSecond };
    await session.send('Network.emulateNetworkConditions', rates);
  }
  async function chooseStore(page: Page): Promise<void> {
    await page.locator('[data-wire=s3]').click();
    await page.locator('[data-wire=s3][aria-pressed=true]').waitFor();
    await page.locator('body[data-ready]').waitFor();
  }
  async function makeFile(
    name: string,
    sizeBytes: number,
  ): Promise<{ readonly path: string; readonly content: Buffer }> {
    const [path, content] = [join(dir, name), randomBytes(sizeBytes)];
    await writeFile(path, content);
    return { path, content };
  }
  const add = (page: Page, path: string) => page.locator('.uppy-Dashboard-input').first().setInputFiles(path);
  const stored = async (page: Page): Promise<number> =>
    Number.parseInt((await page.locator('#count-slices').textContent()) ?? '', 10);
  const untilStored = (page: Page, slices: number) =>
    expect.poll(() => stored(page), { interval: 50 }).toBeGreaterThanOrEqual(slices);
  const press = (page: Page, name: string) =>
    page.getByRole('button', { name, exact: true }).first().dispatchEvent('click');

  async function expectFinished(page: Page, name: string, content: Buffer): Promise<string> {
    const row = page.locator('#finished li', { hasText: name }).last();
    await row.waitFor({ timeout: 300_000 });
    await expect.poll(() => row.getAttribute('data-disk')).toBe('same');
    expect((await place.read(`demo/${name}`)).equals(content)).toBe(true);
    return (await row.textContent()) ?? '';
  }

  test('lets one choose, and sends files to the store with the map of their parts', async () => {
    const page = await open();
    expect(await page.locator('#wire button').allTextContents()).toEqual(['Slice server', `S3: ${place.bucket}`]);
    expect(await page.locator('[data-wire=json]').getAttribute('aria-pressed')).toBe('true');
    const first = await makeFile('first.bin', 3 * MIB);
    await add(page, first.path);
    await page.locator('#finished li', { hasText: 'first.bin' }).waitFor();
    await expect(place.read('demo/first.bin')).rejects.toThrow('404');
    expect(await page.locator('#faults').isVisible()).toBe(true);
    await chooseStore(page);
    // They are the slice server's.
    expect(await page.locator('#faults').isVisible()).toBe(false);
    const { path, content } = await makeFile('store.bin', 60 * MIB + 1);
    await add(page, path);
    await expectFinished(page, 'store.bin', content);
    expect(await page.locator('#count-slices').textContent()).toBe('8 of 8');
    const link = (await page.locator('#finished li a', { hasText: 'store.bin' }).getAttribute('href')) ?? '';
    const opened = await fetch(new URL(link, url));
    expect(Buffer.from(await opened.arrayBuffer()).equals(content)).toBe(true);
    expect(await place.unfinished()).toEqual([]);
  });

  test('stands still while it is paused, and cannot be sent elsewhere meanwhile', async () => {
    const page = await open();
    await chooseStore(page);
    await limit(page, SLOW);
    const { path, content } = await makeFile('paused.bin', 150 * MIB);
    await add(page, path);
    await untilStored(page, 2);
    await press(page, 'Pause');
    // What is under way may end; then nothing moves.
    let before = -1;
    for (let now = await stored(page); now !== before; now = await stored(page)) {
      before = now;
      await page.waitForTimeout(2500);
    }
    expect(before).toBeLessThan(19);
    expect(await page.locator('[data-wire=json]').isDisabled()).toBe(true);
    await limit(page, -1);
    await press(page, 'Resume');
    await expectFinished(page, 'paused.bin', content);
    await expect.poll(() => page.locator('[data-wire=json]').isDisabled()).toBe(false);
  });

  test('goes on by itself after a reload, in the store', async () => {
    const page = await open();
    await chooseStore(page);
    await limit(page, SLOW);
    const { path, content } = await makeFile('reloaded.bin', 150 * MIB);
    await add(page, path);
    await untilStored(page, 3);
    await page.reload();
    await page.locator('[data-wire=s3][aria-pressed=true]').waitFor();
    await limit(page, -1);
    expect(await expectFinished(page, 'reloaded.bin', content)).toContain('resumed');
    expect(await place.unfinished()).toEqual([]);
  });

  test('signs for its own folder only, and knows no key that a page could see', async () => {
    const ask = async (key: string, query = {}) => {
      const requests = [{ method: 'PUT', bucket: place.bucket, key, query, headers: {} }];
      const headers = { 'Content-Type': 'application/json' };
      const reply = await fetch(`${url}/sign`, { method: 'POST', headers, body: JSON.stringify({ requests }) });
      return ((await reply.json()) as { signed: [{ url?: string }] }).signed[0].url !== undefined;
    };
    expect([await ask('demo/a'), await ask('a'), await ask('demo/../a'), await ask('demo/a', { acl: '' })]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    const page = await (await fetch(url)).text();
    expect(page).toContain(place.bucket);
    expect(page).not.toContain(CREDENTIALS.secretAccessKey);
    const elsewhere = await fetch(`${url}/demo/open?path=${encodeURIComponent('../x')}`, { redirect: 'manual' });
    expect(elsewhere.status).toBe(400);
  });

  test.each([
    [['--s3-bucket', 'films'], {}, /--s3-endpoint and --s3-bucket go together/],
    [['--s3-endpoint', 'http://h', '--s3-bucket', 'b'], { AWS_SECRET_ACCESS_KEY: '' }, /needs AWS_ACCESS_KEY_ID and/],
    [['--s3-endpoint', 'h', '--s3-bucket', 'b'], {}, /wire\.endpoint must be a URL/],
    [['--s4'], {}, /--s4/],
  ])('says what is wrong with a store: %j', async (args, env, message) => {
    const [child, at] = await start(args, env);
    let said = '';
    for await (const chunk of child.stderr ?? []) said += chunk;
    expect(at).toBeUndefined();
    expect(said).toMatch(/^demo: /);
    expect(said).toMatch(message);
  });
});
