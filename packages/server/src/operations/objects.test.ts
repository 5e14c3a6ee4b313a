import { describe, expect, test } from 'vitest';
import { post, type Reply, send } from '../testing/client.ts';
import { ask, codeOf, dataOf, type Fields, get, put, read } from '../testing/objects.ts';
import { startServer } from '../testing/server.ts';
import { ACCOUNT, type SignParts, sign, signOnce } from '../testing/sign.ts';

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
