import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { ByteRange, SignClaim } from '../ports.ts';
import type { Entry } from '../protocol/entry.ts';
import { createManualClock, type ManualClock } from '../testing/manual-clock.ts';
import {
  createScriptedTransport,
  type ScriptedReply,
  type ScriptedRequest,
  type ScriptedTransport,
} from '../testing/scripted-transport.ts';
import { code, ok, refuse } from '../testing/setting.ts';
import { type ClientOptions, createObjectClient, type ObjectClient } from './client.ts';

interface Setting {
  readonly client: ObjectClient;
  readonly clock: ManualClock;
  readonly transport: ScriptedTransport<ByteRange>;
  readonly claims: SignClaim[];
}

type Answer = (request: ScriptedRequest<ByteRange> & { readonly path: string }, index: number) => ScriptedReply;

function setUp(answer: Answer, more: Partial<ClientOptions> = {}): Setting {
  const clock = createManualClock();
  const claims: SignClaim[] = [];
  const transport = createScriptedTransport<ByteRange>((request, index) => {
    const path = new URL(request.url).pathname.replace('/files/v2/10055004/demobucket/', '');
    return answer({ ...request, path }, index);
  });
  const client = createObjectClient<ByteRange>(
    {
      endpoint: 'http://cos.test/files/v2',
      appId: '10055004',
      bucket: 'demobucket',
      signer(claim) {
        claims.push(claim);
        return 'U0lHTkFUVVJF';
      },
      ...more,
    },
    { transport, clock, random: () => 0.5 },
  );
  return { client, clock, transport, claims };
}

const FILE = {
  name: 'b c.txt',
  biz_attr: 'ba',
  filesize: '12',
  filelen: 12,
  sha: 'A'.repeat(40),
  ctime: '1472647600',
  mtime: 1472647601,
  access_url: 'http://demobucket-10055004.file.myqcloud.com/a/b c#1.txt',
  source_url: 'http://s/',
  authority: 'eWRPrivate',
  custom_headers: '{"Cache-Control":"no"}',
};
const done = ok({ resource_path: '/10055004/demobucket/x' });
const lost = (): Error => new CosSliceError('network', 'broken', { remedy: 'backoff' });

describe('stat', () => {
  test('tells a file with sizes in bytes and dates, whether numbers come as such or as text', async () => {
    const { client, transport, claims } = setUp(() => ok(FILE));
    const entry = await client.stat('/a/b c.txt');
    expect(entry).toEqual({
      kind: 'file',
      path: 'a/b c.txt',
      name: 'b c.txt',
      attributes: 'ba',
      sizeBytes: 12,
      sha1: 'a'.repeat(40),
      createdAt: new Date(1472647600_000),
      modifiedAt: new Date(1472647601_000),
      authority: 'private',
      customHeaders: { 'Cache-Control': 'no' },
      accessUrl: FILE.access_url,
      sourceUrl: 'http://s/',
      url: '',
      resourcePath: '',
    });
    expect(transport.requests[0]?.url).toBe('http://cos.test/files/v2/10055004/demobucket/a/b%20c.txt?op=stat');
    expect(claims).toMatchObject([{ path: 'a/b c.txt', effect: 'multi' }]);
  });

  test('tells a directory and the bucket', async () => {
    const { client } = setUp(() => ok({ name: 'b/', ctime: 1472647600, biz_attr: '' }));
    expect(await client.stat('a/b/')).toMatchObject({ kind: 'directory', path: 'a/b/', name: 'b' });
    expect(await client.stat('')).toMatchObject({ kind: 'directory', path: '', name: '' });
  });

  test.each([
    ['a/b', 'a/b/', ok({ name: 'b/' }), /a directory is at "a\/b\/"/],
    ['a/b/', 'a/b', ok(FILE), /a file is at "a\/b"/],
  ])('of %j says that %j is there', async (path, other, reply, message) => {
    const { client } = setUp((request) => (request.path === other ? reply : refuse(-197, 404)));
    await expect(client.stat(path)).rejects.toMatchObject({
      code: 'wrong-kind',
      message: expect.stringMatching(message),
    });
  });

  test('of nothing is not-found', async () => {
    const { client, transport } = setUp(() => refuse(-197, 404));
    await expect(client.stat('gone')).rejects.toMatchObject({ code: 'not-found' });
    expect(transport.requests).toHaveLength(2);
  });
});

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
    const { client, transport } = setUp(() => page(['ab1', 'abd/'], ''));
    const { entries, context } = await client.listPage('x/ab');
    expect(entries.map(({ path }) => path)).toEqual(['x/ab1', 'x/abd/']);
    expect(context).toBeUndefined();
    expect(new URL(transport.requests[0]?.url ?? '').pathname).toMatch(/demobucket\/x\/ab$/);
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

