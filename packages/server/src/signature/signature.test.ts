import { describe, expect, test } from 'vitest';
import type { ProtocolError } from '../protocol/codes.ts';
import { ACCOUNT, type SignParts, sign, signText } from '../testing/sign.ts';
import { createOnceRegister } from './once.ts';
import { allows, grantOf, ONCE_WINDOW_SEC } from './signature.ts';
import { createVerifier } from './verified.ts';

const NOW_SEC = 1_472_647_700;
const accounts = new Map([[ACCOUNT.secretId, ACCOUNT]]);
const target = { appId: ACCOUNT.appId, bucket: 'demobucket', path: 'a/b/dir' };
const at = (parts: SignParts) => sign({ t: NOW_SEC, e: NOW_SEC + 600, ...parts });

function codeOf(task: () => unknown): number {
  try {
    task();
    return 0;
  } catch (error) {
    return (error as ProtocolError).code;
  }
}
const verify = createVerifier(accounts);
const check = (signature: string | undefined, nowSec = NOW_SEC) => grantOf(verify(signature), target, nowSec);

describe('a signature', () => {
  test('takes the keys in any order', () => {
    for (const order of ['abketrf', 'aketrfb', 'fbkatre']) expect(codeOf(() => check(at({ order })))).toBe(0);
  });

  test('names what is wrong', () => {
    const good = at({});
    const cases: [string | undefined, number][] = [
      [undefined, -48],
      ['', -48],
      [`${good.startsWith('A') ? 'B' : 'A'}${good.slice(1)}`, -97],
      [`${good} `, -48],
      [`${good.replace(/=*$/, '')}!`, -48],
      ['A'.repeat(20_000), -48],
      [signText('a=1'), -48],
      [signText(`a=1&a=2&b=x&k=${ACCOUNT.secretId}&e=1&t=1&f=`), -48],
      [at({ k: 'AKIDnobody' }), -47],
      [at({ secretKey: 'wrong' }), -97],
      [at({ a: '1' }), -70],
      [at({ b: 'other' }), -61],
      [at({ e: NOW_SEC }), -59],
      [at({ e: NOW_SEC + 91 * 24 * 3600 }), -97],
      [at({ e: 0, t: NOW_SEC - ONCE_WINDOW_SEC }), 0],
      [at({ e: 0, t: NOW_SEC + ONCE_WINDOW_SEC }), 0],
      [signText(`a=${ACCOUNT.appId}&b=demobucket&k=${ACCOUNT.secretId}&e=1x&t=1&f=`), -48],
      [signText(`a=${ACCOUNT.appId}&b=demobucket&k=${ACCOUNT.secretId}&e=9&t=x1&f=`), -48],
      [at({ e: 0, t: NOW_SEC - ONCE_WINDOW_SEC - 1 }), -59],
      [at({ e: 0, t: NOW_SEC + ONCE_WINDOW_SEC + 1 }), -59],
    ];
    for (const [signature, code] of cases) expect(codeOf(() => check(signature))).toBe(code);
  });

  test.each([
    ['', 'not signed'],
    ['A'.repeat(8193), 'too long'],
    ['A'.repeat(8192), 'malformed'],
    [Buffer.alloc(20).toString('base64'), 'not base64'],
    [`${at({})} `, 'not base64'],
    [signText('a'), 'malformed'],
    [signText('a=1'), 'b is missing'],
  ])('that cannot be read is told why: %j', (signature, why) => {
    expect(() => verify(signature)).toThrow(why);
  });

  test('expires although it was found genuine before', () => {
    const signature = at({});
    expect(codeOf(() => check(signature))).toBe(0);
    expect(codeOf(() => check(signature, NOW_SEC + 599))).toBe(0);
    expect(codeOf(() => check(signature, NOW_SEC + 600))).toBe(-59);
    const other = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    expect(codeOf(() => check(other))).toBe(-97);
  });

  test('does not let one account into the bucket of another with the same appid', () => {
    const signature = at({ b: 'secret' });
    expect(codeOf(() => grantOf(verify(signature), { ...target, bucket: 'secret' }, NOW_SEC))).toBe(-133);
  });
});

