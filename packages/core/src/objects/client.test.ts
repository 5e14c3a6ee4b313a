import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import { type Answer, done, FILE, lost, setUp } from '../testing/object-setting.ts';
import type { ScriptedReply } from '../testing/scripted-transport.ts';
import { code, ok, refuse } from '../testing/setting.ts';
import type { ObjectClient } from './client.ts';

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

  test.each(['move', 'copy'] as const)('of a %s: it is asked for again under the same signature', async (op) => {
    const signatures: string[] = [];
    const { client, clock, claims, transport } = setUp((_request, index) => (index < 2 ? lost() : done), {
      signer: () => {
        signatures.push(`U0lH${signatures.length}`);
        return signatures.at(-1) ?? '';
      },
    });
    await clock.runUntil(client[op]('a', 'b'));
    expect(claims).toHaveLength(0);
    expect(signatures).toEqual(['U0lH0']);
    expect(transport.requests.map(({ signature }) => signature)).toEqual(['U0lH0', 'U0lH0', 'U0lH0']);
  });

  test('of a move: a signature that is used up is renewed, and then the paths are looked at', async () => {
    const replies = [lost(), refuse(-59, 403), refuse(-197, 404)];
    const { client, clock, claims } = setUp(({ method, path }, index) => {
      if (method === 'POST') return replies[index] ?? lost();
      return path === 'b' ? ok(FILE) : refuse(-197, 404);
    });
    await clock.runUntil(client.move('a', 'b'));
    expect(claims.filter(({ effect }) => effect === 'once')).toHaveLength(2);
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

  test('of a copy: what is at the target is not taken for the same content by its size alone', async () => {
    const unknown = { ...FILE, sha: undefined };
    const sides = [
      [unknown, unknown],
      [FILE, unknown],
      [unknown, FILE],
    ] as const;
    for (const [source, target] of sides) {
      const look = (path: string): ScriptedReply => ok(path === 'b' ? target : source);
      const refused = setUp(({ method, path }, index) =>
        method === 'GET' ? look(path) : index === 0 ? lost() : refuse(-177, 409),
      );
      expect(await refused.clock.runUntil(code(refused.client.copy('a', 'b')))).toBe('exists');
      const busy = setUp(({ method, path }) => (method === 'GET' ? look(path) : refuse(-5997, 503)), {
        retry: { attempts: 3 },
      });
      expect(await busy.clock.runUntil(code(busy.client.copy('a', 'b', { overwrite: true })))).toBe('unavailable');
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
