import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
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
    return [{ name: 'packaged Chromium', executablePath: await unpackChromium() }, ...others];
  }
  return others.length > 0 ? others : [{ name: 'Chrome' }];
}

/**
 * Unpacks the Chromium that comes with the packages, once for all processes. It is complete when it gets its name: the
 * package itself writes in place, and another process would start what is not yet written.
 */
async function unpackChromium(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium');
  const { version } = JSON.parse(await readFile(join(entry, '../../../package.json'), 'utf8'));
  const folder = join(tmpdir(), `cos-slice-chromium-${version}`);
  const executable = join(folder, 'chromium');
  if (existsSync(executable)) return executable;
  const own = await mkdtemp(`${folder}-`);
  try {
    const script = "import chromium from '@sparticuz/chromium'; await chromium.executablePath();";
    const place = { cwd: import.meta.dirname, env: { ...process.env, TMPDIR: own } };
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], place);
    await rename(own, folder);
  } catch (error) {
    await rm(own, { recursive: true, force: true });
    // Another process was first.
    if (!existsSync(executable)) throw error;
  }
  return executable;
}

/** For machines that have much else to do; the test's own time limit comes after it. */
const PATIENCE_MS = 180_000;

export async function launchChromium(
  which: { readonly executablePath?: string; readonly args?: readonly string[] } = CHROMIUMS[0] ?? {},
): Promise<Browser> {
  const { executablePath, args = [] } = which;
  const browser = await chromium.launch({
    ...(executablePath ? { executablePath } : { channel: 'chrome' }),
    args: [...FLAGS, ...args],
    headless: true,
    timeout: PATIENCE_MS,
  });
  // What its pages are asked for waits as long, wherever they are opened.
  const newContext = browser.newContext.bind(browser);
  browser.newContext = async (options) => {
    const context = await newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    return context;
  };
  return browser;
}
