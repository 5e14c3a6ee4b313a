import { describe, expect, test } from 'vitest';
import { createLimiter } from '../batch/limiter.ts';
import { CosSliceError } from '../errors.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import type { Wire } from '../protocol/wire.ts';
import { describeOptions } from './describe.ts';
import { parseOptions, type UploadOptions } from './options.ts';

const GOOD: UploadOptions = {
  endpoint: 'http://cos.test/files/v2',
  appId: 10055004,
  bucket: 'demobucket',
  path: 'dir/name.bin',
  signer: () => 'c2ln',
};

/** `option message` of every issue; null when there is none. */
function issuesOf(options: unknown): string[] | null {
  try {
    parseOptions(options as UploadOptions);
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(CosSliceError);
    const { code, issues = [], message } = error as CosSliceError;
    expect(code).toBe('invalid-options');
    expect(message).not.toContain('\n');
    return issues.map(({ option, message: what }) => `${option} ${what}`);
  }
}

test('what is not given, or given as undefined, is filled in', () => {
  const nothing = { sliceSize: undefined, concurrency: { max: undefined }, retry: undefined, timeouts: {} };
  const config = parseOptions({ ...GOOD, ...nothing, signal: undefined, resume: undefined } as never);
  expect(config).toMatchObject({
    appId: '10055004',
    sliceSizeBytes: 1024 * 1024,
    singleRequestMaxBytes: 1024 * 1024,
    integrity: 'none',
    overwrite: false,
    onConflict: 'error',
    resume: false,
    retry: { attempts: 10, attemptsPerUpload: 100, baseDelayMs: 500, maxDelayMs: 30_000 },
    timeouts: { connectMs: 10_000, responseMs: 30_000, noProgressMs: 30_000 },
  });
  expect(parseOptions({ ...GOOD, sliceSize: 16 * 1024 * 1024 }).singleRequestMaxBytes).toBe(16 * 1024 * 1024);
});

describe('nothing that JavaScript lets through passes in silence', () => {
  test.each<[string, unknown, string]>([
    ['appId', Number.NaN, 'appId must be text or a whole number, got NaN'],
    ['appId', 1.5, 'appId must be text or a whole number, got 1.5'],
    ['appId', true, 'appId must be text or a whole number, got true'],
    ['appId', undefined, 'appId must be text or a whole number, got undefined'],
    ['appId', { toString: () => '10055004' }, 'appId must be text or a whole number, got an object'],
    ['endpoint', new URL('http://cos.test/files/v2'), 'endpoint must be text, got an object'],
    ['endpoint', Object.create(null), 'endpoint must be text, got an object'],
    ['bucket', 7, 'bucket must be text, got 7'],
    ['bucket', 'demo/', 'bucket must be a bucket\'s name, got "demo/"'],
    ['path', ['a'], 'path must be text, got a list'],
    ['path', null, 'path must be text, got null'],
    ['sliceSize', { maxBytes: undefined }, 'sliceSize must be a multiple of 64 from 65536 to 16777216, got an object'],
    ['sliceSize', null, 'sliceSize must be a multiple of 64 from 65536 to 16777216, got null'],
    ['sliceSize', '1048576', 'sliceSize must be a multiple of 64 from 65536 to 16777216, got "1048576"'],
    ['sliceSize', 1048576n, 'sliceSize must be a multiple of 64 from 65536 to 16777216, got 1048576'],
    ['singleRequestMax', -1, 'singleRequestMax must be a whole number from 0 to 20971520, got -1'],
    ['concurrency', null, 'concurrency must be an object, got null'],
    ['concurrency', { min: 9, max: 2 }, 'concurrency must have min up to max, got "9 and 2"'],
    ['concurrency', { maximum: 4 }, 'concurrency.maximum must not be given: there are min, max, got 4'],
    ['concurrency', { acquire() {} }, 'concurrency must be a number, bounds or a limiter, got an object'],
    ['retry', 3, 'retry must be an object, got 3'],
    ['retry', [], 'retry must be an object, got a list'],
    ['retry', { attempts: '3' }, 'retry.attempts must be a whole number from 1 to 1000, got "3"'],
    [
      'timeouts',
      { connectMS: 1 },
      'timeouts.connectMS must not be given: there are connectMs, responseMs, noProgressMs, got 1',
    ],
    ['integrity', 'MD5', 'integrity must be none or md5 or sha1, got "MD5"'],
    ['integrity', null, 'integrity must be none or md5 or sha1, got null'],
    ['overwrite', 'false', 'overwrite must be false or true or skip or rename, got "false"'],
    ['overwrite', 0, 'overwrite must be false or true or skip or rename, got 0'],
    ['onConflict', false, 'onConflict must be error or restart, got false'],
    ['attributes', { a: 1 }, 'attributes must be text, got an object'],
    ['attributes', null, 'attributes must be text, got null'],
    ['resume', '', 'resume must be a resume store or false, got ""'],
    ['resume', null, 'resume must be a resume store or false, got null'],
    ['resume', { load() {} }, 'resume must be a resume store or false, got an object'],
    ['signal', new AbortController(), 'signal must be an AbortSignal, got an object'],
    ['signal', null, 'signal must be an AbortSignal, got null'],
    ['onProgress', {}, 'onProgress must be a function, got an object'],
    ['signer', undefined, 'signer must be a signer or a function, got undefined'],
    ['signer', 'c2ln', 'signer must be a signer or a function, got text'],
    ['wire', {}, 'wire must be a wire, got an object'],
  ])('%s: %o', (option, value, issue) => {
    expect(issuesOf({ ...GOOD, [option]: value })).toEqual([issue]);
  });

  test('no options at all', () => {
    for (const nothing of [undefined, null, 'http://cos.test'])
      expect(issuesOf(nothing)?.[0]).toMatch(/^options must be/);
  });

  test('every issue is told, each once', () => {
    const issues = issuesOf({ ...GOOD, endpoint: 'cos.test', bucket: '', path: 'a/../b', sliceSize: 1, retry: 1 });
    expect(issues?.map((issue) => issue.split(' ')[0])).toEqual(['endpoint', 'bucket', 'path', 'sliceSize', 'retry']);
  });
});

