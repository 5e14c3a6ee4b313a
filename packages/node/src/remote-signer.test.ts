import { isCosSliceError } from '@cos-slice/core';
import { describe, expect, test } from 'vitest';
import { remoteCredentials, remoteSigner, tokenServerSigner } from './remote-signer.ts';

const url = 'https://sign.test/sign';
const issuesOf = (make: () => unknown): readonly string[] => {
  try {
    make();
    return [];
  } catch (error) {
    return isCosSliceError(error, 'invalid-options')
      ? (error.issues ?? []).map(({ option }) => option)
      : [String(error)];
  }
};

describe('what can never be asked is refused when it is given', () => {
  test.each<[options: unknown, issues: string[]]>([
    [{ timeoutMs: '30s' }, ['timeoutMs']],
    [{ timeoutMs: 0 }, ['timeoutMs']],
    [{ timeoutMs: Number.POSITIVE_INFINITY }, ['timeoutMs']],
    [{ fetch: 'fetch' }, ['fetch']],
    [{ proxy: 'proxy:3128', fetch: null }, ['proxy', 'fetch']],
    [{ timeoutMs: undefined, fetch: undefined, proxy: undefined }, []],
  ])('%j', (options, issues) => {
    const more = options as object;
    expect(issuesOf(() => remoteSigner({ url, ...more }))).toEqual(issues);
    expect(issuesOf(() => remoteCredentials({ url, ...more }))).toEqual(issues);
    expect(issuesOf(() => tokenServerSigner({ url, password: 'p', ...more }))).toEqual(issues);
  });

  test.each<[options: unknown, issues: string[]]>([
    ['/sign', ['url']],
    ['ftp://sign.test/', ['url']],
    ['https://user:password@sign.test/', ['url']],
    [undefined, ['url']],
    [{ url: undefined }, ['url']],
    [{ url, headers: 'X-App: mine' }, ['headers']],
    [{ url, headers: null }, ['headers']],
    [{ url, credentials: 'yes' }, ['credentials']],
    [url, []],
    [{ url, headers: new Headers(), credentials: 'include' }, []],
    // It may know what a part of a URL means.
    [{ url: '/sign', fetch: async () => new Response() }, []],
  ])('%j, of endpoints', (options, issues) => {
    expect(issuesOf(() => remoteSigner(options as string))).toEqual(issues);
    expect(issuesOf(() => remoteCredentials(options as string))).toEqual(issues);
  });

  test('and no password is shown', () => {
    expect(() => remoteSigner('https://user:hush@sign.test/')).toThrow(/^invalid options: url must be .*without user/);
    expect(() => remoteSigner('https://user:hush@sign.test/')).not.toThrow(/hush/);
  });
});
