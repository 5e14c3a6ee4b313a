import { describe, expect, test } from 'vitest';
import { lost, setUp } from '../testing/object-setting.ts';
import { code, ok } from '../testing/setting.ts';
import { decode } from './json-api/decode.ts';
import { decodeObjects } from './json-api/decode-objects.ts';
import { s3Wire } from './s3/index.ts';

const S3 = s3Wire({ endpoint: 'http://s3.test', bucket: 'films' });
const AT = 'http://s3.test/films/dir/a';
const answer = (body: string, status = 200, headers: Record<string, string> = {}) => ({
  status,
  body,
  header: (name: string) => headers[name.toLowerCase()],
});
const stat = (data: object) =>
  decodeObjects({ op: 'stat', path: 'a' }, answer(JSON.stringify({ code: 0, data: { filesize: 1, ...data } })));
const parts = (number: string, size: string) =>
  S3.decode(
    { op: 'list', session: 'u1', sliceSizeBytes: 5 },
    answer(
      `<ListPartsResult><Part><PartNumber>${number}</PartNumber><Size>${size}</Size><ETag>e</ETag></Part></ListPartsResult>`,
    ),
    AT,
  );

describe('codes that are words every object knows', () => {
  test.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])('%s is a code like any other', (word) => {
    const body = `<Error><Code>${word}</Code><Message>no</Message></Error>`;
    const error = { code: 'bad-request', wireCode: word, message: expect.stringContaining(`(server: ${word} no)`) };
    expect(decode({ op: 'list' }, answer(body, 400))).toMatchObject({ kind: 'failed', error });
    expect(S3.decode({ op: 'discard', session: 'u1' }, answer(body, 400), AT)).toMatchObject({ kind: 'failed', error });
  });
});

describe('what is told of an object', () => {
  test('headers are texts, whatever they were', () => {
    const { entry } = stat({ custom_headers: { a: { toString: 1, valueOf: 1 }, b: 2, c: 'x' } }) as never;
    expect(entry).toMatchObject({ customHeaders: { a: '{"toString":1,"valueOf":1}', b: '2', c: 'x' } });
  });

  test('a time that there is no date for is none', () => {
    const { entry } = stat({ mtime: Number.MAX_SAFE_INTEGER, ctime: 1 }) as never;
    expect(entry).toMatchObject({ modifiedAt: undefined, createdAt: new Date(1000) });
  });

  test.each(['http://[', 'http://a b:x/'])('%s is no address to download from', async (access_url) => {
    const { client } = setUp(({ url }) => (url.includes('op=stat') ? ok({ filesize: 1, access_url }) : lost()));
    expect(await code(client.downloadUrl('a', { signed: false }))).toBe('bad-reply');
  });

  test.each(['', 'x', '1e3', '99999999999999999999'])('a list of objects with the size %j is of no use', (size) => {
    const body = `<ListBucketResult><Contents><Key>dir/a</Key><Size>${size}</Size></Contents></ListBucketResult>`;
    const operation = { op: 'entries', path: 'dir/', pattern: 'both', order: 'ascending', pageSize: 9 } as const;
    expect(S3.objects?.decode(operation, answer(body), AT)).toMatchObject({
      kind: 'failed',
      error: { code: 'bad-reply' },
    });
  });
});

test.each([
  ['0', '5'],
  // Kept by their numbers, they would take gigabytes.
  ['10001', '5'],
  ['500000000000', '5'],
  ['1', '99999999999999999999'],
])('a list with part %s of %s bytes is of no use', (number, size) => {
  expect(parts(number, size)).toMatchObject({ kind: 'failed', error: { code: 'bad-reply' } });
});

test('a list with the last part there can be is read', () => {
  expect(parts('10000', '5')).toMatchObject({ kind: 'listed', stored: [{ offset: 49_995, length: 5, tag: 'e' }] });
});
