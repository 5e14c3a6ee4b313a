// The guide to moving over for pages: what it shows of the vendor's client and of ours is run in Chromium, and has to come to the same.
import { createHmac, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSigner, type SignClaim } from '@cos-slice/node';
import { createSliceServer, fileStore } from '@cos-slice/server';
import { CHROMIUMS, launchChromium } from '@cos-slice/testkit/chromium';
import { expect, onTestFinished, test } from 'vitest';
import { samplesOf } from './support/samples.ts';

const GUIDE = 'docs/migrate-from-cos-js-sdk-v4.md';
const HOST = 'sh.file.myqcloud.com';
const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['films'] };
const SDK = await readFile(createRequire(import.meta.url).resolve('cos-js-sdk-v4'), 'utf8');
const PACKAGES = fileURLToPath(new URL('../packages/', import.meta.url));
/** What a page asks for by name, and where it is: the entries of core are those of its package. */
const core = JSON.parse(await readFile(join(PACKAGES, 'core/package.json'), 'utf8')) as {
  exports: Record<string, string | { default: string }>;
};
const MODULES = Object.fromEntries([
  ['@cos-slice/browser', '/browser/dist/index.js'],
  ...Object.entries(core.exports).flatMap(([name, entry]) =>
    typeof entry === 'string' ? [] : [[`@cos-slice/core${name.slice(1)}`, join('/core', entry.default)]],
  ),
]);

/** What the samples take for granted. */
const GIVEN = `
  const bytes = new Uint8Array(3_000_001).map((_, at) => (at * 131 + (at >> 8) * 17) & 255);
  const file = new File([bytes], 'film.mp4');
  const said = [];
  const show = (...what) => said.push(what.join(' '));
  const onProgress = () => {};
  const onSuccess = () => {};
  const onError = (failed) => said.push('failed: ' + (failed?.responseText ?? failed));
`;

/** One of the vendor's calls follows the other. */
const beforeScript = (setup: string, blocks: readonly string[]): string => `
  ${GIVEN}
  ${setup.replace('const cos =', 'const vendor =')}
  let last = Promise.resolve();
  const cos = new Proxy(vendor, {
    get: (all, name) => (success, error, ...more) => {
      last = last.then(() => new Promise((resolve) => {
        const then = (told) => (reply) => resolve(told(typeof reply === 'string' ? JSON.parse(reply) : reply));
        all[name](then(success), then(error), ...more);
      }));
    },
  });
  ${blocks.map((block) => `{ ${block} }`).join('\n')}
  last.then(() => { window.ended = said; });
`;

const afterScript = (setup: string, blocks: readonly string[]): string => `
  ${setup.replace("cosEndpoint('sh')", `'http://${HOST}/files/v2'`)}
  ${GIVEN}
  ${blocks.map((block) => `{ ${block} }`).join('\n')}
  window.ended = said;
`;

const signFor = (path: string | null): string => {
  const nowSec = Math.floor(Date.now() / 1000);
  const time = `e=${path === null ? nowSec + 600 : 0}&t=${nowSec}`;
  const text = `a=${ACCOUNT.appId}&b=films&k=ID&${time}&r=${randomInt(2 ** 31)}&f=${path ?? ''}`;
  return Buffer.concat([createHmac('sha1', 'KEY').update(text).digest(), Buffer.from(text)]).toString('base64');
};
const signer = createSigner({ ...ACCOUNT, bucket: 'films', folders: true });

/** Opens a page with a script in it, and waits for its end. @returns what it has shown, and what is stored then */
async function run(script: string): Promise<{ said: string[]; names: string[]; film: Buffer }> {
  const root = await mkdtemp(join(tmpdir(), 'cos-slice-moving-'));
  const slices = createSliceServer({ store: fileStore(root), accounts: [ACCOUNT] });
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<unknown> => {
    const { pathname, searchParams } = new URL(req.url ?? '', 'http://page');
    if (pathname === '/sign-many') return res.end(signFor(null));
    if (pathname === '/sign-once') return res.end(signFor(searchParams.get('path')));
    if (pathname === '/sign') {
      let text = '';
      for await (const chunk of req) text += chunk;
      const claim = JSON.parse(text) as SignClaim;
      return res.end(JSON.stringify({ signature: await signer.sign(claim, new AbortController().signal) }));
    }
    if (pathname.endsWith('.js')) {
      res.setHeader('Content-Type', 'text/javascript');
      return res.end(await readFile(join(PACKAGES, pathname)));
    }
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    return res.end(`<!doctype html><script type="importmap">${JSON.stringify({ imports: MODULES })}</script>
      <script>${SDK}</script><script type="module">${script}</script>`);
  };
  const front = createServer((req, res) => {
    if (req.headers.host?.startsWith(HOST)) void slices.handle(req, res);
    else void answer(req, res).catch(() => res.destroy());
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  const { port } = front.address() as AddressInfo;
  const browser = await launchChromium({
    ...CHROMIUMS[0],
    args: [`--host-resolver-rules=MAP ${HOST} 127.0.0.1:${port}`],
  });
  onTestFinished(async () => {
    await browser.close();
    front.closeAllConnections();
    front.close();
    await slices.close();
    await rm(root, { recursive: true, force: true });
  });
  const page = await browser.newPage();
  const broken = new Promise<never>((_, reject) => page.on('pageerror', reject));
  broken.catch(() => {});
  await page.goto(`http://127.0.0.1:${port}/`);
  await Promise.race([broken, page.waitForFunction('window.ended')]);
  const bucket = join(root, ACCOUNT.appId, 'films');
  return {
    said: await page.evaluate<string[]>('window.ended'),
    names: (await readdir(bucket, { recursive: true })).sort(),
    film: await readFile(join(bucket, '2024/film.mp4')),
  };
}

test(`${GUIDE}: both columns of code do the same`, async () => {
  const samples = await samplesOf(GUIDE);
  const blocks = (label: string): string[] => samples.filter((one) => one.label === label).map(({ code }) => code);
  const [setupBefore = '', ...callsBefore] = blocks('before');
  const [setupAfter = '', ...callsAfter] = blocks('after');
  const before = await run(beforeScript(setupBefore, callsBefore));
  const after = await run(afterScript(setupAfter, callsAfter));
  expect(before.said.filter((line) => line.startsWith('failed'))).toEqual([]);
  expect(before.film).toHaveLength(3_000_001);
  expect(after.names).toEqual(before.names);
  expect(after.film.equals(before.film)).toBe(true);
  expect(after.said[0]).toMatch(/^3000001 /);
});
