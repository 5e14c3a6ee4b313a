import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type FormValue, post, type Reply, send } from '../testing/client.ts';
import { startServer, type TestServer } from '../testing/server.ts';
import { ACCOUNT, type SignParts, sign, signOnce } from '../testing/sign.ts';

type Fields = Record<string, FormValue>;
type Data = Record<string, unknown> & { infos: (Record<string, unknown> & { name: string })[]; context: string };

const ONCE = new Set(['update', 'move', 'delete']);

/** Paths of directories end in a slash, as in addresses. */
async function ask(
  server: TestServer,
  path: string,
  op: string,
  fields: Fields = {},
  signature?: string,
): Promise<Reply> {
  return post(server.urlOf(path), { op, ...fields }, signature ?? (ONCE.has(op) ? signOnce(path) : sign()));
}

async function codeOf(reply: Promise<Reply>): Promise<number> {
  return (await reply).json().code;
}

async function dataOf(reply: Promise<Reply>): Promise<Data> {
  const { status, json } = await reply;
  expect([status, json().code, json().message]).toEqual([200, 0, 'SUCCESS']);
  return json().data as unknown as Data;
}

const put = (server: TestServer, path: string, text = path): Promise<number> =>
  codeOf(ask(server, path, 'upload', { filecontent: text, insertOnly: 0 }));
const read = async (server: TestServer, path: string): Promise<string | undefined> =>
  server.stored(path).then(String, () => undefined);
