import { describe, expect, test } from 'vitest';
import type { CosSliceError } from '../../errors.ts';
import type { ObjectOperationName, Operation } from '../operations.ts';
import { decodeObjects } from './decode-objects.ts';

type Question = Operation<never, ObjectOperationName>;

const REMOVE: Question = { op: 'remove' };
const stat = (path: string): Question => ({ op: 'stat', path });
const entries = (path: string): Question => ({
  op: 'entries',
  path,
  pageSize: 20,
  pattern: 'both',
  order: 'ascending',
});

function reply(operation: Question, body: unknown, status = 200) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return decodeObjects(operation, { status, header: () => undefined, body: text });
}

const success = (operation: Question, data: unknown) => reply(operation, { code: 0, data });

describe('refusals', () => {
  test.each<readonly [code: number, status: number, expected: string, remedy: string]>([
    [-166, 400, 'bad-request', 'none'],
    [-170, 400, 'bad-request', 'none'],
    [-173, 400, 'not-empty', 'none'],
    [-177, 409, 'exists', 'none'],
    [-178, 409, 'exists', 'none'],
    [-179, 400, 'bad-request', 'none'],
    [-180, 400, 'bad-request', 'none'],
    [-47, 403, 'unauthorized', 'none'],
    [-59, 403, 'signature-expired', 'resign'],
    [-71, 503, 'unavailable', 'backoff'],
    [-133, 404, 'bucket-not-found', 'none'],
    [-197, 404, 'not-found', 'none'],
    [-197, 400, 'not-found', 'none'],
    [-98765, 404, 'not-found', 'none'],
    [-98765, 400, 'bad-request', 'none'],
    [-98765, 500, 'unavailable', 'backoff'],
    [-98765, 429, 'unavailable', 'backoff'],
  ])('code %i with HTTP %i is %s, remedy %s', (code, status, expected, remedy) => {
    expect(reply(REMOVE, { code, message: ' M\nN ', request_id: 'r1' }, status)).toMatchObject({
      kind: 'failed',
      error: {
        code: expected,
        remedy,
        wireCode: code,
        requestId: 'r1',
        message: expect.stringMatching(/. \(server: -\d+ M N\)$/),
      },
    });
  });

  test('are told by their code alone where they have no words', () => {
    const { error } = reply(REMOVE, { code: -173 }, 400) as { error: CosSliceError };
    expect(error.message).toMatch(/\(server: -173\)$/);
    expect(error.requestId).toBeUndefined();
  });

  test('say of what is looked for that it is not there', () => {
    expect(reply(stat('a'), { code: -197 }, 404)).toEqual({ kind: 'absent' });
    expect(reply(stat('a'), { code: -1 }, 404)).toEqual({ kind: 'absent' });
    expect(reply(stat('a'), { code: -133 }, 404)).toMatchObject({ error: { code: 'bucket-not-found' } });
    expect(reply(stat('a'), { code: -97 }, 403)).toMatchObject({ error: { code: 'unauthorized' } });
  });

  test('of somebody else on the way are told as such', () => {
    expect(reply(stat('a'), '<html>', 502)).toMatchObject({ error: { code: 'bad-reply', remedy: 'backoff' } });
    expect(reply(REMOVE, '<Error><Code>AccessDenied</Code></Error>', 403)).toMatchObject({
      error: { code: 'unauthorized', wireCode: 'AccessDenied' },
    });
  });
});

