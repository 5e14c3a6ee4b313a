import { describe, expect, test } from 'vitest';
import { post, send } from '../testing/client.ts';
import { startServer, type TestServer } from '../testing/server.ts';
import { sign, signOnce } from '../testing/sign.ts';
import { createUploader } from '../testing/upload.ts';

const PATH = 'a';

/** Asks for a deletion. @returns status and code */
async function remove(server: TestServer, fields: Record<string, string> = {}, signature?: string, path = PATH) {
  const reply = await post(server.urlOf(path), { op: 'delete', ...fields }, signature ?? signOnce(path));
  return [reply.status, reply.json().code];
}

async function putFile(server: TestServer, path = PATH) {
  await post(server.urlOf(path), { op: 'upload', filecontent: 'x', insertOnly: 0 });
}

test('delete takes a one-time signature for exactly this path, once', async () => {
  const server = await startServer();
  await putFile(server, 'a b');
  expect(await remove(server, {}, sign(), 'a b')).toEqual([403, -97]);
  expect(await remove(server, {}, signOnce('a'), 'a b')).toEqual([403, -63]);
  expect(await remove(server, {}, signOnce('a b', { t: 1000 }), 'a b')).toEqual([403, -59]);
  const signature = signOnce('a b');
  expect(await remove(server, {}, signature, 'a b')).toEqual([200, 0]);
  expect(await remove(server, {}, signature, 'a b')).toEqual([403, -59]);
  expect(await remove(server, {}, signOnce('a b'), 'a b')).toEqual([404, -197]);
  const json = await send(server.urlOf('a b'), {
    headers: { Authorization: signOnce('a b'), 'Content-Type': 'application/json' },
    body: '{"op":"delete"}',
  });
  expect(json.json().code).toBe(-197);
});

test('servers that share a register take a one-time signature once between them', async () => {
  const used = new Set<string>();
  const onceRegister = { use: async (id: string) => used.size !== used.add(id).size };
  const servers = [await startServer({ onceRegister }), await startServer({ onceRegister })];
  for (const server of servers) await putFile(server);
  const signature = signOnce(PATH);
  const replies = await Promise.all(servers.map((server) => remove(server, {}, signature)));
  expect(replies.map(([, code]) => code).sort()).toEqual([-59, 0]);
});

describe('delete without a session', () => {
  test.each([
    ['fresh', 0],
    ['long expired', 30 * 24 * 3600 * 1000],
  ])('deletes the file, and spares the %s upload beside it', async (_, laterMs) => {
    let offsetMs = 0;
    const server = await startServer({ publicRead: true, nowMs: () => Date.now() + offsetMs });
    await putFile(server);
    const upload = createUploader(server.urlOf(PATH));
    await upload.init();
    await upload.data(0);
    offsetMs = laterMs;
    const t = Math.floor((Date.now() + offsetMs) / 1000);
    expect(await remove(server, {}, signOnce(PATH, { t }))).toEqual([200, 0]);
    expect((await send(server.urlOf(PATH), { method: 'GET' })).status).toBe(404);
    offsetMs = 0;
    for (const index of [1, 2, 3]) expect((await upload.data(index)).json().code).toBe(0);
    expect((await upload.finish()).json().code).toBe(0);
  });

  test('ends the upload where there is no file', async () => {
    const server = await startServer();
    const upload = createUploader(server.urlOf(PATH));
    await upload.init();
    await upload.data(0);
    expect(await remove(server)).toEqual([200, 0]);
    expect((await upload.data(1)).json().code).toBe(-197);
    expect(await remove(server)).toEqual([404, -197]);
  });

  test('finds nothing to do where there is but an upload that has expired', async () => {
    let offsetMs = 0;
    const server = await startServer({ nowMs: () => Date.now() + offsetMs, sessionTtlMs: 60_000 });
    await createUploader(server.urlOf(PATH)).init();
    offsetMs = 60_000;
    expect(await remove(server)).toEqual([404, -197]);
  });
});

describe('delete with a session', () => {
  test('ends that upload and spares the file', async () => {
    const server = await startServer();
    await putFile(server);
    const upload = createUploader(server.urlOf(PATH));
    await upload.init();
    expect((await upload.list()).json().data).toMatchObject({ session_delete: 1, session: upload.session });
    for (let round = 0; round < 2; round++) expect(await remove(server, { session: upload.session })).toEqual([200, 0]);
    expect((await server.stored(PATH)).toString()).toBe('x');
    expect((await upload.data(0)).json().code).toBe(-197);
  });

  test('spares the file that the upload has become, and the upload that came after', async () => {
    const server = await startServer();
    const finished = createUploader(server.urlOf(PATH));
    await finished.all();
    expect(await remove(server, { session: finished.session })).toEqual([200, 0]);
    expect((await server.stored(PATH)).equals(finished.bytes)).toBe(true);
    const next = createUploader(server.urlOf(PATH));
    await next.init();
    await next.data(0);
    expect(await remove(server, { session: finished.session })).toEqual([200, 0]);
    expect((await next.data(1)).json().code).toBe(0);
  });

  test('never deletes a file, whatever the field holds', async () => {
    const server = await startServer();
    await putFile(server);
    const elsewhere = createUploader(server.urlOf('elsewhere'));
    await elsewhere.init();
    expect(await remove(server, { session: '' })).toEqual([400, -5999]);
    expect(await remove(server, { session: elsewhere.session })).toEqual([400, -5999]);
    for (const session of ['nonsense', '../../x', 'x'.repeat(2000)]) {
      expect(await remove(server, { session })).toEqual([200, 0]);
    }
    expect((await server.stored(PATH)).toString()).toBe('x');
    expect((await elsewhere.data(0)).json().code).toBe(0);
  });
});