describe('what changes something', () => {
  test('is signed for one use of its very path, and sent as a form', async () => {
    const { client, transport, claims } = setUp(() => done);
    await client.createDirectory('a/b/', { attributes: 'ba' });
    await client.remove('a/b/');
    await client.move('a b', 'c/d', { overwrite: true });
    await client.copy('a b', '10055004/demobucket/x');
    await client.update('a b', {
      attributes: '',
      authority: 'public-read',
      customHeaders: { 'x-cos-meta-k': 'v' },
    });
    await client.update('a/', { attributes: 'text' });
    expect(transport.requests.map(({ fields }) => fields)).toEqual([
      { op: 'create', biz_attr: 'ba' },
      { op: 'delete' },
      { op: 'move', dest_fileid: '/c/d', to_over_write: '1' },
      { op: 'copy', dest_fileid: '/10055004/demobucket/10055004/demobucket/x', to_over_write: '0' },
      {
        op: 'update',
        flag: '193',
        biz_attr: '',
        authority: 'eWPrivateRPublic',
        custom_headers: '{"x-cos-meta-k":"v"}',
      },
      { op: 'update', flag: '1', biz_attr: 'text' },
    ]);
    expect(claims.map(({ effect, path }) => `${effect} ${path}`)).toEqual([
      'multi a/b/',
      'once a/b/',
      'once a b',
      'once a b',
      'once a b',
      'once a/',
    ]);
  });

  test.each([
    ['remove', -173, 400, 'not-empty', (client: ObjectClient) => client.remove('a/')],
    ['createDirectory', -178, 409, 'exists', (client: ObjectClient) => client.createDirectory('a/')],
    ['move', -177, 409, 'exists', (client: ObjectClient) => client.move('a', 'b')],
    ['copy', -180, 400, 'bad-request', (client: ObjectClient) => client.copy('a', 'b')],
    ['update', -47, 403, 'unauthorized', (client: ObjectClient) => client.update('a', { attributes: '' })],
    ['remove', -197, 404, 'not-found', (client: ObjectClient) => client.remove('a')],
  ] as const)('%s with code %i and HTTP %i is %s, at once', async (_name, wireCode, status, expected, act) => {
    const { client, transport } = setUp(() => refuse(wireCode, status));
    await expect(act(client)).rejects.toMatchObject({ code: expected, wireCode });
    expect(transport.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  test('takes a fresh signature for every attempt', async () => {
    const { client, clock, claims } = setUp((_request, index) => (index < 2 ? refuse(-195, 500) : done));
    await clock.runUntil(client.remove('a'));
    expect(claims.map(({ effect }) => effect)).toEqual(['once', 'once', 'once']);
  });
});

describe('a reply that is lost', () => {
  test('of a removal: what is gone then was removed', async () => {
    const { client, clock } = setUp((_request, index) => (index === 0 ? lost() : refuse(-197, 404)));
    await clock.runUntil(client.remove('a'));
  });

  test('of a removal, again and again: it is looked at before it fails', async () => {
    const { client, clock } = setUp(({ fields }) => (fields.op === 'delete' ? lost() : ok(FILE)), {
      retry: { attempts: 3 },
    });
    expect(await clock.runUntil(code(client.remove('a')))).toBe('network');
    const gone = setUp(({ fields }) => (fields.op === 'delete' ? lost() : refuse(-197, 404)), {
      retry: { attempts: 3 },
    });
    await gone.clock.runUntil(gone.client.remove('a'));
  });

  test('of a directory that was made: it is there', async () => {
    const { client, clock } = setUp(({ method }, index) => {
      if (index === 0) return lost();
      return method === 'GET' ? ok({ name: 'a/' }) : refuse(-178, 409);
    });
    await clock.runUntil(client.createDirectory('a/'));
  });

  test('of a move: the source is gone and the target there', async () => {
    const answer =
      (target: ScriptedReply): Answer =>
      ({ method, path }, index) => {
        if (index === 0) return lost();
        return method === 'GET' && path === 'b' ? target : refuse(-197, 404);
      };
    const moved = setUp(answer(ok(FILE)));
    await moved.clock.runUntil(moved.client.move('a', 'b'));
    const missing = setUp(answer(refuse(-197, 404)));
    expect(await missing.clock.runUntil(code(missing.client.move('a', 'b')))).toBe('not-found');
  });

  test('of a copy: the same content is at the target', async () => {
    const answer =
      (target: object): Answer =>
      ({ method, path }, index) => {
        if (index === 0) return lost();
        if (method === 'GET') return ok(path === 'b' ? target : FILE);
        return refuse(-177, 409);
      };
    const copied = setUp(answer(FILE));
    await copied.clock.runUntil(copied.client.copy('a', 'b'));
    for (const other of [
      { ...FILE, sha: 'b'.repeat(40) },
      { ...FILE, filesize: 13 },
    ]) {
      const { client, clock } = setUp(answer(other));
      expect(await clock.runUntil(code(client.copy('a', 'b')))).toBe('exists');
    }
  });

  test('is not looked for where nothing was lost', async () => {
    const { client, transport } = setUp(() => refuse(-177, 409));
    await expect(client.copy('a', 'b')).rejects.toMatchObject({ code: 'exists' });
    expect(transport.requests).toHaveLength(1);
  });
});

describe('persistence', () => {
  test('a clock that is wrong is learned once for all operations', async () => {
    const serverMs = 1_600_000_000_000 + 3_600_000;
    const { client, clock, claims, transport } = setUp((_request, index) =>
      index === 0 ? refuse(-59, 403, { Date: new Date(serverMs).toUTCString() }) : ok(FILE),
    );
    await clock.runUntil(client.stat('a'));
    await client.stat('b');
    expect(transport.requests).toHaveLength(3);
    expect(claims.map(({ nowSec }) => Math.round((nowSec - 1_600_000_000) / 3600))).toEqual([0, 1, 1]);
  });

  test('is over at once when cancelled, in a request and between two', async () => {
    const hanging = setUp(() => 'hang');
    const controller = new AbortController();
    const stat = code(hanging.client.stat('a', { signal: controller.signal }));
    await hanging.clock.settle();
    controller.abort(new CosSliceError('locked', 'enough'));
    expect(await stat).toBe('locked');
    await hanging.clock.settle();
    expect(hanging.clock.sleepers).toBe(0);

    const failing = setUp(() => refuse(-195, 500));
    const other = new AbortController();
    const remove = code(failing.client.remove('a', { signal: other.signal }));
    await failing.clock.settle();
    other.abort(new CosSliceError('locked', 'enough'));
    expect(await remove).toBe('locked');
  });

  test('a request that is not answered in time is one of several attempts', async () => {
    const { client, clock, transport } = setUp((_request, index) => (index === 0 ? 'hang' : ok(FILE)));
    await clock.runUntil(client.stat('a'));
    expect(transport.requests).toHaveLength(2);
    expect(clock.sleepers).toBe(0);
  });

  test('signatures are never in messages', async () => {
    const { client, clock } = setUp(() => lost(), { retry: { attempts: 1 } });
    const error = await clock.runUntil(client.stat('a').catch((cause) => cause));
    expect(String(error)).not.toContain('U0lHTkFUVVJF');
  });
});

describe('downloadUrl', () => {
  test('is the address that the server tells, encoded, with a signature for downloads', async () => {
    const { client, claims } = setUp(() => ok(FILE));
    expect(await client.downloadUrl('a/b c#1.txt')).toBe(
      'http://demobucket-10055004.file.myqcloud.com/a/b%20c%231.txt?sign=U0lHTkFUVVJF',
    );
    expect(claims.map(({ effect, path }) => `${effect} ${path}`)).toEqual([
      'multi a/b c#1.txt',
      'download a/b c#1.txt',
    ]);
  });

  test('is plain for what everybody may read', async () => {
    const { client, claims } = setUp(() => ok(FILE));
    expect(await client.downloadUrl('a', { signed: false })).toBe(
      'http://demobucket-10055004.file.myqcloud.com/a/b%20c%231.txt',
    );
    expect(claims).toHaveLength(1);
  });

  test.each([
    [{ ...FILE, access_url: '', source_url: '' }, 'bad-reply'],
    [{ ...FILE, access_url: 'javascript:alert(1)' }, 'bad-reply'],
  ])('of %j is %s', async (facts, expected) => {
    const { client } = setUp(() => ok(facts));
    expect(await code(client.downloadUrl('a'))).toBe(expected);
  });
});

describe('input that cannot work is refused before anything is sent', () => {
  test.each<[string, (client: ObjectClient) => Promise<unknown>, string]>([
    ['a path with dots', (client) => client.stat('a/../b'), 'path'],
    ['a path with a question mark', (client) => client.remove('a?'), 'path'],
    ['no path', (client) => client.stat(undefined as unknown as string), 'path'],
    ['the bucket', (client) => client.remove(''), 'path'],
    ['a directory without its slash', (client) => client.createDirectory('a'), 'path'],
    ['a directory to be downloaded', (client) => client.downloadUrl('a/'), 'path'],
    ['a directory to be copied', (client) => client.copy('a/', 'b/'), 'from'],
    ['a file to where a directory is', (client) => client.move('a', 'b/'), 'to'],
    ['a directory to where a file is', (client) => client.move('a/', 'b'), 'to'],
    ['a move to where it is', (client) => client.move('a', '/a'), 'to'],
    ['a copy to where it is', (client) => client.copy('a', 'a'), 'to'],
    ['a move into itself', (client) => client.move('a/', 'a/b/'), 'to'],
    ['a target with an empty segment', (client) => client.move('a', 'b//c'), 'to'],
    ['overwrite', (client) => client.move('a', 'b', { overwrite: 'skip' as unknown as boolean }), 'overwrite'],
    ['a page of nothing', (client) => client.listPage('', { pageSize: 0 }), 'pageSize'],
    ['an order', (client) => client.listPage('', { order: 'up' as 'ascending' }), 'order'],
    ['a pattern', (client) => client.listPage('', { pattern: '*' as 'both' }), 'pattern'],
    ['a context', (client) => client.listPage('', { context: '' }), 'context'],
    ['no changes', (client) => client.update('a', {}), 'changes'],
    ["a directory's authority", (client) => client.update('a/', { authority: 'private' }), 'changes'],
    ['an authority', (client) => client.update('a', { authority: 'eInvalid' as 'private' }), 'authority'],
    [
      'a header with a line break',
      (client) => client.update('a', { customHeaders: { 'x-a': 'b\r\nc: d' } }),
      'customHeaders.x-a',
    ],
    [
      'a header with a space in its name',
      (client) => client.update('a', { customHeaders: { 'x a': '' } }),
      'customHeaders.x a',
    ],
  ])('%s', async (_what, act, option) => {
    const { client, transport } = setUp(() => done);
    const error = await act(client).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'invalid-options', issues: [{ option }] });
    expect((error as Error).message).not.toContain('\n');
    expect(transport.requests).toHaveLength(0);
  });

  test('options of the client are checked as those of uploads are', () => {
    expect(() => setUp(() => done, { endpoint: 'ftp://x', retry: { attempts: 0 } })).toThrow(
      /endpoint must be.*retry\.attempts must be/,
    );
  });
});
