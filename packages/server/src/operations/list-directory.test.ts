import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask, codeOf, type Data, dataOf, type Fields, put } from '../testing/objects.ts';
import { startServer, type TestServer } from '../testing/server.ts';
import { ACCOUNT, sign } from '../testing/sign.ts';

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

  test('tells of what begins alike only under a signature that covers the directory', async () => {
    const server = await startServer();
    for (const path of ['users/7/own', 'users/77/secret', 'users/7-private', 'top']) await put(server, path);
    const listed = (path: string, f: string) =>
      ask(server, path, 'list', {}, sign({ f: `/${ACCOUNT.appId}/demobucket${f}` }));
    for (const [path, f] of [
      ['users/7', '/users/7'],
      ['users/7/own', '/users/7/own'],
      ['users', '/users'],
      ['users', '/users/'],
    ] as const) {
      expect(await codeOf(listed(path, f)), `${path} under ${f}`).toBe(-63);
    }
    for (const [path, f, names] of [
      ['users/7/', '/users/7', ['own']],
      ['users/7/', '/users/7/', ['own']],
      ['users/7/o', '/users/7', ['own']],
      ['users/7', '/users', ['7-private', '7/', '77/']],
      ['users/7', '/users/', ['7-private', '7/', '77/']],
      ['t', '', ['top']],
      ['t', '/', ['top']],
    ] as const) {
      const { infos } = await dataOf(listed(path, f));
      expect(
        infos.map(({ name }) => name),
        `${path} under ${f}`,
      ).toEqual(names);
    }
  });

  test('leaves out what no request could name', async () => {
    const server = await setUp();
    const dir = join(server.dir, ACCOUNT.appId, 'demobucket/dir');
    for (const name of ['a:b', 'x*y', `.cos-slice-${'0'.repeat(24)}`]) await mkdir(join(dir, name));
    expect(await listAll(server, 'dir/', {})).toEqual(['a', 'b/', 'b2', 'c 中', 'made/']);
  });
});
