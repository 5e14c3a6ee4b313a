// The vendor's client for browsers as npm has it, unmodified, in Chromium: every call it has, and what came of it.
import { createHmac, randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { CHROMIUMS, launchChromium } from '@cos-slice/testkit/chromium';
import { withFolder } from '@cos-slice/testkit/files';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ACCOUNT } from './store.ts';
import { crashDuring, type VendorPlace } from './vendor-place.ts';

const MIB = 1024 * 1024;
const BUCKET = 'demobucket';
const HOST = 'sh.file.myqcloud.com';
const SDK = await readFile(createRequire(import.meta.url).resolve('cos-js-sdk-v4'), 'utf8');

interface Result {
  readonly ok: boolean;
  readonly code: number;
  readonly data: Record<string, unknown> & { infos: { name: string }[] };
  readonly progress: number;
}

/** Runs in the page: the client's constructor is what its script has left. */
const SCRIPT = `
  const cos = new CosCloud({
    appid: '${ACCOUNT.appId}',
    bucket: '${BUCKET}',
    region: 'sh',
    getAppSign: (done) => fetch('/sign').then((reply) => reply.text()).then(done),
    getAppSignOnce(done) {
      fetch('/sign?once=' + encodeURIComponent(this.path)).then((reply) => reply.text()).then(done);
    },
  });
  // Failures come as what jQuery makes of them, successes as text or as what it was.
  const toResult = (given, ok) => {
    const json = given.responseJSON ?? (given.responseText ? JSON.parse(given.responseText) : given);
    return { ok, ...(typeof json === 'string' ? JSON.parse(json) : json) };
  };
  const fileOf = (sizeBytes, seed) => {
    const bytes = new Uint8Array(sizeBytes);
    for (let i = 0; i < sizeBytes; i++) bytes[i] = (i * 131 + (i >> 8) * 17 + seed) & 255;
    return new File([bytes], 'file.bin');
  };
  let progress = 0;
  const onProgress = (part) => { progress = part; };
  window.call = (name, ...args) =>
    new Promise((resolve) => cos[name]((done) => resolve(toResult(done, true)), (failed) => resolve(toResult(failed, false)), ...args));
  window.upload = (name, path, sizeBytes, seed, ...more) =>
    call(name, onProgress, '${BUCKET}', path, fileOf(sizeBytes, seed), ...more).then((result) => ({ ...result, progress }));
  window.cancelled = (path, sizeBytes) =>
    new Promise((resolve) => {
      let id;
      const cancelOnce = (part) => {
        if (part === 0 || id === undefined) return;
        cos.cancelTask(id);
        id = undefined;
        // It may say nothing more, or that the requests it has broken off have failed.
        setTimeout(() => resolve('cancelled'), 300);
      };
      const file = fileOf(sizeBytes, 7);
      cos.sliceUploadFile(() => resolve('finished'), () => resolve('cancelled'), cancelOnce, '${BUCKET}', path, file, 0,
        undefined, '', (taskId) => { id = taskId; });
    });
  window.calls = () => Object.keys(CosCloud.prototype).filter((name) => typeof CosCloud.prototype[name] === 'function');
`;

declare const window: {
  call(name: string, ...args: unknown[]): Promise<Result>;
  upload(name: string, path: string, sizeBytes: number, seed: number, ...more: unknown[]): Promise<Result>;
  cancelled(path: string, sizeBytes: number): Promise<string>;
  calls(): string[];
};

function contentOf(sizeBytes: number, seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 131 + (i >> 8) * 17 + seed) & 255));
}

