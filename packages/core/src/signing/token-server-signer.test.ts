import { expect, test } from 'vitest';
import type { SignClaim } from '../ports.ts';
import { tokenServerSigner } from './token-server-signer.ts';

const claim: SignClaim = { appId: 'app', bucket: 'b', path: '目录/a b', effect: 'multi', nowSec: 1_600_000_000 };
const never = new AbortController().signal;
const token = (expiresSec: number): string => btoa(`${'m'.repeat(27)}=:f=x&e=${expiresSec}&r=1&op=upload`);

interface Asked {
  readonly url: string;
  readonly headers: Record<string, string>;
}

/** A server that answers each request with the next body. */
function server(...bodies: readonly string[]): { readonly fetch: typeof fetch; readonly asked: Asked[] } {
  const asked: Asked[] = [];
  const answer = async (url: unknown, init: unknown) => {
    asked.push({ url: String(url), headers: (init as Asked).headers });
    return new Response(bodies[Math.min(asked.length, bodies.length) - 1]);
  };
  return { fetch: answer as typeof fetch, asked };
}
const reply = (data: string): string => JSON.stringify({ code: 0, data });

test('asks with the path and HTTP Basic authentication, and keeps the token for as long as it lives', async () => {
  const good = token(claim.nowSec + 3600);
  const { fetch, asked } = server(reply(good));
  const signer = tokenServerSigner({
    url: 'http://t/get_token?v=1',
    password: 'geheim ü',
    parameters: { op: 'up&' },
    fetch,
  });
  for (let count = 0; count < 3; count += 1) expect(await signer.sign(claim, never)).toBe(good);
  expect(asked).toHaveLength(1);
  const url = new URL(asked[0]?.url ?? '');
  expect(Object.fromEntries(url.searchParams)).toEqual({ v: '1', bucket: 'b', filename: '目录/a b', op: 'up&' });
  const [, basic = ''] = asked[0]?.headers.Authorization?.split('Basic ') ?? [];
  expect(Buffer.from(basic, 'base64').toString()).toBe('app:geheim ü');
});

test('a token that does not say when it was made lives from now on, by the claim', async () => {
  const { fetch, asked } = server(reply(token(claim.nowSec)), reply(token(claim.nowSec + 3600)));
  const signer = tokenServerSigner({ url: 'http://t/', user: 'me', password: 'p', fetch });
  await signer.sign(claim, never);
  await signer.sign(claim, never);
  await signer.sign(claim, never);
  expect(asked).toHaveLength(2);
});

test('a token that comes ready for a URL is sent as it is meant', async () => {
  const good = token(1);
  expect(good).toMatch(/=$/);
  const { fetch } = server(reply(encodeURIComponent(good)));
  expect(await tokenServerSigner({ url: 'http://t', password: 'p', fetch }).sign(claim, never)).toBe(good);
});

test.each([
  ['a refusal', '{"code":-5,"message":"no\\nsuch bucket"}', 'the token server refuses: -5 no such bucket'],
  ['no token', '{"code":0}', 'the token server must answer {"code": 0, "data": "<signature>"}'],
  ['no JSON', '<html>', 'the token server must answer {"code": 0, "data": "<signature>"}'],
])('%s is a typed error', async (_what, body, message) => {
  const { fetch } = server(body);
  const signer = tokenServerSigner({ url: 'http://t', password: 'p', fetch });
  await expect(signer.sign(claim, never)).rejects.toMatchObject({ code: 'signing-failed', remedy: 'none', message });
});

test.each([
  ['url', { url: 'token.example' }],
  ['url', { url: 'http://user:secret@token.example/' }],
  ['password', { password: '' }],
  ['password', { password: 'secret\n' }],
  ['user', { user: 'a:b' }],
  ['parameters.op', { parameters: { op: 1 } }],
])('a wrong %s is refused at once', (option, more) => {
  const make = (): unknown => tokenServerSigner({ url: 'http://t', password: 'p', ...(more as object) });
  expect(make).toThrow(
    expect.objectContaining({ code: 'invalid-options', issues: [expect.objectContaining({ option })] }),
  );
  expect(make).not.toThrow(/secret@|secret\n/);
});

test('a token with escapes that are no UTF-8 is refused, and not a fault of the client', async () => {
  const { fetch } = server(reply('abcd%ff%E4%zz'));
  await expect(
    tokenServerSigner({ url: 'http://t/get_token', password: 'p', fetch }).sign(claim, never),
  ).rejects.toMatchObject({ code: 'signing-failed' });
});
