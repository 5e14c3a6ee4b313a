// The vendor's client for Node.js as npm has it, unmodified: every call it has, and what came of it.
import { readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { join } from 'node:path';
import { makeFile, withFolder } from '@cos-slice/testkit/files';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ACCOUNT } from './store.ts';
import { crashDuring, type VendorPlace } from './vendor-place.ts';

const MIB = 1024 * 1024;
const BUCKET = 'demobucket';

interface Result {
  readonly code: number;
  readonly message: string;
  readonly data: Record<string, unknown> & { infos: { name: string }[] };
}
type Call = (...args: unknown[]) => void;

const vendor = createRequire(import.meta.url)('qcloud_cos_v4') as {
  cos: Record<string, Call>;
  conf: { setAppInfo: Call };
};

/** Calls one of the client's functions, which take a callback at their end. */
function call(name: string, ...args: unknown[]): Promise<Result> {
  return new Promise((resolve) => vendor.cos[name]?.(...args, resolve));
}

async function succeed(name: string, ...args: unknown[]): Promise<Result['data']> {
  const result = await call(name, ...args);
  expect(result, name).toMatchObject({ code: 0, message: 'SUCCESS' });
  return result.data;
}

/** A server at the address that the client has by heart, and what has been stored there, read past it. */
async function startPlace(start: (folder: string) => Promise<VendorPlace>): Promise<VendorPlace & { folder: string }> {
  const folder = await new Promise<string>((ready) => {
    void withFolder((path) => {
      ready(path);
      return new Promise<void>((done) => onTestFinished(() => done()));
    });
  });
  const place = await start(folder);
  port = place.port;
  return { folder, ...place };
}

let port = 0;
const usual = http.globalAgent;

/** Connections to the vendor's host end here. */
class Detour extends http.Agent {
  override createConnection(): ReturnType<typeof connect> {
    return connect(port, '127.0.0.1');
  }
}