/** Every call of the vendor's client in a page, to a place. The place lasts until the test is over. */
export function describeVendorBrowser(
  name: string,
  start: (folder: string) => Promise<VendorPlace>,
  { chromiums = CHROMIUMS, crashes = false }: { chromiums?: typeof CHROMIUMS; crashes?: boolean } = {},
): void {
  describe.each(chromiums)(`cos-js-sdk-v4 in $name to ${name}`, (chromium) => {
    let browser: Browser;
    let front: Server;
    let port = 0;
    let pageUrl: string;

    beforeAll(async () => {
      // What the client has by heart leads to whichever server a test has started.
      front = createServer((req, res) => {
        if (req.headers.host?.startsWith(HOST)) return void handOn(req, res, port);
        const url = new URL(req.url ?? '', 'http://page');
        if (url.pathname === '/sign') return void res.end(signFor(url.searchParams.get('once')));
        res.setHeader('Content-Type', 'text/html; charset=utf-8');
        res.end(`<!doctype html><title>vendor</title><script>${SDK}</script><script>${SCRIPT}</script>`);
      });
      await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
      const at = (front.address() as AddressInfo).port;
      pageUrl = `http://127.0.0.1:${at}/`;
      browser = await launchChromium({ ...chromium, args: [`--host-resolver-rules=MAP ${HOST} 127.0.0.1:${at}`] });
    });
    afterAll(async () => {
      await browser?.close();
      front?.close();
      front?.closeAllConnections();
    });

    async function startPage(): Promise<VendorPlace & { page: Page }> {
      const folder = await new Promise<string>((ready) => {
        void withFolder((path) => {
          ready(path);
          return new Promise<void>((done) => onTestFinished(() => done()));
        });
      });
      const place = await start(folder);
      port = place.port;
      const context = await browser.newContext();
      onTestFinished(() => context.close());
      const page = await context.newPage();
      await page.goto(pageUrl);
      return { ...place, page };
    }

    const call = (page: Page, name: string, ...args: unknown[]): Promise<Result> =>
      page.evaluate(([it, all]) => window.call(it, ...all), [name, [BUCKET, ...args]] as const);
    const upload = (page: Page, name: string, path: string, sizeBytes: number, ...more: unknown[]): Promise<Result> =>
      page.evaluate(([it, at, size, all]) => window.upload(it, at, size, 7, ...all), [
        name,
        path,
        sizeBytes,
        more,
      ] as const);
    async function succeed(page: Page, name: string, ...args: unknown[]): Promise<Result['data']> {
      const result = await call(page, name, ...args);
      expect(result, `${name} ${args.join(' ')}`).toMatchObject({ ok: true, code: 0, message: 'SUCCESS' });
      return result.data;
    }

    test('has the calls that are tried here, and no more but what those are made of', async () => {
      const { page } = await startPage();
      const tried = [
        'updateFolder',
        'updateFile',
        'updateBase',
        'deleteFolder',
        'deleteFile',
        'getFolderStat',
        'getFileStat',
      ];
      const more = [
        'createFolder',
        'copyFile',
        'moveFile',
        'getFolderList',
        'listBase',
        'uploadFile',
        'sliceUploadFile',
      ];
      const made = ['cancelTask', 'deleteBase', 'statBase', 'getAppSign', 'getAppSignOnce', 'getCgiUrl', 'getExpired'];
      const own = ['getSliceSize', 'set', 'slice'];
      const calls = await page.evaluate(() => window.calls());
      expect(calls.sort()).toEqual([...tried, ...more, ...made, ...own].sort());
    });

    test.each([
      ['uploadFile', 300_000],
      ['uploadFile', 21 * MIB],
      ['sliceUploadFile', 3 * MIB + 1],
    ] as const)('%s of %d bytes arrives as it is, and not twice', async (name, sizeBytes) => {
      const { page, read } = await startPage();
      const result = await upload(page, name, '/目录/a b.bin', sizeBytes, 1);
      expect(result).toMatchObject({ ok: true, code: 0, progress: 1, data: { access_url: expect.any(String) } });
      expect((await read('目录/a b.bin')).equals(contentOf(sizeBytes, 7))).toBe(true);
      // In slices the client asks first, and is content with what is there.
      const again = await upload(page, name, '/目录/a b.bin', sizeBytes, 1);
      if (sizeBytes === 300_000) expect(again).toMatchObject({ code: -177 });
      else expect(again).toMatchObject({ code: 0, data: { access_url: expect.any(String) } });
      expect(await upload(page, name, '/目录/a b.bin', sizeBytes - 1, 0)).toMatchObject({ ok: true, code: 0 });
      expect((await read('目录/a b.bin')).equals(contentOf(sizeBytes - 1, 7))).toBe(true);
    });

    test('an upload that was cancelled goes on where it was', async () => {
      const { page, read } = await startPage();
      expect(await page.evaluate((size) => window.cancelled('a.bin', size), 12 * MIB)).toBe('cancelled');
      expect(await upload(page, 'sliceUploadFile', 'a.bin', 12 * MIB, 0)).toMatchObject({
        ok: true,
        code: 0,
        progress: 1,
      });
      expect((await read('a.bin')).equals(contentOf(12 * MIB, 7))).toBe(true);
    });

    // What this client sends again, it sends twice in one body, which no server can take: only the whole upload can be tried again.
    test.skipIf(!crashes)('an upload in slices that a killed server has broken off goes on where it was', async () => {
      const { page, ...place } = await startPage();
      const sizeBytes = 60 * MIB;
      const first = upload(page, 'sliceUploadFile', 'killed.bin', sizeBytes, 0).catch(() => undefined);
      await crashDuring(place, 'upload_slice_data', first);
      await page.reload();
      expect(await upload(page, 'sliceUploadFile', 'killed.bin', sizeBytes, 0)).toMatchObject({
        ok: true,
        code: 0,
        progress: 1,
      });
      expect((await place.read('killed.bin')).equals(contentOf(sizeBytes, 7))).toBe(true);
    });

    test('getFileStat, updateFile and updateBase agree on attributes, authority and headers', async () => {
      const { page } = await startPage();
      await upload(page, 'uploadFile', '/dir/a b.txt', 1000, 0);
      await succeed(page, 'updateFile', '/dir/a b.txt', 'mine');
      const data = await succeed(page, 'getFileStat', '/dir/a b.txt');
      expect(data).toMatchObject({
        name: 'a b.txt',
        biz_attr: 'mine',
        filesize: 1000,
        filelen: 1000,
        authority: 'eInvalid',
      });
      // Takes what is to be set by itself, and a path that is encoded.
      const headers = { 'Cache-Control': 'no', 'x-cos-meta-k': 'v' };
      await page.evaluate(() => window.call('getFileStat', 'demobucket', '/plain'));
      await upload(page, 'uploadFile', 'plain', 1000, 0);
      await succeed(page, 'updateFile', 'plain', 'first');
      await succeed(page, 'updateBase', 'plain', 'second', 'eWPrivateRPublic', headers);
      expect(await succeed(page, 'getFileStat', 'plain')).toMatchObject({
        biz_attr: 'second',
        authority: 'eWPrivateRPublic',
        custom_headers: headers,
      });
      expect(await call(page, 'getFileStat', 'nothing')).toMatchObject({ ok: false, code: -197 });
    });

    test('createFolder, getFolderStat, updateFolder and deleteFolder, with slashes around their paths', async () => {
      const { page, names } = await startPage();
      expect(await succeed(page, 'createFolder', '/a b/', 'attr')).toMatchObject({ resource_path: expect.any(String) });
      expect(await call(page, 'createFolder', 'a b')).toMatchObject({ ok: false, code: -178 });
      expect(await succeed(page, 'getFolderStat', '/a b')).toMatchObject({
        biz_attr: 'attr',
        ctime: expect.any(Number),
      });
      await succeed(page, 'updateFolder', '/a b/', 'other');
      expect((await succeed(page, 'getFolderStat', 'a b/')).biz_attr).toBe('other');
      await upload(page, 'uploadFile', '/a b/c', 10, 0);
      expect(await call(page, 'deleteFolder', '/a b/')).toMatchObject({ ok: false, code: -173 });
      await succeed(page, 'deleteFile', '/a b/c');
      await succeed(page, 'deleteFolder', '/a b/');
      expect(await call(page, 'getFolderStat', '/a b/')).toMatchObject({ ok: false, code: -197 });
      expect(await names()).toEqual([]);
    });

    test('getFolderList and listBase go page by page', async () => {
      const { page } = await startPage();
      for (const name of ['a', 'b 中', 'ba', 'c']) await upload(page, 'uploadFile', `/dir/${name}`, 100, 0);
      await succeed(page, 'createFolder', '/dir/bd');
      const listed: string[] = [];
      for (let context = ''; ; ) {
        const told = await succeed(page, 'getFolderList', '/dir/', 2, context, 0, 'eListBoth');
        listed.push(...told.infos.map(({ name }) => name));
        if (!told.has_more) break;
        context = told.context as string;
      }
      expect(listed).toEqual(['a', 'b 中', 'ba', 'bd/', 'c']);
      const first = await succeed(page, 'getFolderList', 'dir');
      expect(first.infos[0]).toMatchObject({ name: 'a', filesize: 100, access_url: expect.any(String) });
      expect((await succeed(page, 'getFolderList', '/dir', 20, '', 1, 'eListDirOnly')).infos).toMatchObject([
        { name: 'bd/' },
      ]);
      const found = await succeed(page, 'listBase', 'dir/b', 20, '', 1, 'eListFileOnly');
      expect(found.infos.map(({ name }) => name)).toEqual(['ba', 'b 中']);
      expect(await call(page, 'getFolderList', 'nothing')).toMatchObject({ ok: false, code: -197 });
    });

    test('copyFile, moveFile and deleteFile', async () => {
      const { page, read } = await startPage();
      const bytes = contentOf(100_000, 7);
      for (const path of ['/dir/a b', '/dir/taken']) await upload(page, 'uploadFile', path, bytes.length, 0);
      const isThere = async (path: string) => (await read(path).catch(() => undefined))?.equals(bytes) ?? false;
      // As the client's README has it: from the bucket, and from where the file is; not saying whether to replace.
      await succeed(page, 'copyFile', 'dir/a b', '/to/中 c', 1);
      await succeed(page, 'copyFile', 'dir/a b', 'deeper/c');
      expect([await isThere('dir/a b'), await isThere('to/中 c'), await isThere('dir/deeper/c')]).toEqual([
        true,
        true,
        true,
      ]);
      await succeed(page, 'moveFile', '/dir/a b', '/to/d', 0);
      expect([await isThere('dir/a b'), await isThere('to/d')]).toEqual([false, true]);
      for (const name of ['copyFile', 'moveFile']) {
        expect(await call(page, name, '/to/d', '/dir/taken', 0)).toMatchObject({ ok: false, code: -177 });
        expect(await call(page, name, '/nothing', '/dir/taken', 1)).toMatchObject({ ok: false, code: -197 });
      }
      await succeed(page, 'moveFile', '/to/d', '/dir/taken', 1);
      await succeed(page, 'deleteFile', '/dir/taken');
      expect(await isThere('dir/taken')).toBe(false);
      expect(await call(page, 'deleteFile', '/dir/taken')).toMatchObject({ ok: false, code: -197 });
    });
  });
}

/** As the line does: what the client has by heart leads to wherever the place of the moment is. */
function handOn(req: IncomingMessage, res: ServerResponse, port: number): void {
  const { method, url, headers } = req;
  const onward = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (reply) => {
    res.writeHead(reply.statusCode ?? 502, reply.headers);
    reply.pipe(res);
    reply.on('error', () => res.destroy());
  });
  onward.on('error', () => res.destroy());
  res.on('close', () => onward.destroy());
  req.pipe(onward);
}

/**
 * As the vendor's documentation has servers sign for its pages.
 *
 * @param once what to bind it to, for one use: `/<appid>/<bucket>/<path>`, encoded
 */
function signFor(once: string | null): string {
  const { appId, secretId, secretKey } = ACCOUNT;
  const nowSec = Math.floor(Date.now() / 1000);
  const time = `e=${once === null ? nowSec + 600 : 0}&t=${nowSec}`;
  const text = `a=${appId}&b=${BUCKET}&k=${secretId}&${time}&r=${randomInt(2 ** 31)}&f=${once ?? ''}`;
  return Buffer.concat([createHmac('sha1', secretKey).update(text).digest(), Buffer.from(text)]).toString('base64');
}
