import { existsSync } from 'node:fs';
import bundledChromium from '@sparticuz/chromium';
import { type Browser, chromium } from 'playwright-core';

// Not the flags that come with the packaged Chromium: those switch off CORS.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--js-flags=--expose-gc',
  '--enable-precise-memory-info',
];

/** The Chromium that comes with the packages, and one that is installed: they are of different ages, and so are their faults. */
export const CHROMIUMS: readonly { readonly name: string; readonly executablePath?: string }[] = await findChromiums();

async function findChromiums(): Promise<typeof CHROMIUMS> {
  const installed = ['/usr/bin/chromium', '/usr/bin/google-chrome'].filter((path) => existsSync(path)).slice(0, 1);
  const others = installed.map((path) => ({ name: `Chromium of ${path}`, executablePath: path }));
  if (process.platform === 'linux') {
    return [{ name: 'packaged Chromium', executablePath: await bundledChromium.executablePath() }, ...others];
  }
  return others.length > 0 ? others : [{ name: 'Chrome' }];
}

export function launchChromium(
  which: { readonly executablePath?: string; readonly args?: readonly string[] } = CHROMIUMS[0] ?? {},
): Promise<Browser> {
  const { executablePath, args = [] } = which;
  return chromium.launch({
    ...(executablePath ? { executablePath } : { channel: 'chrome' }),
    args: [...FLAGS, ...args],
    headless: true,
  });
}