/** Every call of the vendor's client, to a place. The place lasts until the test is over. */
export function describeVendorNode(
  name: string,
  start: (folder: string) => Promise<VendorPlace>,
  { crashes = false }: { crashes?: boolean } = {},
): void {
  beforeAll(() => {
    http.globalAgent = new Detour();
    vendor.conf.setAppInfo(ACCOUNT.appId, ACCOUNT.secretId, ACCOUNT.secretKey, 'sh', 30);
  });
  afterAll(() => {
    http.globalAgent = usual;
  });

  test('the client has the calls that are tried here, and no more', () => {
    const tried = ['upload', 'upload_slice', 'statFile', 'statFolder', 'deleteFile', 'deleteFolder', 'updateFile'];
    const others = ['updateFolder', 'list', 'prefixSearch', 'createFolder', 'moveFile'];
    expect(Object.keys(vendor.cos).sort()).toEqual([...tried, ...others].sort());
  });

  describe(`qcloud_cos_v4 to ${name}`, () => {
    test.each([
      ['upload', 300_000, []],
      ['upload', 21 * MIB, []],
      ['upload_slice', 3 * MIB + 1, ['attr', MIB, '', 0]],
    ] as const)('%s of %d bytes arrives as it is', async (name, sizeBytes, more) => {
      const { folder, read } = await startPlace(start);
      const source = await makeFile(join(folder, 'source.bin'), sizeBytes);
      const data = await succeed(name, source, BUCKET, '/目录/a b.bin', ...more);
      expect(data).toMatchObject({ access_url: expect.any(String), url: expect.any(String) });
      expect((await read('目录/a b.bin')).equals(await readFile(source))).toBe(true);
    });

    test.skipIf(!crashes)('an upload in slices does not notice that a server is killed', async () => {
      const place = await startPlace(start);
      const source = await makeFile(join(place.folder, 'source.bin'), 60 * MIB);
      const uploading = succeed('upload_slice', source, BUCKET, 'killed.bin', 'attr', 3 * MIB, '', 0);
      await crashDuring(place, 'upload_slice', uploading);
      await uploading;
      expect((await place.read('killed.bin')).equals(await readFile(source))).toBe(true);
    });

    test('insertOnly decides whether a file is replaced', async () => {
      const { folder, read } = await startPlace(start);
      const [old, newer] = [join(folder, 'old'), join(folder, 'new')];
      await Promise.all([writeFile(old, 'old'), writeFile(newer, 'new')]);
      await succeed('upload', old, BUCKET, 'a', 'attr', 1);
      expect((await call('upload', newer, BUCKET, 'a', 'attr', 1)).code).toBe(-177);
      expect(String(await read('a'))).toBe('old');
      await succeed('upload', newer, BUCKET, 'a', 'attr', 0);
      expect(String(await read('a'))).toBe('new');
    });

    test('statFile and updateFile agree on attributes, authority and headers', async () => {
      const { folder } = await startPlace(start);
      const source = join(folder, 'source');
      await writeFile(source, 'content');
      await succeed('upload', source, BUCKET, 'dir/a b.txt', 'first', 0);
      expect(await succeed('statFile', BUCKET, 'dir/a b.txt')).toMatchObject({
        name: 'a b.txt',
        biz_attr: 'first',
        filesize: 7,
        filelen: 7,
        sha: '040f06fd774092478d450774f5ba30c5da78acc8',
        authority: 'eInvalid',
      });
      const headers = { 'Cache-Control': 'no', 'x-cos-meta-k': 'v' };
      await succeed('updateFile', BUCKET, 'dir/a b.txt', 'second', 'eWPrivateRPublic', headers);
      const data = await succeed('statFile', BUCKET, 'dir/a b.txt');
      expect(data).toMatchObject({ biz_attr: 'second', authority: 'eWPrivateRPublic', custom_headers: headers });
      const download = await fetch((data.access_url as string).replace(/^http:\/\/[^/]+/, `http://127.0.0.1:${port}`));
      expect([download.headers.get('cache-control'), download.headers.get('x-cos-meta-k')]).toEqual(['no', 'v']);
      expect(await download.text()).toBe('content');
      expect((await call('statFile', BUCKET, 'nothing')).code).toBe(-197);
      expect((await call('updateFile', BUCKET, 'nothing', 'x', null, null)).code).toBe(-197);
    });

    test('createFolder, statFolder, updateFolder and deleteFolder', async () => {
      const { folder } = await startPlace(start);
      expect(await succeed('createFolder', BUCKET, '/a b/', 'attr')).toMatchObject({
        resource_path: expect.any(String),
      });
      expect((await call('createFolder', BUCKET, 'a b')).code).toBe(-178);
      expect(await succeed('statFolder', BUCKET, 'a b')).toMatchObject({ biz_attr: 'attr', ctime: expect.any(Number) });
      await succeed('updateFolder', BUCKET, 'a b/', 'other');
      expect((await succeed('statFolder', BUCKET, '/a b')).biz_attr).toBe('other');
      const source = join(folder, 'source');
      await writeFile(source, 'content');
      await succeed('upload', source, BUCKET, 'a b/c', 'attr', 0);
      expect((await call('deleteFolder', BUCKET, 'a b')).code).toBe(-173);
      await succeed('deleteFile', BUCKET, 'a b/c');
      await succeed('deleteFolder', BUCKET, 'a b');
      expect((await call('statFolder', BUCKET, 'a b')).code).toBe(-197);
      expect((await succeed('list', BUCKET, '', 20, 'eListBoth', 0, '')).infos).toEqual([]);
    });

    test('list and prefixSearch go page by page', async () => {
      const { folder } = await startPlace(start);
      const source = join(folder, 'source');
      await writeFile(source, 'content');
      const names = ['a', 'b 中', 'ba', 'bb', 'c'];
      for (const name of names) await succeed('upload', source, BUCKET, `dir/${name}`, name === 'a' ? 'mine' : '', 0);
      await succeed('createFolder', BUCKET, 'dir/bd');
      const listed: string[] = [];
      for (let context = ''; ; ) {
        const page = await succeed('list', BUCKET, 'dir', 2, 'eListBoth', 0, context);
        listed.push(...page.infos.map(({ name }) => name));
        expect(page).toMatchObject({ dircount: 1, filecount: 5 });
        if (!page.has_more) break;
        context = page.context as string;
      }
      expect(listed).toEqual(['a', 'b 中', 'ba', 'bb', 'bd/', 'c']);
      const found = await succeed('prefixSearch', BUCKET, 'dir', 'b', 20, 'eListFileOnly', 1, '');
      expect(found.infos.map(({ name }) => name)).toEqual(['bb', 'ba', 'b 中']);
      const [first] = (await succeed('list', BUCKET, '/dir/', 1, 'eListFileOnly', 0, '')).infos;
      expect(first).toMatchObject({
        name: 'a',
        biz_attr: 'mine',
        filesize: 7,
        filelen: 7,
        access_url: expect.any(String),
      });
      expect((await call('list', BUCKET, 'nothing', 20, 'eListBoth', 0, '')).code).toBe(-197);
    });

    test('moveFile and deleteFile', async () => {
      const { folder, read } = await startPlace(start);
      const source = await makeFile(join(folder, 'source.bin'), 100_000);
      const bytes = await readFile(source);
      for (const path of ['dir/a b', 'dir/taken']) await succeed('upload', source, BUCKET, path, 'mine', 0);
      await succeed('moveFile', BUCKET, 'dir/a b', '/to/c d', 0);
      expect((await read('to/c d')).equals(bytes)).toBe(true);
      await succeed('moveFile', BUCKET, 'to/c d', 'e', 0);
      expect((await read('to/e')).equals(bytes)).toBe(true);
      expect((await call('moveFile', BUCKET, 'to/e', '/dir/taken', 0)).code).toBe(-177);
      await succeed('moveFile', BUCKET, 'to/e', '/dir/taken', 1);
      expect(await succeed('statFile', BUCKET, 'dir/taken')).toMatchObject({
        biz_attr: 'mine',
        filesize: bytes.length,
      });
      expect((await call('moveFile', BUCKET, 'to/e', '/f', 1)).code).toBe(-197);
      await succeed('deleteFile', BUCKET, 'dir/taken');
      expect((await call('deleteFile', BUCKET, 'dir/taken')).code).toBe(-197);
    });
  });
}
