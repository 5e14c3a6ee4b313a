import { describe, expect, test } from 'vitest';
import { createCalls } from './calls.ts';
import type { S3Client } from './client.ts';
import { infoOf } from './labels.ts';
import { S3Error } from './s3-error.ts';
import { parseXml } from './xml.ts';

/** A store that gives the same answers in turn, whatever is asked. */
function storeThatSays(...answers: readonly [string, ...string[]]) {
  let asked = 0;
  const call = async () => {
    const text = answers[asked % answers.length] ?? answers[0];
    if (++asked > 10) throw new Error('asked again and again');
    return { status: 200, headers: {}, text, xml: parseXml(text) };
  };
  return createCalls({ call } as unknown as S3Client);
}
const UPLOAD = { bucket: 'films', key: 'a', uploadId: 'u1' };
const MORE = '<IsTruncated>true</IsTruncated>';
const part = (number: string, size = '1'): string =>
  `<Part><PartNumber>${number}</PartNumber><Size>${size}</Size></Part>`;

describe('a list ends whose pages lead', () => {
  const circle = /go round in a circle/;
  const parts = (number: string): string =>
    `<R>${MORE}<NextPartNumberMarker>${number}</NextPartNumberMarker>${part('1')}</R>`;
  const uploads = (key: string): string =>
    `<R>${MORE}<NextKeyMarker>${key}</NextKeyMarker><Upload><Key>a</Key><UploadId>u</UploadId></Upload></R>`;
  const objects = (key: string): string =>
    `<R>${MORE}<NextMarker>${key}</NextMarker><Contents><Key>${key}</Key></Contents></R>`;

  test('to the same one', async () => {
    await expect(storeThatSays(parts('1')).listParts(UPLOAD)).rejects.toThrow(circle);
    await expect(storeThatSays(uploads('a')).listUploads('films', '')).rejects.toThrow(circle);
    await expect(storeThatSays(objects('a')).list('films', '', { marker: 'a' })).rejects.toThrow(circle);
  });

  test('to one before it', async () => {
    await expect(storeThatSays(parts('2'), parts('1')).listParts(UPLOAD)).rejects.toThrow(circle);
    await expect(storeThatSays(uploads('b'), uploads('a')).listUploads('films', '')).rejects.toThrow(circle);
    await expect(storeThatSays(objects('a')).list('films', '', { marker: 'b' })).rejects.toThrow(circle);
  });
});

test('a part without a number or a size is told of', async () => {
  for (const one of [part('x'), part('1', ''), part('1', '1e3')]) {
    await expect(storeThatSays(`<R>${one}</R>`).listParts(UPLOAD)).rejects.toThrow(/the object store lists something/);
  }
});

test('a key that is not encoded although it was asked for stays as it is', async () => {
  const { objects } = await storeThatSays('<R><Contents><Key>100%+a</Key></Contents></R>').list('films', '');
  expect(objects).toMatchObject([{ key: '100%+a' }]);
});

test('a code that is a word every object knows is no refusal, and what is said is one line', () => {
  const error = new S3Error(400, 'constructor', 'GET a', 'no\nno');
  expect([error.refusal, error.message]).toEqual([
    undefined,
    'the object store answered 400 constructor to GET a: no no',
  ]);
});

test('a time that there is no date for is not believed', () => {
  const headers = { 'x-amz-meta-cos-slice-modified': '1e300' };
  const head = { headers, sizeBytes: 1, etag: 'e', modifiedAtMs: 5, nowMs: 6 };
  expect(infoOf(head).modifiedAtMs).toBe(5);
});
