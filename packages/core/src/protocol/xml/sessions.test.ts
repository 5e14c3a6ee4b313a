import { expect, test } from 'vitest';
import type { WireResponse } from '../../ports.ts';
import { s3Wire } from '../s3/index.ts';
import { sessionsOf } from './sessions.ts';

const WIRE = sessionsOf(s3Wire({ endpoint: 'http://127.0.0.1:7480', bucket: 'films' }));
const AT = WIRE.locate({ endpoint: '', appId: '', bucket: '', path: '' });

const answer = (body: string, status = 200): WireResponse => ({ status, body, header: () => undefined });
const list = (inner: string): WireResponse =>
  answer(`<ListMultipartUploadsResult>${inner}</ListMultipartUploadsResult>`);
const upload = (key: string, id: string): string =>
  `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>`;
const ask = { op: 'sessions', prefix: 'a b/' } as const;

test('asks for what begins like a path, and for what comes after a page', () => {
  expect(WIRE.encode(ask, AT).url).toBe(
    'http://127.0.0.1:7480/films/?encoding-type=url&max-uploads=1000&prefix=a%20b%2F&uploads',
  );
  expect(WIRE.encode({ ...ask, context: ['a b/ü', 'u1'] }, AT).url).toContain('key-marker=a%20b%2F%C3%BC&');
});

test('reads pages, whether names are encoded and whether that is told', async () => {
  const startedAt = new Date('2026-01-02T03:04:05Z');
  const told = list(`<EncodingType>url</EncodingType>${upload('a+b/%C3%BC', 'u/1')}`);
  expect(await WIRE.decode(ask, told, AT)).toEqual({
    kind: 'sessions',
    sessions: [{ path: 'a b/ü', session: 'u/1', startedAt }],
  });
  for (const [key, path] of [
    ['a%20b/%C3%BC', 'a b/ü'],
    ['a b/100%25', 'a b/100%25'],
    ['a+b', 'a+b'],
  ]) {
    expect(await WIRE.decode(ask, list(upload(key ?? '', 'u')), AT)).toMatchObject({ sessions: [{ path }] });
  }
});

test('goes on with the next page, and not for ever', async () => {
  const page = list(`<IsTruncated>true</IsTruncated>${upload('a', '1')}${upload('b', '2')}`);
  expect(await WIRE.decode(ask, page, AT)).toMatchObject({ context: ['b', '2'] });
  expect(await WIRE.decode({ ...ask, context: ['b', '2'] }, page, AT)).toMatchObject({
    kind: 'failed',
    error: { code: 'bad-reply' },
  });
});

test('takes nothing else for a list', async () => {
  for (const body of [
    '',
    '<html/>',
    '<ListBucketResult/>',
    '<ListMultipartUploadsResult><Upload/></ListMultipartUploadsResult>',
    `<ListMultipartUploadsResult>${upload('a', '1')}${upload('b', '')}</ListMultipartUploadsResult>`,
    `<ListMultipartUploadsResult>${upload('a', '1')}${upload('', '2')}</ListMultipartUploadsResult>`,
    '<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>',
  ]) {
    expect(await WIRE.decode(ask, answer(body), AT)).toMatchObject({ kind: 'failed', error: { code: 'bad-reply' } });
  }
  const refusal = answer('<Error><Code>NoSuchBucket</Code></Error>', 404);
  expect(await WIRE.decode(ask, refusal, AT)).toMatchObject({ kind: 'failed', error: { code: 'bucket-not-found' } });
});