describe('an entry', () => {
  const entryAt = (path: string, data: object): object | undefined => {
    const found = success(stat(path), data);
    return found.kind === 'described' ? found.entry : undefined;
  };

  test('is a directory when its path says so, and else a file, which has a size', () => {
    expect(entryAt('', {})).toMatchObject({ kind: 'directory', path: '', name: '' });
    expect(entryAt('a/b/', { filesize: 3, ctime: 0 })).toEqual({
      kind: 'directory',
      path: 'a/b/',
      name: 'b',
      attributes: '',
      createdAt: new Date(0),
      modifiedAt: undefined,
    });
    expect(entryAt('b', { filesize: 0 })).toMatchObject({ kind: 'file', name: 'b', sizeBytes: 0 });
    for (const filesize of [-1, undefined, 'x', 1.5]) {
      expect(success(stat('b'), { filesize })).toMatchObject({
        error: { code: 'bad-reply', message: expect.stringContaining('stat has no usable filesize') },
      });
    }
  });

  test('has a SHA-1 where that is one, and an authority that is known', () => {
    const sha = 'Ab'.repeat(20);
    expect(entryAt('b', { filesize: 1, sha })).toMatchObject({ sha1: sha.toLowerCase() });
    for (const wrong of [sha.slice(1), `${sha}a`, 'x'.repeat(40), 7, undefined]) {
      expect(entryAt('b', { filesize: 1, sha: wrong })).toHaveProperty('sha1', undefined);
    }
    for (const [authority, expected] of [
      ['eInvalid', 'inherit'],
      ['eWRPrivate', 'private'],
      ['eWPrivateRPublic', 'public-read'],
      ['eOther', 'inherit'],
      [undefined, 'inherit'],
    ]) {
      expect(entryAt('b', { filesize: 1, authority })).toMatchObject({ authority: expected });
    }
  });

  test('has headers, as an object or as its text', () => {
    const custom_headers = { 'Cache-Control': 'no', 'x-cos-meta-n': 7 };
    const customHeaders = { 'Cache-Control': 'no', 'x-cos-meta-n': '7' };
    for (const given of [custom_headers, JSON.stringify(custom_headers)]) {
      expect(entryAt('b', { filesize: 1, custom_headers: given })).toMatchObject({ customHeaders });
    }
    for (const given of ['', 'x', null, undefined]) {
      expect(entryAt('b', { filesize: 1, custom_headers: given })).toHaveProperty('customHeaders', {});
    }
  });
});

describe('a page', () => {
  const page = (path: string, data: object): unknown => success(entries(path), data);
  const paths = (path: string, names: string[]): unknown => {
    const found = success(entries(path), { infos: names.map((name) => ({ name, filesize: 1 })) });
    return found.kind === 'page' ? found.entries.map((entry) => entry.path) : found;
  };

  test('has names from its directory, or from the bucket', () => {
    expect(paths('a/', ['b', 'c/', 'a/'])).toEqual(['a/b', 'a/c/', 'a/a/']);
    expect(paths('a/', ['a/b', '/a/c/', 'a/d/e'])).toEqual(['a/b', 'a/c/', 'a/d/e']);
    expect(paths('a/pre', ['prefix', 'a/pretty'])).toEqual(['a/prefix', 'a/pretty']);
    expect(paths('a/', ['x/b'])).toEqual(['a/x/b']);
    expect(paths('', ['b', '/c/'])).toEqual(['b', 'c/']);
  });

  test('leads to the next one, unless it is the last', () => {
    expect(page('', { infos: [], context: 'c' })).toEqual({ kind: 'page', entries: [], context: 'c' });
    expect(page('', { context: 'c', has_more: true, listover: false })).toMatchObject({ context: 'c' });
    for (const last of [{}, { context: '' }, { context: 'c', listover: true }, { context: 'c', has_more: false }]) {
      expect(page('', last)).toEqual({ kind: 'page', entries: [], context: undefined });
    }
  });

  test.each([[{}], ['x'], [[{ filesize: 1 }]], [[{ name: '', filesize: 1 }]], [[{ name: 'a' }]], [[null]]])(
    'that cannot be read is none: %j',
    (infos) => {
      expect(page('', { infos })).toMatchObject({
        error: { code: 'bad-reply', message: expect.stringContaining('entries has no usable infos') },
      });
    },
  );
});

test('what is done may say where the object is', () => {
  const data = { access_url: 'a', source_url: 'b', url: 'c', resource_path: 'd' };
  const location = { accessUrl: 'a', sourceUrl: 'b', url: 'c', resourcePath: 'd' };
  const to = { appId: '1', bucket: 'b', path: 'p' };
  for (const operation of [
    { op: 'create-directory' },
    REMOVE,
    { op: 'move', to, overwrite: false },
    { op: 'copy', to, overwrite: false },
    { op: 'update' },
  ] as Question[]) {
    expect(success(operation, data)).toEqual({ kind: 'done', location });
    expect(reply(operation, { code: '0' }).kind).toBe('done');
  }
});