describe('allows', () => {
  const useOf = (f: string, use: 'read' | 'write' | 'once', path = target.path) =>
    codeOf(() => allows(check(at({ f, ...(use === 'once' && { e: 0 }) })), { ...target, path }, use));
  const base = '/10055004/demobucket';

  test('lets an f cover its path and what lies below, and no longer name', () => {
    for (const f of ['', base, `${base}/`, `${base}/a`, `${base}/a/b/`, `${base}/a/b/dir`]) {
      expect(useOf(f, 'write')).toBe(0);
    }
    for (const f of [`${base}/a/b/di`, `${base}/a/b/dir/x`, '/1', 'a/b/dir']) expect(useOf(f, 'write')).toBe(-63);
  });

  test('takes no f for one of the bucket that does not say the bucket', () => {
    for (const f of ['/', '/10055004', '/10055004/', '/10055004/demo', '10055004/demobucket']) {
      expect(useOf(f, 'write'), f).toBe(-63);
    }
    for (const f of ['/10055004', '/10055004/']) expect(useOf(f, 'read'), f).toBe(-63);
    expect(useOf('/10055004', 'read', '10055004/x')).toBe(0);
  });

  test('compares decoded paths', () => {
    expect(useOf(`${base}/%e4%B8%AD%20x`, 'write', '中 x')).toBe(0);
    expect(useOf(`${base}/中 x`, 'write', '中 x')).toBe(0);
    expect(useOf(`${base}/100%`, 'write', '100%')).toBe(0);
  });

  test('lets downloads leave out appid and bucket, and nothing else', () => {
    expect(useOf('/a/b/dir', 'read')).toBe(0);
    expect(useOf('a/b', 'read')).toBe(0);
    expect(useOf('a/c', 'read')).toBe(-63);
    expect(useOf('/a/b/dir', 'write')).toBe(-63);
  });

  test('keeps one-time signatures to their exact path and kind', () => {
    expect(useOf(`${base}/a/b/dir`, 'once')).toBe(0);
    expect(useOf(`${base}/a/b`, 'once')).toBe(-63);
    expect(useOf('', 'once')).toBe(-63);
    expect(codeOf(() => allows(check(at({})), target, 'once'))).toBe(-97);
    expect(() => allows(check(at({})), target, 'once')).toThrow('needs a one-time signature');
    expect(codeOf(() => allows(check(at({ e: 0 })), target, 'write'))).toBe(-97);
    expect(() => allows(check(at({ e: 0 })), target, 'write')).toThrow('does not cover this');
  });
});

describe('the path of a one-time signature that is encoded twice, as the PHP client does', () => {
  const base = '/10055004/demobucket';
  const twice = (path: string): string => `${base}/${encodeURIComponent(encodeURIComponent(path))}`;
  const useOf = (f: string, path: string, order = 'abketrf') =>
    codeOf(() => allows(check(at({ f, e: 0, order })), { ...target, path }, 'once'));

  test.each(['a b', '腾', "it's (1)!*"])('is good for %j', (path) => {
    const php = twice(path).replace(/[!'()*]/g, (mark) => `%25${mark.charCodeAt(0).toString(16).toUpperCase()}`);
    expect(useOf(php, path)).toBe(0);
    expect(useOf(php, `${path}x`)).toBe(-63);
  });

  test('is so in the order of that client alone', () => {
    expect(useOf(twice('a b'), 'a b', 'akbetrf')).toBe(-63);
  });

  test.each([
    ['a%2fb', 'a/b'],
    ['a%20b%41', 'a bA'],
    ['a%e8%85%be', 'a腾'],
  ])('is %j to the letter, where that is not the encoding of a path', (once, path) => {
    const f = `${base}/${encodeURIComponent(once)}`;
    expect(useOf(f, path)).toBe(-63);
    expect(useOf(f, once)).toBe(0);
  });
});

describe('one-time signatures', () => {
  test('work once, for as long as they are remembered', async () => {
    const once = createOnceRegister();
    const untilSec = NOW_SEC + 2 * ONCE_WINDOW_SEC;
    expect(await once.use('a', NOW_SEC, untilSec)).toBe(true);
    const again = ['a', 'b', 'b'].map((id) => once.use(id, untilSec, untilSec + 2 * ONCE_WINDOW_SEC));
    expect(await Promise.all(again)).toEqual([false, true, false]);
    expect(await once.use('a', untilSec + 1, untilSec + 2)).toBe(true);
  });
});
