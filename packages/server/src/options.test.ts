import { describe, expect, test } from 'vitest';
import { readOptions, type SliceServerOptions } from './options.ts';
import { fileStore } from './store/files/file-store.ts';
import { s3Store } from './store/s3/s3-store.ts';
import { ACCOUNT } from './testing/sign.ts';

const STORE = fileStore('/nowhere');
const read = (options: object) => readOptions({ store: STORE, accounts: [ACCOUNT], ...options } as SliceServerOptions);
const withAccount = (part: object) => read({ accounts: [{ ...ACCOUNT, ...part }] });

describe('options', () => {
  test('that are undefined are as good as left out', () => {
    const names = [
      'prefix',
      'publicRead',
      'publicUrl',
      'trustProxy',
      'serialUpload',
      'sessionTtlMs',
      'maxConnections',
      'maxRequests',
      'maxSessions',
      'maxSessionBytes',
      'instantFrom',
    ];
    const sizes = { minBytes: undefined, maxBytes: undefined, defaultBytes: undefined, forcedBytes: undefined };
    const given = read({ ...Object.fromEntries(names.map((name) => [name, undefined])), sliceSize: sizes });
    const { nowMs, onRequest, accountsBySecretId, locker, onceRegister, seats, tally, ...settings } = read({});
    expect(given).toMatchObject(settings);
    expect(given.sliceSize).toEqual({ minBytes: 65_536, maxBytes: 8_388_608, defaultBytes: 1_048_576 });
  });

  test.each<[name: string, options: object, message: RegExp]>([
    ['an appid that is a number', { accounts: [{ ...ACCOUNT, appId: 10055004 }] }, /a value of type number .* appid/],
    ['a bucket that is a number', { accounts: [{ ...ACCOUNT, buckets: [1] }] }, /a value of type number .* bucket/],
    ['buckets that are text', { accounts: [{ ...ACCOUNT, buckets: 'demo' }] }, /buckets must be an array/],
    ['no buckets', { accounts: [{ ...ACCOUNT, buckets: undefined }] }, /buckets must be an array/],
    ['accounts that are one account', { accounts: ACCOUNT }, /accounts: .* in an array/],
    ['an account that is none', { accounts: [null] }, /secretId must be text/],
    ['a secret id that is a number', { accounts: [{ ...ACCOUNT, secretId: 7 }] }, /secretId must be text/],
    ['a store that is a folder', { store: './files' }, /store: /],
    ['text for a switch', { publicRead: 'false' }, /publicRead: must be true or false/],
    ['a number for a switch', { trustProxy: 1 }, /trustProxy: must be true or false/],
    [
      'a size that is text',
      { sliceSize: { maxBytes: '4194304' } },
      /sliceSize.maxBytes: must be a positive whole number/,
    ],
    ['sizes that are a number', { sliceSize: 1_048_576 }, /sliceSize: must be an object/],
    ['sizes that exclude each other', { sliceSize: { maxBytes: 1024 } }, /minBytes exceeds maxBytes/],
    ['a time that is text', { sessionTtlMs: '1d' }, /sessionTtlMs: must be a positive whole number/],
    ['a locker that is none', { locker: () => {} }, /locker: must be an object with a method withLock/],
    ['a register that is a set', { onceRegister: new Set() }, /onceRegister: must be an object with a method use/],
    ['an origin of instant uploads that is none', { instantFrom: true }, /instantFrom: must be 'covered' or 'bucket'/],
    ['no connections', { maxConnections: 0 }, /maxConnections: must be a positive/],
    ['a prefix that is a number', { prefix: 2 }, /prefix: /],
    ['a listener that is none', { onRequest: 'console.log' }, /onRequest: must be a function/],
    ['a clock that stands', { nowMs: 0 }, /nowMs: must be a function/],
    ['a public URL that is none', { publicUrl: 'files.example' }, /publicUrl: /],
    ['a public URL with a query', { publicUrl: 'https://files.example/?a' }, /publicUrl: /],
  ])('%s is named', (_, options, message) => {
    expect(() => read(options)).toThrow(TypeError);
    expect(() => read(options)).toThrow(message);
  });

  test('of all kinds are named at once', () => {
    expect(() => read({ publicRead: 'yes', sliceSize: { minBytes: -1 }, prefix: 'x' })).toThrow(
      /prefix.*publicRead.*sliceSize.minBytes/,
    );
  });

  test.each(['\n', '\r\n', ' ', '\t'])('a key or a secret id that ends in %j is told of, and not shown', (end) => {
    expect(() => withAccount({ secretKey: `hush${end}` })).toThrow(/secretKey begins or ends in white space/);
    expect(() => withAccount({ secretKey: `hush${end}` })).not.toThrow(/hush/);
    expect(() => withAccount({ secretId: `AKID${end}` })).toThrow(/secretId begins or ends in white space/);
  });

  test.each<[name: string, dir: unknown, options: object, message: RegExp]>([
    ['no directory', '', {}, /dir: must be/],
    ['an unset variable', undefined, {}, /dir: must be/],
    ['room that is text', '/nowhere', { minFreeBytes: '64m' }, /minFreeBytes: must be a whole number/],
    ['less than no room', '/nowhere', { minFreeBytes: -1 }, /minFreeBytes: must be a whole number/],
    ['text for a switch', '/nowhere', { fsync: 'false' }, /fsync: must be true or false/],
  ])('of a file store are checked as well: %s', (_, dir, options, message) => {
    expect(() => fileStore(dir as string, options)).toThrow(message);
  });

  test('of a file store that are undefined or zero can be used', () => {
    expect(() => fileStore('/nowhere', { fsync: undefined, minFreeBytes: undefined } as object)).not.toThrow();
    expect(() => fileStore('/nowhere', { minFreeBytes: 0 })).not.toThrow();
  });

  test('a key of the object store that ends in a line break is told of, and not shown', () => {
    const create = () => s3Store({ bucket: 'films', credentials: { accessKeyId: 'AK', secretAccessKey: 'hush\n' } });
    expect(create).toThrow(
      /^s3Store: credentials: secretAccessKey has a line break in it or white space around it: take that out$/,
    );
  });

  test('a public URL may have a path, and credentials in it are not repeated', () => {
    expect(read({ publicUrl: 'https://example.com/cos/' }).publicUrl).toBe('https://example.com/cos');
    expect(() => read({ publicUrl: 'https://me:hush@example.com' })).toThrow(/without credentials/);
    expect(() => read({ publicUrl: 'https://me:hush@example.com' })).not.toThrow(/hush/);
  });
});
