// @ts-check
import { existsSync } from 'node:fs';
import bundledChromium from '@sparticuz/chromium';
import { chromium } from 'playwright-core';
import { MIB } from './options.js';

/** @import { Browser, CDPSession, Page } from 'playwright-core' */

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-sync',
];

/**
 * What the page's `upload` costs: CPU is all of Chromium's processes, memory the growth of the page's JavaScript heap.
 *
 * @param {Browser} browser
 * @param {Page} page
 * @param {object} order
 */
export async function measurePage(browser, page, order) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const system = await browser.newBrowserCDPSession();
  const heapBefore = await heapBytes(session);
  const cpuBefore = await cpuSeconds(system);
  let heapMost = heapBefore;
  let over = false;
  const watching = (async () => {
    while (!over) {
      heapMost = Math.max(heapMost, await heapBytes(session));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  const wallMs = await page.evaluate((it) => /** @type {any} */ (globalThis).upload(it), order);
  over = true;
  await watching;
  const cpuMs = ((await cpuSeconds(system)) - cpuBefore) * 1000;
  return { wallMs: Number(wallMs), cpuMs, rssGrowthMiB: (heapMost - heapBefore) / MIB };
}

/** @param {CDPSession} session */
async function heapBytes(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0;
}

/** @param {CDPSession} system */
async function cpuSeconds(system) {
  const { processInfo } = await system.send('SystemInfo.getProcessInfo');
  return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}

export async function launch() {
  const executablePath = process.platform === 'linux' ? await bundledChromium.executablePath() : installedChromium();
  return chromium.launch({ ...(executablePath ? { executablePath } : { channel: 'chrome' }), args: FLAGS });
}

function installedChromium() {
  return ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path));
}
