import { describe, expect, test } from 'vitest';
import type { Entry } from '../protocol/entry.ts';
import { lost, setUp } from '../testing/object-setting.ts';
import type { ScriptedReply } from '../testing/scripted-transport.ts';
import { ok, refuse } from '../testing/setting.ts';

describe('list', () => {
  const page = (names: readonly string[], context: string): ScriptedReply =>
    ok({
      infos: names.map((name) => ({ name, ...(name.endsWith('/') ? {} : { filesize: 1 }) })),
      listover: context === '',
      context,
    });

  test('pages by itself, by the context of the page before, and only as far as it is asked', async () => {
    const { client, transport, claims } = setUp(({ url }) => {
      const context = new URL(url).searchParams.get('context');
      return context === '' ? page(['d/', 'e'], 'p=2&é') : context === 'p=2&é' ? page(['f'], 'p3') : page([], '');
    });
    const entries: Entry[] = [];
    for await (const entry of client.list('a/', { pageSize: 2, order: 'descending', pattern: 'files' })) {
      entries.push(entry);
      if (entries.length === 2) expect(transport.requests).toHaveLength(1);
    }
    expect(entries.map(({ path, kind }) => [path, kind])).toEqual([
      ['a/d/', 'directory'],
      ['a/e', 'file'],
      ['a/f', 'file'],
    ]);
    expect(transport.transcript).toEqual([
      'GET ?op=list&num=2&pattern=eListFileOnly&order=1&context=',
      'GET ?op=list&num=2&pattern=eListFileOnly&order=1&context=p%3D2%26%C3%A9',
      'GET ?op=list&num=2&pattern=eListFileOnly&order=1&context=p3',
    ]);
    // One signature for all pages.
    expect(claims).toMatchObject([{ path: 'a/', effect: 'multi' }]);
  });

  test('of what begins like a path has names from its directory', async () => {
    const { client, transport, claims } = setUp(() => page(['ab1', 'abd/'], ''));
    const { entries, context } = await client.listPage('x/ab');
    expect(entries.map(({ path }) => path)).toEqual(['x/ab1', 'x/abd/']);
    expect(context).toBeUndefined();
    expect(new URL(transport.requests[0]?.url ?? '').pathname).toMatch(/demobucket\/x\/ab$/);
    // The others there are none that a signature for the path alone would say.
    expect(claims).toMatchObject([{ path: 'x/', effect: 'multi' }]);
  });

  test.each([
    ['names', ['t/', 't']],
    ['names from the bucket', ['/t/t/', 't/t']],
  ])('tells what is called like its directory from the directory, by %s', async (_, names) => {
    const { client } = setUp(() => page(names, ''));
    const { entries } = await client.listPage('t/');
    expect(entries.map(({ path, name }) => [path, name])).toEqual([
      ['t/t/', 't'],
      ['t/t', 't'],
    ]);
  });

  test('of the bucket', async () => {
    const { client } = setUp(() => page(['a'], ''));
    expect((await client.listPage('')).entries).toMatchObject([{ path: 'a' }]);
  });

  test('does not go round in circles', async () => {
    const { client } = setUp(() => page(['a'], 'same'));
    const all = async (): Promise<void> => {
      for await (const _ of client.list(''));
    };
    await expect(all()).rejects.toMatchObject({ code: 'bad-reply' });
    const wide = setUp(({ url }) => page(['a'], url.endsWith('context=1') ? '2' : '1'));
    const around = async (): Promise<void> => {
      for await (const _ of wide.client.list(''));
    };
    await expect(around()).rejects.toMatchObject({ code: 'bad-reply' });
    expect(wide.transport.requests.length).toBeLessThan(10);
  });

  test('goes on in the middle of a list when a page is lost', async () => {
    let lostOnce = false;
    const { client, clock } = setUp(({ url }) => {
      if (!url.endsWith('context=2')) return page(['a'], '2');
      if (lostOnce) return page(['b'], '');
      lostOnce = true;
      return lost();
    });
    const names: string[] = [];
    const all = async (): Promise<void> => {
      for await (const { name } of client.list('')) names.push(name);
    };
    await clock.runUntil(all());
    expect(names).toEqual(['a', 'b']);
  });

  test.each([
    [-166, 'bad-request', /begin the list anew/],
    [-170, 'bad-request', /page size/],
  ])('code %i is %s', async (wireCode, name, message) => {
    const { client } = setUp(() => refuse(wireCode, 400));
    await expect(client.listPage('a/', { context: 'other' })).rejects.toMatchObject({
      code: name,
      message: expect.stringMatching(message),
    });
  });
});
