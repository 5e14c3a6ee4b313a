import { expect, test } from 'vitest';
import { createLimiter } from '../batch/limiter.ts';
import { parseOptions, type UploadOptions } from '../options/options.ts';
import type { SignClaim } from '../ports.ts';
import { createManualClock } from '../testing/manual-clock.ts';
import { createScriptedTransport, type ScriptedReply } from '../testing/scripted-transport.ts';
import { ok, refuse } from '../testing/setting.ts';
import { s3 } from '../wires/s3.ts';
import { createDirect } from './direct.ts';

const DONE = ok({ resource_path: '/x' });

function setUp(answer: (index: number) => ScriptedReply, more: Partial<UploadOptions> = {}, unbound = true) {
  const clock = createManualClock();
  const claims: SignClaim[] = [];
  const limiter = createLimiter(2);
  const life = new AbortController();
  const transport = createScriptedTransport<string>((_request, index) => answer(index));
  const signer = {
    unbound,
    async sign(claim: SignClaim) {
      claims.push(claim);
      return `U0lHTkFUVVJF${claims.length}`;
    },
  };
  const config = parseOptions({
    endpoint: 'http://cos.test/files/v2',
    appId: '10055004',
    bucket: 'demobucket',
    path: 'any',
    signer,
    overwrite: true,
    concurrency: limiter,
    integrity: 'md5',
    ...more,
  });
  const direct = createDirect<string>({ config, transport, clock, random: () => 0.5, life: life.signal });
  const put = async (path: string): Promise<void> => {
    const place = await direct.enter(5, new AbortController().signal);
    try {
      await place.put(path, { body: 'bytes', sizeBytes: 5, digest: 'd1' }, new AbortController());
    } finally {
      place.leave();
    }
  };
  return { clock, claims, transport, direct, limiter, put, life };
}

test('each content is one request to its own path, with its SHA-1, and replaces what is there', async () => {
  const { direct, put, transport, claims } = setUp(() => DONE);
  expect(direct.algorithm).toBe('sha1');
  await Promise.all(['a b', 'dir/c', 'd'].map(put));
  expect(transport.requests.map(({ url }) => url.replace('http://cos.test/files/v2/10055004/demobucket/', ''))).toEqual(
    ['a%20b', 'dir/c', 'd'],
  );
  expect(transport.requests[0]?.fields).toMatchObject({ op: 'upload', sha: 'd1', insertOnly: '0' });
  // One signature that is for all of the bucket does for all of them.
  expect(claims).toHaveLength(1);
});

test('signatures that are bound to a path are made for each', async () => {
  const { put, claims } = setUp(() => DONE, {}, false);
  for (const path of ['a', 'b', 'a']) await put(path);
  expect(claims.map(({ path }) => path)).toEqual(['a', 'b']);
});

test('a signature that was refused is not brought again', async () => {
  const { put, transport } = setUp((index) => (index === 0 ? refuse(-96, 403) : DONE));
  await expect(put('a')).rejects.toMatchObject({ remedy: 'resign' });
  await put('b');
  const [first, second] = transport.requests.map(({ signature }) => signature);
  expect(second).not.toBe(first);
});

test.each<[string, ScriptedReply]>([
  ['trouble', refuse(-5997, 503)],
  ['a refusal', refuse(-97, 403)],
  ['another upload that is under way there', refuse(-4020, 409)],
])('%s is thrown, once, and the place is free again', async (_name, reply) => {
  const { put, transport, limiter } = setUp(() => reply, { concurrency: createLimiter(1) });
  await expect(put('a')).rejects.toThrow();
  await expect(put('b')).rejects.toThrow();
  expect(transport.requests).toHaveLength(2);
  expect(limiter.limit).toBe(2);
});

test.each<[string, ScriptedReply, number]>([
  ['a failure that passes is one of the attempts that an upload has', refuse(-5997, 503), 3],
  ['a signature that was refused costs none', refuse(-96, 403), 4],
])('%s', async (_name, reply, attempts) => {
  const { direct, put } = setUp(() => reply, { retry: { attempts: 4 } });
  const error = await put('a').catch((thrown) => thrown);
  expect(direct.retryAfter(error)).toMatchObject({ attempts });
  expect(direct.retryAfter(new DOMException('paused', 'AbortError'))).toMatchObject({ attempts: 4 });
});

test('a server that does not answer is given up in time', async () => {
  const { put, clock } = setUp(() => 'hang');
  await expect(clock.runUntil(put('a'))).rejects.toMatchObject({ code: 'timeout' });
});

test('what is not for one plain request is not taken', () => {
  const { direct } = setUp(() => DONE, { singleRequestMax: 100 });
  expect(direct.takes('a', 100)).toBe(true);
  expect(direct.takes('a', 101)).toBe(false);
  expect(direct.takes('a', 0)).toBe(false);
  expect(direct.takes('a/../b', 5)).toBe(false);
  for (const more of [{ overwrite: 'skip' }, { overwrite: false }, { retry: { attempts: 1 } }] as const) {
    expect(setUp(() => DONE, more).direct.takes('a', 5)).toBe(false);
  }
});

test('where there is no field for a SHA-1 the digest is an MD5; without integrity there is none', () => {
  const wire = s3({ endpoint: 'http://s3.test', bucket: 'b', region: 'r' });
  const signer = { secretId: 'id', secretKey: 'key' };
  expect(setUp(() => DONE, { wire, signer }).direct.algorithm).toBe('md5');
  expect(setUp(() => DONE, { integrity: 'none' }).direct.algorithm).toBeUndefined();
});