test('passwords and signatures in an address are not repeated', () => {
  for (const endpoint of [
    'http://user:secret@cos.test/files/v2',
    'http://user:se/secret@cos.test/files/v2',
    'http://user:se?secret#@cos.test/files/v2',
    'user:secret@cos.test/files/v2',
    'http://cos.test/files/v2?sign=secret',
    'cos.test/files/v2?sign=secret',
    'ftp://a/#secret',
  ]) {
    const [issue] = issuesOf({ ...GOOD, endpoint }) ?? [];
    expect(issue).toMatch(/^endpoint must be a URL .*\*\*\*/);
    expect(issue).not.toContain('secret');
  }
});

test('a limiter is taken as it is', () => {
  const concurrency = createLimiter(3);
  expect(parseOptions({ ...GOOD, concurrency }).limiter).toBe(concurrency);
});

describe('another wire', () => {
  const traits = {
    ...jsonApi.traits,
    sliceSize: { default: 8_000_000, min: 5_000_000, max: 9_000_000, step: 1000, chosenBy: 'client' },
    maxSingleBytes: 6_000_000,
    integrity: ['md5', 'none'],
    signatureCovers: 'request',
  } as const;
  const wire: Wire = { ...jsonApi, name: 'other', traits, check: () => [] };

  test('brings its own bounds, defaults and names', () => {
    const config = parseOptions({ ...GOOD, wire, path: 'a?b', signer: { authorize: async (request) => request } });
    expect(config).toMatchObject({ sliceSizeBytes: 8_000_000, singleRequestMaxBytes: 6_000_000, integrity: 'md5' });
    expect(issuesOf({ ...GOOD, wire, sliceSize: 64, integrity: 'sha1' })).toEqual([
      'sliceSize must be a multiple of 1000 from 5000000 to 9000000, got 64',
      'integrity must be md5 or none, got "sha1"',
      'signer must be an authorizer, which signs requests, got a function',
    ]);
  });

  test('shows in the description', () => {
    const sizes = (rows: ReturnType<typeof describeOptions>): unknown => rows.find(({ name }) => name === 'sliceSize');
    expect(sizes(describeOptions({}, wire))).toMatchObject({
      default: 8_000_000,
      min: 5_000_000,
      step: 1000,
      unit: 'bytes',
    });
    expect(sizes(describeOptions())).toMatchObject({ default: 1024 * 1024, max: 16 * 1024 * 1024, step: 64 });
  });
});

test('whatever is described may be given: the defaults, and what is at the bounds', () => {
  for (const row of describeOptions()) {
    expect(row.doc).toMatch(/^\S.*[^.\s]$/);
    if (row.kind === 'text') continue;
    const [option = '', member] = row.name.split('.');
    const give = (value: unknown): string[] | null =>
      issuesOf({ ...GOOD, [option]: member === undefined ? value : { [member]: value } });
    const good = row.kind === 'choice' ? row.choices : [row.default, row.min, row.max];
    for (const value of good) {
      // Bounds of the window limit each other.
      if (row.name === 'concurrency.min' && Number(value) > 8) continue;
      expect(give(value), `${row.name}: ${value}`).toBeNull();
    }
    const bad = row.kind === 'choice' ? ['other'] : [row.min - row.step, row.max + row.step, row.min + 0.5];
    for (const value of bad) expect(give(value), `${row.name}: ${value}`).toHaveLength(1);
  }
});
