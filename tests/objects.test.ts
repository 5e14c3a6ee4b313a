import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, createSigner, type Entry } from '@cos-slice/node';
import { createSliceServer, fileStore } from '@cos-slice/server';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['demobucket'] };
const BYTES = Buffer.from('twelve bytes');

let root: string;
let endpoint: string;
let close: () => Promise<void>;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cos-slice-objects-'));
  const server = createSliceServer({ store: fileStore(root), accounts: [ACCOUNT] });
  const { url } = await server.listen();
  endpoint = `${url}/files/v2`;
  close = async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  };
});
afterAll(() => close());

const clientWith = (signing: { bound?: boolean; folders?: boolean }): Client =>
  createClient({
    endpoint,
    appId: ACCOUNT.appId,
    bucket: 'demobucket',
    signer: createSigner({ ...ACCOUNT, bucket: 'demobucket', ...signing }),
    resume: false,
  });

const all = async (entries: AsyncIterable<Entry>): Promise<string[]> => {
  const paths: string[] = [];
  for await (const { path } of entries) paths.push(path);
  return paths;
};

test.each(['copy', 'move'] as const)('a %s whose reply is lost is known to be done, by its signature', async (op) => {
  const server = createSliceServer({ store: fileStore(join(root, op)), accounts: [ACCOUNT] });
  const asked: string[] = [];
  let isLost = false;
  // The server has done its work when the connection breaks.
  const front = createServer((req, res) => {
    asked.push(`${req.method} ${req.url?.split('?')[1]?.slice(0, 7) ?? ''}`);
    if (isLost) res.end = () => res.destroy();
    isLost = false;
    void server.handle(req, res);
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  onTestFinished(async () => {
    front.closeAllConnections();
    front.close();
    await server.close();
  });
  const objects = createClient({
    endpoint: `http://127.0.0.1:${(front.address() as AddressInfo).port}/files/v2`,
    appId: ACCOUNT.appId,
    bucket: 'demobucket',
    signer: createSigner({ ...ACCOUNT, bucket: 'demobucket' }),
    retry: { baseDelayMs: 1 },
    resume: false,
  });
  await objects.upload(BYTES, 'a').done;
  asked.length = 0;
  isLost = true;
  await objects[op]('a', 'b');
  // Nothing had to be looked at, which proves less.
  expect(asked).toEqual(['POST ', 'POST ']);
  expect(await objects.stat('b')).toMatchObject({ sizeBytes: 12 });
});

describe.each([
  ['signatures for the whole bucket', { bound: false }],
  ['signatures bound to paths', { folders: true }],
])('with %s', (_kind, signing) => {
  const base = `${Object.keys(signing)[0]}/a b 中/`;
  const client = (): Client => clientWith(signing);

  test('files and directories are made, told, changed, copied, moved and removed', async () => {
    const objects = client();
    await objects.createDirectory(base, { attributes: 'of the directory' });
    expect(await objects.stat(base)).toMatchObject({ kind: 'directory', path: base, attributes: 'of the directory' });
    const file = `${base}x+y %#.txt`;
    await objects.upload(BYTES, file, { attributes: 'ba' }).done;
    const before = await objects.stat(file);
    expect(before).toMatchObject({ kind: 'file', sizeBytes: 12, attributes: 'ba', authority: 'inherit' });
    expect(Math.abs((before.modifiedAt?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);

    await objects.update(file, {
      attributes: 'other',
      authority: 'private',
      customHeaders: { 'Cache-Control': 'no-store', 'x-cos-meta-k': 'v' },
    });
    expect(await objects.stat(file)).toMatchObject({
      attributes: 'other',
      authority: 'private',
      customHeaders: { 'Cache-Control': 'no-store', 'x-cos-meta-k': 'v' },
    });

    const reply = await fetch(await objects.downloadUrl(file));
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(Buffer.from(await reply.arrayBuffer())).toEqual(BYTES);
    expect((await fetch(await objects.downloadUrl(file, { signed: false }))).status).toBe(403);

    await objects.copy(file, `${base}copy`);
    await expect(objects.copy(file, `${base}copy`)).rejects.toMatchObject({ code: 'exists' });
    await objects.copy(file, `${base}copy`, { overwrite: true });
    await objects.move(`${base}copy`, `${base}moved`);
    await expect(objects.stat(`${base}copy`)).rejects.toMatchObject({ code: 'not-found' });
    expect(await all(objects.list(base, { pageSize: 1 }))).toEqual([`${base}moved`, file]);
    expect(await all(objects.list(`${base}mo`))).toEqual([`${base}moved`]);

    await objects.move(base, `${base.slice(0, -1)}2/`);
    const there = `${base.slice(0, -1)}2/`;
    expect(await readFile(join(root, ACCOUNT.appId, 'demobucket', there, 'moved'))).toEqual(BYTES);
    await expect(objects.remove(there)).rejects.toMatchObject({ code: 'not-empty' });
    await objects.remove(`${there}moved`);
    await objects.remove(`${there}x+y %#.txt`);
    await objects.remove(there);
    await expect(objects.stat(there)).rejects.toMatchObject({ code: 'not-found' });
  });

  test('what cannot be is told by its kind', async () => {
    const objects = client();
    await objects.createDirectory(`${base}dir/`);
    await objects.upload(BYTES, `${base}file`).done;
    // With the same signature, it would be the same request once more.
    await expect(client().createDirectory(`${base}dir/`)).rejects.toMatchObject({ code: 'exists' });
    await expect(objects.createDirectory(`${base}file/`)).rejects.toMatchObject({ code: 'exists' });
    for (const wrong of [
      () => objects.stat(`${base}dir`),
      () => objects.stat(`${base}file/`),
      () => objects.remove(`${base}dir`),
      () => objects.downloadUrl(`${base}dir`),
      () => objects.copy(`${base}dir`, `${base}else`),
      () => objects.move(`${base}file/`, `${base}else/`),
      () => objects.listPage(`${base}file/`),
    ]) {
      await expect(wrong()).rejects.toMatchObject({ code: 'wrong-kind' });
    }
    await expect(objects.move(`${base}none`, `${base}else`)).rejects.toMatchObject({ code: 'not-found' });
    await expect(objects.move(`${base}dir/`, `${base}dir/in/`)).rejects.toMatchObject({ code: 'invalid-options' });
    await expect(objects.listPage(base, { context: 'of another' })).rejects.toMatchObject({ code: 'bad-request' });
  });
});

test('a list of many pages has every entry once, in both orders, while others come and go', async () => {
  const objects = clientWith({ bound: false });
  const folder = join(root, ACCOUNT.appId, 'demobucket', 'many');
  await mkdir(folder, { recursive: true });
  const names = Array.from({ length: 45 }, (_, index) => `n${String(index).padStart(3, '0')}`);
  for (const name of names) await objects.upload(BYTES, `many/${name}`).done;
  const seen: string[] = [];
  for await (const { name } of objects.list('many/', { pageSize: 10 })) {
    if (seen.length === 15) await objects.remove('many/n003');
    if (seen.length === 20) await objects.upload(BYTES, 'many/n000a').done;
    seen.push(name);
  }
  expect(seen).toEqual(names);
  const back = await all(objects.list('many/', { pageSize: 10, order: 'descending' }));
  expect(back).toHaveLength(45);
  expect(back).toEqual([...back].sort().reverse());
  expect(await all(objects.list('', { pattern: 'directories' }))).toContain('many/');
  expect(await all(objects.list('many/', { pattern: 'directories' }))).toEqual([]);
});

test('a signature for a file is none for its directory: a signer of files alone signs no list', async () => {
  const objects = clientWith({});
  await objects.upload(BYTES, 'single/file').done;
  expect(await objects.stat('single/file')).toMatchObject({ sizeBytes: 12 });
  await expect(objects.listPage('single/')).rejects.toMatchObject({ code: 'signing-failed' });
});
