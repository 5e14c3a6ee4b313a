import { fileURLToPath } from 'node:url';
import { launchChromium } from '@cos-slice/testkit/chromium';
import type { Site } from '@cos-slice/testkit/site';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { type Ended, RETRY_IN_PAGE, timeoutsOf } from './limits.ts';
import type { AllHeld } from './page.ts';
import type { UploadPlan } from './plan.ts';
import type { Stories } from './stories.ts';
import { startPages } from './world.ts';

/** Pages in Chromium that upload. */
export interface Pages {
  /** In a page of its own, which one upload after another uses. */
  open(): Promise<Lane>;
  close(): Promise<void>;
}

export interface Lane {
  upload(plan: UploadPlan): Promise<Ended>;
  /** What the page has not given back, for people. */
  left(): Promise<string[]>;
  troubles(): Promise<string[]>;
}

/** Where uploads go, and the shortest of their timeouts. */
export interface Reach {
  readonly endpoint: string;
  readonly patienceMs: number;
}

export async function openChromium(
  seed: number,
  { endpoint, patienceMs }: Reach,
  planOf: (index: number) => UploadPlan,
  stories: Stories,
): Promise<Pages> {
  const script = await bundlePage();
  const site = await startPages(seed, script, planOf);
  const browser = await launchChromium();
  return {
    open: () => openLane(browser, site, { endpoint, patienceMs }, stories),
    async close() {
      await browser.close();
      await site.close();
    },
  };
}

async function bundlePage(): Promise<string> {
  const { outputFiles } = await build({
    // The same from here and from a bundle beside this folder.
    entryPoints: [fileURLToPath(new URL('../soak/page.ts', import.meta.url))],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}

async function openLane(
  browser: Browser,
  site: Site,
  { endpoint, patienceMs }: Reach,
  stories: Stories,
): Promise<Lane> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const troubles: string[] = [];
  page.on('pageerror', (error) => troubles.push(`in the page: ${error.stack}`));
  page.on('crash', () => troubles.push('the page has crashed'));
  await page.goto(site.pageUrl);

  const collect = async (): Promise<void> => {
    troubles.push(...(await page.evaluate(() => soak.troubles())));
  };
  return {
    async upload(plan) {
      const order = {
        plan,
        endpoint,
        signUrl: site.signUrl,
        contentUrl: `${site.slicesUrl}/content/${plan.index}`,
        retry: RETRY_IN_PAGE,
        timeouts: timeoutsOf(patienceMs),
      };
      const begin = (): Promise<Ended> => page.evaluate((it) => soak.upload(it), order);
      const run = async (): Promise<Ended> => {
        const ended = await begin();
        // A line that breaks five times in a row looks to a page like a request that it may not make. Its user tries again.
        if (ended.code !== 'network' || !ended.message?.startsWith('no readable answer')) return ended;
        stories.tell(plan.path, 'its user tries again');
        return begin();
      };
      stories.tell(plan.path, 'begins in a page');
      for (const breakAt of plan.breaks) {
        const ended = run().catch(() => undefined);
        const first = await Promise.race([ended, reached(page, breakAt)]);
        if (first) return first;
        await collect();
        stories.tell(plan.path, 'the page is loaded again');
        await page.reload();
        await ended;
      }
      return run();
    },
    async left() {
      const held: AllHeld = await page.evaluate(() => soak.held());
      return Object.entries(held).flatMap(([name, count]) => (count === 0 ? [] : [`${count} ${name} in a page`]));
    },
    async troubles() {
      await collect();
      return troubles.splice(0);
    },
  };
}

/** Resolves when the upload of a page has come so far; never when it ends before. */
async function reached(page: Page, share: number): Promise<undefined> {
  const isThere = await page
    .waitForFunction((least) => soak.fraction > least && soak.fraction < 1, share, { polling: 20 })
    .catch(() => undefined);
  return isThere ? undefined : new Promise(() => {});
}
