import { describe, expect, test } from 'vitest';
import { ask, codeOf, dataOf, type Fields, put, read } from '../testing/objects.ts';
import { startServer } from '../testing/server.ts';
import { ACCOUNT, sign, signOnce } from '../testing/sign.ts';

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

test('half a character, which JSON can spell, is in no path, and is stored as what stands for it', async () => {
  const server = await startServer();
  await put(server, 'a');
  const send = async (path: string, signature: string, text: string): Promise<number> => {
    const headers = { Authorization: signature, 'Content-Type': 'application/json' };
    const reply = await fetch(server.urlOf(path), { method: 'POST', headers, body: text });
    return ((await reply.json()) as { code: number }).code;
  };
  // Read as the character that stands for what cannot be read, as everywhere.
  expect(await send('a', sign(), '{"op":"copy","dest_fileid":"/b\\ud800"}')).toBe(0);
  expect(await read(server, 'b\ufffd')).toBe('a');
  expect(await send('a', signOnce('a'), '{"op":"update","biz_attr":"x\\udfff"}')).toBe(0);
  expect(await dataOf(ask(server, 'a', 'stat'))).toMatchObject({ biz_attr: 'x\ufffd' });
  const inHeader = String.raw`{"op":"update","custom_headers":"{\"Cache-Control\":\"\\ud800\"}"}`;
  expect(await send('a', signOnce('a'), inHeader)).toBe(-5999);
});