const get = (server: TestServer, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Reply> =>
  send(server.urlOf(path), { method, headers });

describe('stat', () => {
  test('tells what is known of a file, in numbers and text', async () => {
    const server = await startServer();
    await ask(server, 'dir/中 文.txt', 'upload', { filecontent: 'content', biz_attr: 'mine' });
    const data = await dataOf(ask(server, 'dir/中 文.txt', 'stat'));
    expect(data).toMatchObject({
      name: '中 文.txt',
      biz_attr: 'mine',
      filesize: 7,
      filelen: 7,
      sha: '040f06fd774092478d450774f5ba30c5da78acc8',
      authority: 'eInvalid',
      custom_headers: {},
      access_url: server.urlOf('dir/中 文.txt'),
      source_url: server.urlOf('dir/中 文.txt'),
      resource_path: '/10055004/demobucket/dir/中 文.txt',
    });
    for (const time of [data.ctime, data.mtime])
      expect(Math.abs((time as number) - Date.now() / 1000)).toBeLessThan(60);
  });

  test('tells of a directory, and says when it is taken for a file, or a file for it', async () => {
    const server = await startServer();
    await ask(server, 'made/', 'create', { biz_attr: 'of made' });
    await put(server, 'dir/file');
    expect(await dataOf(ask(server, 'made/', 'stat'))).toMatchObject({
      name: 'made/',
      biz_attr: 'of made',
      ctime: expect.any(Number),
      mtime: expect.any(Number),
      resource_path: '/10055004/demobucket/made/',
    });
    expect(await dataOf(ask(server, 'dir/', 'stat'))).toMatchObject({ name: 'dir/', biz_attr: '' });
    const problems = [
      ['made', 'a directory is there'],
      ['dir/file/', 'a file is there'],
      ['nothing', 'NOTEXIST'],
      ['nothing/', 'NOTEXIST'],
    ] as const;
    for (const [path, said] of problems) {
      for (const op of ['stat', 'update', 'delete']) {
        const reply = await ask(server, path, op);
        expect([reply.status, reply.json().code], `${op} ${path}`).toEqual([404, -197]);
        expect(reply.json().message).toContain(said);
      }
    }
  });
});

describe('update', () => {
  test('of headers: they come back with every download and in stat', async () => {
    const server = await startServer({ publicRead: true });
    await put(server, 'a.bin');
    const headers = {
      'Cache-Control': 'max-age=60',
      'content-type': 'text/csv; charset=utf-8',
      'Content-Disposition': 'attachment; filename="中.csv"',
      'Content-Language': 'zh',
      'Content-Encoding': 'identity',
      'X-Cos-Meta-Colour': 'blau',
    };
    expect(await codeOf(ask(server, 'a.bin', 'update', { custom_headers: JSON.stringify(headers) }))).toBe(0);
    for (const method of ['GET', 'HEAD']) {
      const reply = await get(server, 'a.bin', {}, method);
      expect(reply.headers).toMatchObject({
        'cache-control': 'max-age=60',
        'content-type': 'text/csv; charset=utf-8',
        'content-language': 'zh',
        'content-encoding': 'identity',
        'x-cos-meta-colour': 'blau',
      });
      expect(Buffer.from(reply.headers['content-disposition'] as string, 'latin1').toString()).toContain('中.csv');
      expect(reply.headers['access-control-expose-headers']).toContain('x-cos-meta-colour');
    }
    expect((await dataOf(ask(server, 'a.bin', 'stat'))).custom_headers).toEqual({
      'Cache-Control': 'max-age=60',
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': 'attachment; filename="中.csv"',
      'Content-Language': 'zh',
      'Content-Encoding': 'identity',
      'x-cos-meta-colour': 'blau',
    });
    await ask(server, 'a.bin', 'update', { customHeaders: '{"Cache-Control":"no-cache"}' });
    const { headers: now } = await get(server, 'a.bin', { Range: 'bytes=0-1' });
    expect([now['cache-control'], now['x-cos-meta-colour']]).toEqual(['no-cache', undefined]);
    await ask(server, 'a.bin', 'update', { custom_headers: '{}' });
    expect((await get(server, 'a.bin')).headers['cache-control']).toBeUndefined();
  });

  test('changes what it is given and nothing else, with and without flag', async () => {
    const server = await startServer();
    await put(server, 'a');
    const json = (body: object) =>
      send(server.urlOf('a'), {
        headers: { Authorization: signOnce('a'), 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      });
    const known = async () => {
      const { biz_attr, authority, custom_headers } = await dataOf(ask(server, 'a', 'stat'));
      return [biz_attr, authority, custom_headers];
    };
    const headers = { 'Cache-Control': 'no' };
    const steps: [object, unknown[]][] = [
      [{ biz_attr: 'x', authority: 'eWRPrivate', custom_headers: headers }, ['x', 'eWRPrivate', headers]],
      // What PHP makes of no headers.
      [{ biz_attr: 'y', custom_headers: [] }, ['y', 'eWRPrivate', headers]],
      [{ custom_headers: '{"Content-Language":"en"}' }, ['y', 'eWRPrivate', { 'Content-Language': 'en' }]],
      [{ biz_attr: 'no', authority: 'eInvalid', flag: 0x80 }, ['y', 'eInvalid', { 'Content-Language': 'en' }]],
      [{ biz_attr: 'yes', authority: 'eWRPrivate', flag: '1' }, ['yes', 'eInvalid', { 'Content-Language': 'en' }]],
      [
        { biz_attr: '', authority: 'eWPrivateRPublic', flag: 0 },
        ['', 'eWPrivateRPublic', { 'Content-Language': 'en' }],
      ],
      [{}, ['', 'eWPrivateRPublic', { 'Content-Language': 'en' }]],
    ];
    for (const [body, expected] of steps) {
      expect((await json({ op: 'update', ...body })).json().code).toBe(0);
      expect(await known()).toEqual(expected);
    }
  });

  test('of what cannot be is refused, and changes nothing', async () => {
    const server = await startServer();
    await put(server, 'a');
    await ask(server, 'd/', 'create');
    const refused: [string, Fields, number][] = [
      ['a', { authority: 'public' }, -5999],
      ['a', { custom_headers: 'x' }, -5999],
      ['a', { custom_headers: '["Cache-Control"]' }, -5999],
      ['a', { custom_headers: '{"Set-Cookie":"x"}' }, -5999],
      ['a', { custom_headers: '{"Content-Length":"1"}' }, -5999],
      ['a', { custom_headers: '{"x-cos-meta-a b":"1"}' }, -5999],
      ['a', { custom_headers: '{"Cache-Control":"a\\r\\nSet-Cookie: x"}' }, -5999],
      ['a', { custom_headers: '{"Cache-Control":{}}' }, -5999],
      ['a', { custom_headers: '{"Cache-Control":"1","cache-control":"2"}' }, -5999],
      ['a', { custom_headers: JSON.stringify({ 'x-cos-meta-a': 'x'.repeat(5000) }) }, -5999],
      ['a', { biz_attr: 'x', flag: 'x' }, -179],
      ['a', { biz_attr: 'x', flag: 256 }, -179],
      ['d/', { authority: 'eWRPrivate' }, -5999],
    ];
    for (const [path, fields, code] of refused) {
      expect(await codeOf(ask(server, path, 'update', fields)), JSON.stringify(fields)).toBe(code);
    }
    expect(await dataOf(ask(server, 'a', 'stat'))).toMatchObject({
      biz_attr: '',
      authority: 'eInvalid',
      custom_headers: {},
    });
    expect(await codeOf(ask(server, 'd/', 'update', { biz_attr: 'x' }))).toBe(0);
    expect((await dataOf(ask(server, 'd/', 'stat'))).biz_attr).toBe('x');
  });
});

describe('who may read', () => {
  test('an object decides it for itself, and else its bucket', async () => {
    for (const publicRead of [true, false]) {
      const server = await startServer({ publicRead });
      const seen: number[] = [];
      for (const authority of ['eInvalid', 'eWRPrivate', 'eWPrivateRPublic', 'eInvalid']) {
        await put(server, 'a');
        await ask(server, 'a', 'update', { authority });
        seen.push((await get(server, 'a')).status);
        expect((await get(server, 'a', { Authorization: sign() })).status).toBe(200);
        expect((await get(server, 'a', {}, 'HEAD')).status).toBe(seen.at(-1));
      }
      expect(seen).toEqual(publicRead ? [200, 403, 200, 200] : [403, 403, 200, 403]);
      // Whether there is something is not told either.
      expect((await get(server, 'nothing')).status).toBe(publicRead ? 404 : 403);
    }
  });

  test('what is private stays so when it is replaced, copied, or moved', async () => {
    const server = await startServer({ publicRead: true });
    await put(server, 'a');
    await ask(server, 'a', 'update', { authority: 'eWRPrivate' });
    await put(server, 'a', 'newer');
    await ask(server, 'a', 'copy', { dest_fileid: '/b' });
    await ask(server, 'a', 'move', { dest_fileid: '/c' });
    for (const path of ['b', 'c']) {
      expect((await get(server, path)).status).toBe(403);
      expect((await get(server, path, { Authorization: sign() })).body.toString()).toBe('newer');
    }
  });

  test('a SHA-1 turns into content only for whoever may read it', async () => {
    const server = await startServer({ publicRead: true });
    const fields = { sha: '040f06fd774092478d450774f5ba30c5da78acc8', filesize: 7 };
    await put(server, 'secret/a', 'content');
    await ask(server, 'secret/a', 'update', { authority: 'eWRPrivate' });
    const f = `/${ACCOUNT.appId}/demobucket/mine/`;
    const init = () => ask(server, 'mine/x', 'upload_slice_init', fields, sign({ f }));
    expect((await init()).json().data).toHaveProperty('session');
    await ask(server, 'mine/x', 'delete');
    await ask(server, 'secret/a', 'update', { authority: 'eInvalid' });
    expect((await init()).json().data).toHaveProperty('access_url');
  });
});

describe('directories', () => {
  test('are created, and stay until they are deleted, which they must be empty for', async () => {
    const server = await startServer();
    const { resource_path } = await dataOf(ask(server, 'a/b/', 'create', { biz_attr: 'x' }));
    expect(resource_path).toBe('/10055004/demobucket/a/b/');
    expect((await stat(join(server.dir, ACCOUNT.appId, 'demobucket/a/b'))).isDirectory()).toBe(true);
    await put(server, 'a/b/c');
    for (const path of ['a/b/', 'a/']) {
      const reply = await ask(server, path, 'delete');
      expect([reply.status, reply.json().code]).toEqual([400, -173]);
    }
    await ask(server, 'a/b/c', 'delete');
    expect(await codeOf(ask(server, 'a/b/', 'stat'))).toBe(0);
    expect(await codeOf(ask(server, 'a/b/', 'delete'))).toBe(0);
    expect(await codeOf(ask(server, 'a/b/', 'stat'))).toBe(-197);
    expect(await readdir(join(server.dir, ACCOUNT.appId, 'demobucket'))).toEqual([]);
  });

  test('are not created where something is, nor a bucket deleted', async () => {
    const server = await startServer();
    await put(server, 'dir/file');
    await ask(server, 'made/', 'create');
    for (const path of ['made/', 'dir/file/', 'dir/file/x/', '']) {
      expect(await codeOf(ask(server, path, 'create')), path).toBe(-178);
    }
    // It is there because of the file: now it stays without it.
    expect(await codeOf(ask(server, 'dir/', 'create'))).toBe(0);
    for (const [path, op] of [
      ['a', 'create'],
      ['', 'delete'],
      ['', 'move'],
      ['made/', 'copy'],
      ['made/', 'upload'],
    ] as const) {
      expect(await codeOf(ask(server, path, op, { dest_fileid: '/x' })), `${op} ${path}`).toBe(-180);
    }
  });

  test('may be written with several slashes at their end', async () => {
    const server = await startServer();
    const url = `${server.urlOf('newdir')}//`;
    expect(await codeOf(post(url, { op: 'create' }))).toBe(0);
    expect(await codeOf(post(url, { op: 'stat' }))).toBe(0);
    const f = `/${ACCOUNT.appId}/demobucket/newdir//`;
    expect(await codeOf(post(url, { op: 'delete' }, sign({ e: 0, f })))).toBe(0);
    expect(await codeOf(ask(server, 'newdir/', 'stat'))).toBe(-197);
  });

  test('whose creation was not heard of can be created again under the same signature', async () => {
    const server = await startServer();
    const signature = sign();
    for (let round = 0; round < 2; round++) {
      expect(await codeOf(ask(server, 'a/', 'create', { biz_attr: 'x' }, signature))).toBe(0);
    }
    expect(await codeOf(ask(server, 'a/', 'create', { biz_attr: 'y' }, signature))).toBe(-178);
    expect(await codeOf(ask(server, 'a/', 'create', { biz_attr: 'x' }))).toBe(-178);
  });
});

describe.each(['copy', 'move'])('%s', (op) => {
  test.each([
    ['/to/b.txt', 'to/b.txt'],
    [`/${ACCOUNT.appId}/demobucket/to/b.txt`, 'to/b.txt'],
    // From where the source is.
    ['b.txt', 'dir/b.txt'],
    ['deeper/b.txt', 'dir/deeper/b.txt'],
    ['/a%20b + 中.txt', 'a%20b + 中.txt'],
  ])('goes to %s', async (given, path) => {
    const server = await startServer();
    await ask(server, 'dir/a.txt', 'upload', { filecontent: 'content', biz_attr: 'mine' });
    const data = await dataOf(ask(server, 'dir/a.txt', op, { dest_fileid: given }));
    expect(data).toMatchObject({ resource_path: `/10055004/demobucket/${path}`, access_url: server.urlOf(path) });
    expect(await read(server, path)).toBe('content');
    expect(await read(server, 'dir/a.txt')).toBe(op === 'copy' ? 'content' : undefined);
    expect(await dataOf(ask(server, path, 'stat'))).toMatchObject({ biz_attr: 'mine', filesize: 7 });
  });

  test('replaces only when told to', async () => {
    const server = await startServer();
    for (const path of ['a', 'b']) await put(server, path);
    for (const fields of [{}, { to_over_write: 0 }, { to_over_write: '' }, { to_over_write: 'undefined' }]) {
      const reply = await ask(server, 'a', op, { dest_fileid: '/b', ...fields });
      expect([reply.status, reply.json().code]).toEqual([409, -177]);
    }
    expect(await read(server, 'b')).toBe('b');
    expect(await codeOf(ask(server, 'a', op, { dest_fileid: '/b', to_over_write: 1 }))).toBe(0);
    expect(await read(server, 'b')).toBe('a');
  });

  test('to where it cannot go is refused, and everything stays', async () => {
    const server = await startServer();
    for (const path of ['a', 'dir/x']) await put(server, path);
    const refused: [string, Fields, number][] = [
      ['nothing', { dest_fileid: '/b' }, -197],
      ['dir', { dest_fileid: '/b' }, -197],
      ['a', {}, -5999],
      ['a', { dest_fileid: '' }, -5999],
      ['a', { dest_fileid: '/b', to_over_write: 'yes' }, -5999],
      ['a', { dest_fileid: '/a' }, -180],
      ['a', { dest_fileid: 'a' }, -180],
      ['a', { dest_fileid: `/${ACCOUNT.appId}/demobucket/a` }, -180],
      ['a', { dest_fileid: `/${ACCOUNT.appId}/other/a` }, -180],
      ['a', { dest_fileid: '/b/' }, -180],
      ['a', { dest_fileid: '/' }, -180],
      ['a', { dest_fileid: '/b?c' }, -180],
      ['a', { dest_fileid: '/../b' }, -180],
      ['a', { dest_fileid: '../b' }, -180],
      ['a', { dest_fileid: '//b' }, -180],
      ['a', { dest_fileid: '/dir', to_over_write: 1 }, -178],
      ['a', { dest_fileid: '/dir/x/y', to_over_write: 1 }, -178],
    ];
    for (const [path, fields, code] of refused) {
      expect(await codeOf(ask(server, path, op, fields)), `${path} ${JSON.stringify(fields)}`).toBe(code);
    }
    expect([await read(server, 'a'), await read(server, 'dir/x'), await read(server, 'b')]).toEqual([
      'a',
      'dir/x',
      undefined,
    ]);
  });

  test.each([
    ['for one use', (path: string) => signOnce(path)],
    ['for any use', () => sign()],
  ])('whose reply was lost succeeds again under the same signature %s, and no other', async (_, signed) => {
    const server = await startServer();
    await put(server, 'a');
    const signature = signed('a');
    const again = () => codeOf(ask(server, 'a', op, { dest_fileid: '/b' }, signature));
    expect([await again(), await again()]).toEqual([0, 0]);
    expect(await codeOf(ask(server, 'a', op, { dest_fileid: '/b' }))).toBe(op === 'copy' ? -177 : -197);
    // What is there now is something else.
    await put(server, 'b', 'other');
    expect(await again()).not.toBe(0);
    expect(await read(server, 'b')).toBe('other');
  });
});

describe('a directory', () => {
  test('is moved with all that is in it', async () => {
    const server = await startServer();
    await ask(server, 'a/empty/', 'create', { biz_attr: 'x' });
    await ask(server, 'a/b/c', 'upload', { filecontent: 'content', biz_attr: 'mine' });
    const data = await dataOf(ask(server, 'a/', 'move', { dest_fileid: '/new/place/' }));
    expect(data.resource_path).toBe('/10055004/demobucket/new/place/');
    expect(await dataOf(ask(server, 'new/place/b/c', 'stat'))).toMatchObject({ biz_attr: 'mine', filesize: 7 });
    expect((await dataOf(ask(server, 'new/place/empty/', 'stat'))).biz_attr).toBe('x');
    expect(await codeOf(ask(server, 'a/', 'stat'))).toBe(-197);
  });

  test('does not go into itself, nor where anything is', async () => {
    const server = await startServer();
    for (const path of ['a/x', 'b/y', 'c']) await put(server, path);
    const refused: [string, number][] = [
      ['/a/', -180],
      ['/a', -180],
      ['/a/x/', -180],
      ['/a/new/', -180],
      ['/b/', -178],
      ['/c', -178],
      ['/c/d', -178],
    ];
    for (const [given, code] of refused) {
      expect(await codeOf(ask(server, 'a/', 'move', { dest_fileid: given, to_over_write: 1 })), given).toBe(code);
    }
    expect(await read(server, 'a/x')).toBe('a/x');
    // Not its beginning, but another name.
    expect(await codeOf(ask(server, 'a/', 'move', { dest_fileid: '/a2/' }))).toBe(0);
  });

  test('whose move was not heard of is moved again under the same signature', async () => {
    const server = await startServer();
    await put(server, 'a/x');
    const signature = signOnce('a/');
    const move = () => codeOf(ask(server, 'a/', 'move', { dest_fileid: '/b/' }, signature));
    expect([await move(), await move()]).toEqual([0, 0]);
    expect(await codeOf(ask(server, 'a/', 'move', { dest_fileid: '/b/' }))).toBe(-197);
  });
});

describe('list', () => {
  async function listAll(server: TestServer, path: string, fields: Fields): Promise<string[]> {
    const names: string[] = [];
    for (let context = ''; ; ) {
      const data = await dataOf(ask(server, path, 'list', { ...fields, context }));
      names.push(...data.infos.map(({ name }) => name));
      expect(data.has_more).toBe(data.context !== '');
      expect(data.listover).toBe(!data.has_more);
      if (!data.has_more) return names;
      context = data.context;
    }
  }

  async function setUp(): Promise<TestServer> {
    const server = await startServer();
    for (const path of ['dir/a', 'dir/b/x', 'dir/b2', 'dir/c 中', 'top']) await put(server, path);
    await ask(server, 'dir/made/', 'create', { biz_attr: 'of made' });
    return server;
  }

  test('tells what is in a directory, as stat would', async () => {
    const server = await setUp();
    const data = await dataOf(ask(server, 'dir/', 'list'));
    expect(data).toMatchObject({ has_more: false, listover: true, context: '', dircount: 2, filecount: 3 });
    expect(data.infos.map(({ name }) => name)).toEqual(['a', 'b/', 'b2', 'c 中', 'made/']);
    for (const { name, ...info } of data.infos) {
      expect({ name, ...info }).toEqual(await dataOf(ask(server, `dir/${name}`, 'stat')));
    }
  });

  test('goes page by page, forwards and backwards, of files, of directories, or of what begins alike', async () => {
    const server = await setUp();
    const all = ['a', 'b/', 'b2', 'c 中', 'made/'];
    for (const num of [1, 2, 5, 199]) {
      expect(await listAll(server, 'dir/', { num })).toEqual(all);
      expect(await listAll(server, 'dir/', { num, order: 1 })).toEqual([...all].reverse());
    }
    expect(await listAll(server, 'dir/', { num: 1, pattern: 'eListFileOnly' })).toEqual(['a', 'b2', 'c 中']);
    expect(await listAll(server, 'dir/', { num: 1, pattern: 'eListDirOnly' })).toEqual(['b/', 'made/']);
    expect(await listAll(server, 'dir/b', { num: 1 })).toEqual(['b/', 'b2']);
    expect(await listAll(server, 'd', {})).toEqual(['dir/']);
    expect(await listAll(server, '', {})).toEqual(['dir/', 'top']);
  });

  test('turns back where it stands', async () => {
    const server = await setUp();
    const page = async (fields: Fields) => dataOf(ask(server, 'dir/', 'list', { num: 2, ...fields }));
    const namesOf = ({ infos }: Data) => infos.map(({ name }) => name);
    const first = await page({});
    const second = await page({ context: first.context });
    expect([namesOf(first), namesOf(second)]).toEqual([
      ['a', 'b/'],
      ['b2', 'c 中'],
    ]);
    expect(namesOf(await page({ context: second.context, order: 1 }))).toEqual(['b/', 'a']);
    const last = await page({ order: 1 });
    const before = await page({ context: last.context, order: 1 });
    expect([namesOf(last), namesOf(before)]).toEqual([
      ['made/', 'c 中'],
      ['b2', 'b/'],
    ]);
    expect(namesOf(await page({ context: before.context, order: 0 }))).toEqual(['c 中', 'made/']);
  });

  test('is refused for what is no directory, number, pattern, order or context', async () => {
    const server = await setUp();
    const refused: [string, Fields, number][] = [
      ['nothing/', {}, -197],
      ['nothing/x', {}, -197],
      ['top/', {}, -197],
      ['dir/', { num: 0 }, -170],
      ['dir/', { num: 200 }, -170],
      ['dir/', { num: 'x' }, -170],
      ['dir/', { pattern: 'x' }, -5999],
      ['dir/', { order: 2 }, -5999],
      ['dir/', { context: 'ctx' }, -5999],
      ['dir/', { context: 'WyJhIl0' }, -5999],
    ];
    for (const [path, fields, code] of refused) {
      expect(await codeOf(ask(server, path, 'list', fields)), `${path} ${JSON.stringify(fields)}`).toBe(code);
    }
    expect(await dataOf(ask(await startServer(), '', 'list'))).toMatchObject({ infos: [], dircount: 0, filecount: 0 });
  });

  test('leaves out what no request could name', async () => {
    const server = await setUp();
    const dir = join(server.dir, ACCOUNT.appId, 'demobucket/dir');
    for (const name of ['a:b', 'x*y', `.cos-slice-${'0'.repeat(24)}`]) await mkdir(join(dir, name));
    expect(await listAll(server, 'dir/', {})).toEqual(['a', 'b/', 'b2', 'c 中', 'made/']);
  });
});

describe('requests', () => {
  test('of reading may be GETs; what changes something needs a POST', async () => {
    const server = await startServer();
    await put(server, 'dir/a');
    const query = (path: string, text: string, signature: string) =>
      send(`${server.urlOf(path)}?${text}`, { method: 'GET', headers: { Authorization: signature } });
    expect(await dataOf(query('dir/a', 'op=stat', sign()))).toMatchObject({ filesize: 5 });
    expect((await dataOf(query('dir/', 'op=list&num=20&context=', sign()))).infos).toHaveLength(1);
    for (const [path, text] of [
      ['dir/a', 'op=delete'],
      ['dir/a', 'op=move&dest_fileid=%2Fb'],
      ['dir/a', 'op=update&biz_attr=x'],
    ] as const) {
      expect(await codeOf(query(path, text, signOnce(path)))).toBe(-5999);
    }
    expect(await codeOf(query('new/', 'op=create', sign()))).toBe(-5999);
    expect(await read(server, 'dir/a')).toBe('dir/a');
  });

  test.each(['json', 'urlencoded', 'multipart', 'query'])('may be %s', async (form) => {
    const server = await startServer();
    const tell = (path: string, fields: Record<string, string | number>, signature: string): Promise<Reply> => {
      const url = server.urlOf(path);
      const text = new URLSearchParams(
        Object.entries(fields).map(([name, value]): [string, string] => [name, String(value)]),
      );
      const headers = { Authorization: signature };
      if (form === 'multipart') return post(url, fields, signature);
      if (form === 'query') return send(`${url}?${String(text).replaceAll('+', '%20')}`, { headers });
      const [type, body] =
        form === 'json'
          ? ['application/json', JSON.stringify(fields)]
          : ['application/x-www-form-urlencoded', String(text)];
      return send(url, { headers: { ...headers, 'Content-Type': type }, body });
    };
    await dataOf(tell('dir/', { op: 'create', biz_attr: 'a b' }, sign()));
    expect(await dataOf(tell('dir/', { op: 'stat' }, sign()))).toMatchObject({ biz_attr: 'a b' });
    await put(server, 'dir/a b');
    await dataOf(
      tell('dir/a b', { op: 'update', biz_attr: '中', custom_headers: '{"Cache-Control":"no"}' }, signOnce('dir/a b')),
    );
    await dataOf(tell('dir/a b', { op: 'copy', dest_fileid: '/dir/c d', to_over_write: 0 }, sign()));
    await dataOf(tell('dir/a b', { op: 'move', dest_fileid: '/dir/c d', to_over_write: 1 }, signOnce('dir/a b')));
    const { infos } = await dataOf(tell('dir/', { op: 'list', num: 199 }, sign()));
    expect(infos).toMatchObject([{ name: 'c d', biz_attr: '中', custom_headers: { 'Cache-Control': 'no' } }]);
    await dataOf(tell('dir/c d', { op: 'delete' }, signOnce('dir/c d')));
    await dataOf(tell('dir/', { op: 'delete' }, signOnce('dir/')));
  });
});

describe('a one-time signature as the PHP client makes it, with its path encoded twice', () => {
  const twice = (path: string, parts: SignParts = {}): string => {
    const once = (text: string) =>
      encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
    const encoded = path
      .split('/')
      .map((name) => once(once(name)))
      .join('/');
    return sign({ e: 0, f: `/${ACCOUNT.appId}/demobucket/${encoded}`, ...parts });
  };

  test('is good for that path', async () => {
    const server = await startServer();
    for (const path of ["dir/a b (1)'.txt", '中/文', 'plain', 'a%20b']) {
      await put(server, path);
      expect(await codeOf(ask(server, path, 'copy', { dest_fileid: '/copy', to_over_write: 1 }, twice(path)))).toBe(0);
      expect(await codeOf(ask(server, path, 'delete', {}, twice(path)))).toBe(0);
    }
  });

  test('is good for no other, nor in the text of another client', async () => {
    const server = await startServer();
    await put(server, 'a b/c');
    const f = (text: string) => ({ f: `/${ACCOUNT.appId}/demobucket/${text}` });
    const refused: SignParts[] = [
      { order: 'aketrfb' },
      f('a%2520b%252Fc'),
      f('a%2520b%2Fx%252F..%252Fc'),
      f('a%252520b/c'),
      f('a%2520b/%2563'),
      f('a%2520b'),
      f('a%2520b/'),
      { e: Math.floor(Date.now() / 1000) + 600 },
    ];
    for (const parts of refused) {
      expect([-63, -97]).toContain(await codeOf(ask(server, 'a b/c', 'delete', {}, twice('a b/c', parts))));
    }
    expect(await read(server, 'a b/c')).toBe('a b/c');
  });
});

test('downloads may come from the host of the bucket', async () => {
  const server = await startServer();
  await put(server, 'dir/a b');
  const ask = (path: string, host: string, headers: Record<string, string> = {}) =>
    send(server.origin + path, { method: 'GET', headers: { Host: host, ...headers } });
  const signature = encodeURIComponent(sign({ f: '/dir/a%20b' }));
  const host = `demobucket-${ACCOUNT.appId}.file.example`;
  expect((await ask(`/dir/a%20b?sign=${signature}`, host)).body.toString()).toBe('dir/a b');
  expect((await ask('/dir/a%20b', host, { Authorization: sign() })).body.toString()).toBe('dir/a b');
  expect((await ask('/dir/a%20b', host)).json().code).toBe(-48);
  expect((await ask('/dir/a%20b', 'nobucket-1.file.example')).json().code).toBe(-5999);
  expect((await ask(new URL(server.urlOf('dir/a b')).pathname, host, { Authorization: sign() })).status).toBe(200);
});
