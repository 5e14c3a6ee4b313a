import { describe, expect, test } from 'vitest';
import type { WireResponse } from '../../ports.ts';
import { cosXmlWire } from '../cos-xml/index.ts';
import type { Operation, OperationName } from '../operations.ts';
import { s3Wire } from '../s3/index.ts';
import { profiles } from './profile.ts';
import type { XmlWire } from './wire.ts';

const AWS = s3Wire({ endpoint: 'https://s3.eu-west-1.amazonaws.com', bucket: 'films' });
const CEPH = s3Wire({ endpoint: 'http://127.0.0.1:7480/', bucket: 'films', profile: 'ceph' });
const COS = cosXmlWire({
  region: 'sh',
  bucket: 'films',
  appId: 10055004,
  headers: { 'x-cos-storage-class': 'STANDARD' },
});
const KEY = "a b+(1)'/腾.mp4";
const AT = 'https://films-10055004.cos.ap-shanghai.myqcloud.com/a%20b%2B%281%29%27/%E8%85%BE.mp4';

const atOf = (wire: XmlWire, path = KEY): string =>
  wire.locate({ endpoint: '', appId: '', bucket: '', ...wire.place, path });

const answer = (body = '', status = 200, headers: Record<string, string> = {}): WireResponse => ({
  status,
  body,
  header: (name) => headers[name.toLowerCase()],
});
const refusal = (code: string, status: number, more = ''): WireResponse =>
  answer(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message>${more}</Error>`, status);

const DATA = { content: 'bytes', sizeBytes: 5 };
const operations = {
  init: { op: 'init', sizeBytes: 25, sliceSizeBytes: 10, attributes: 'ä b', overwrite: false },
  list: { op: 'list', session: 'u/1', sliceSizeBytes: 10 },
  slice: {
    op: 'slice',
    session: 'u/1',
    index: 6,
    range: { offset: 60, length: 5 },
    sizeBytes: 68,
    content: 'bytes',
    md5: '00ff'.repeat(8),
  },
  finish: { op: 'finish', session: 'u/1', sizeBytes: 25, tags: ['"a"', '"b"'], overwrite: false },
  single: { op: 'single', ...DATA, overwrite: false, md5: '00ff'.repeat(8) },
  discard: { op: 'discard', session: 'u/1' },
} as const satisfies { readonly [Op in OperationName]: Operation<string, Op> };
const MD5 = 'AP8A/wD/AP8A/wD/AP8A/w==';

describe('addresses', () => {
  test('have the bucket where the server wants it, and each segment encoded once', () => {
    const path = 'a%20b%2B%281%29%27/%E8%85%BE.mp4';
    expect(atOf(AWS)).toBe(`https://films.s3.eu-west-1.amazonaws.com/${path}`);
    expect(atOf(CEPH)).toBe(`http://127.0.0.1:7480/films/${path}`);
    expect(atOf(COS)).toBe(AT);
    const elsewhere = s3Wire({ endpoint: 'https://r.example/s3', bucket: 'b', pathStyle: false });
    expect(atOf(elsewhere, 'k')).toBe('https://b.r.example/s3/k');
  });

  test.each([
    ['', /name an object/],
    ['a/', /name an object/],
    ['a/../b', /segments/],
    ['./a', /segments/],
    ['\ud800', /Unicode/],
    ['腾'.repeat(284), /850 bytes/],
  ])('refuse %j by name', (path, message) => {
    const issues = COS.check({ endpoint: '', appId: '', bucket: '', path });
    expect(issues).toMatchObject([{ option: 'path', message: expect.stringMatching(message) }]);
    if (path.length < 284) expect(AWS.check({ endpoint: '', appId: '', bucket: '', path })).toHaveLength(1);
  });

  test('of places that cannot be are refused by name', () => {
    const target = { endpoint: '', appId: '', bucket: '', path: 'k' };
    const cos = cosXmlWire({ region: 'sh/x', bucket: 'films-1', appId: '1' });
    expect(cos.check(target).map(({ option }) => option)).toEqual(['wire.region', 'wire.bucket']);
    const s3 = s3Wire({ endpoint: 'ftp://x', bucket: 'a/b', profile: 'nobody' as 'aws' });
    expect(s3.check(target).map(({ option }) => option)).toEqual(['wire.endpoint', 'wire.bucket', 'wire.profile']);
  });
});

describe('requests', () => {
  const encode = (wire: XmlWire, operation: Operation<string>) => {
    const { url, ...rest } = wire.encode(operation, atOf(wire));
    return { ...rest, query: url.slice(atOf(wire).length) };
  };

  test('of an upload in parts over COS', () => {
    const keep = { 'x-cos-forbid-overwrite': 'true' };
    expect(encode(COS, operations.init)).toEqual({
      method: 'POST',
      query: '?uploads',
      headers: { 'x-cos-storage-class': 'STANDARD', 'x-cos-meta-attributes': '%C3%A4%20b', ...keep },
    });
    expect(encode(COS, operations.slice)).toEqual({
      method: 'PUT',
      query: '?partNumber=7&uploadId=u%2F1',
      headers: { 'Content-MD5': MD5 },
      content: { name: '', body: 'bytes', sizeBytes: 5, bytesAfter: 3 },
    });
    expect(encode(COS, operations.list)).toEqual({ method: 'GET', query: '?max-parts=1000&uploadId=u%2F1' });
    expect(encode(COS, operations.finish)).toEqual({
      method: 'POST',
      query: '?uploadId=u%2F1',
      headers: { 'Content-Type': 'application/xml', ...keep },
      text: '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"a"</ETag></Part><Part><PartNumber>2</PartNumber><ETag>"b"</ETag></Part></CompleteMultipartUpload>',
    });
    expect(encode(COS, operations.discard)).toEqual({ method: 'DELETE', query: '?uploadId=u%2F1' });
    expect(encode(COS, operations.single)).toEqual({
      method: 'PUT',
      query: '',
      headers: { 'Content-MD5': MD5, 'x-cos-storage-class': 'STANDARD', ...keep },
      content: { name: '', body: 'bytes', sizeBytes: 5 },
    });
  });

  test('that may replace what is there say nothing of it', () => {
    for (const op of ['init', 'finish', 'single'] as const) {
      for (const wire of [AWS, CEPH, COS]) {
        const text = JSON.stringify(encode(wire, { ...operations[op], overwrite: true }));
        expect(text).not.toMatch(/forbid|None-Match|"HEAD"/i);
      }
    }
  });

  test('look first where the server would refuse too late, or not at all; who may not look may yet send', () => {
    for (const wire of [AWS, CEPH]) {
      expect(encode(wire, operations.init)).toEqual({ method: 'HEAD', query: '' });
      expect(wire.decode(operations.init, answer(), atOf(wire))).toMatchObject({
        error: { code: 'exists', remedy: 'none' },
      });
      for (const status of [404, 403]) {
        const reply = wire.decode(operations.init, answer('', status), atOf(wire));
        expect(reply).toEqual({ kind: 'more', more: 'create' });
      }
      expect(encode(wire, { ...operations.init, more: 'create' })).toMatchObject({ method: 'POST', query: '?uploads' });
    }
    expect(encode(AWS, operations.finish).headers).toMatchObject({ 'If-None-Match': '*' });
    expect(encode(CEPH, operations.single).headers).toMatchObject({ 'If-None-Match': '*' });
    const unknown = s3Wire({ endpoint: 'http://h', bucket: 'b' });
    expect(encode(unknown, operations.single)).toEqual({ method: 'HEAD', query: '' });
    expect(unknown.decode(operations.single, answer('', 404), '')).toEqual({ kind: 'more', more: 'put' });
    expect(encode(unknown, { ...operations.single, more: 'put' })).toMatchObject({ method: 'PUT' });
  });

  test('of OSS keep what is there by its own header', () => {
    const oss = s3Wire({ endpoint: 'https://oss-cn-hangzhou.aliyuncs.com', bucket: 'b' });
    expect(encode(oss, operations.init).headers).toMatchObject({ 'x-oss-forbid-overwrite': 'true' });
    expect(oss.traits.sliceSize.min).toBe(100 * 1024);
  });
});

describe('replies', () => {
  test('to init: the session, whatever the server calls it', () => {
    for (const name of ['UploadId', 'UploadID']) {
      const body = `<InitiateMultipartUploadResult xmlns="x"><Key>other</Key><${name}>u/1</${name}></InitiateMultipartUploadResult>`;
      expect(COS.decode(operations.init, answer(body), AT)).toMatchObject({
        kind: 'opened',
        session: 'u/1',
        sliceSizeBytes: 10,
      });
    }
    expect(COS.decode(operations.init, answer('<a/>'), AT)).toMatchObject({ error: { code: 'bad-reply' } });
  });

  const part = (number: number, size = 10) =>
    `<Part><PartNumber>${number}</PartNumber><LastModified>x</LastModified><ETag>&quot;t${number}&quot;</ETag><Size>${size}</Size></Part>`;
  const page = (parts: string, next?: number) =>
    answer(
      `<ListPartsResult>${parts}<IsTruncated>${next !== undefined}</IsTruncated><NextPartNumberMarker>${next ?? 0}</NextPartNumberMarker></ListPartsResult>`,
    );

  test('to list: pages until there are no more, parts in their places with their tags', async () => {
    const first = await COS.decode(operations.list, page(part(1) + part(2), 2), AT);
    if (first.kind !== 'more') throw new Error(first.kind);
    const second = { ...operations.list, more: first.more };
    expect(COS.encode(second, AT).url).toBe(`${AT}?max-parts=1000&part-number-marker=2&uploadId=u%2F1`);
    expect(COS.decode(second, page(part(3, 5)), AT)).toMatchObject({
      kind: 'listed',
      session: 'u/1',
      stored: [
        { offset: 0, length: 10, tag: '"t1"' },
        { offset: 10, length: 10, tag: '"t2"' },
        { offset: 20, length: 5, tag: '"t3"' },
      ],
    });
  });

  test('to list: the MD5 that each ETag is, where the session is of parts whose ETags are', async () => {
    const hex = 'AB'.repeat(16);
    const tagged = page(part(1).replace('t1', hex) + part(2));
    const md5sOf = async (session: string) => {
      const reply = await COS.decode({ ...operations.list, session }, tagged, AT);
      return reply.kind === 'listed' ? reply.stored.map(({ md5 }) => md5) : reply.kind;
    };
    expect(await md5sOf('u/1 mark')).toEqual([hex.toLowerCase(), undefined]);
    const opened = (more: Record<string, string>) => {
      const body = '<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>';
      const reply = COS.decode({ ...operations.init, mark: 'm' }, answer(body, 200, more), AT);
      return 'session' in reply ? reply.session : undefined;
    };
    expect(opened({})).toBe('u/1 m');
    expect(opened({ 'x-cos-server-side-encryption': 'AES256' })).toBe('u/1 m');
    const sealed = opened({ 'x-cos-server-side-encryption': 'cos/kms' }) ?? '';
    expect(sealed).not.toBe('u/1 m');
    expect(await md5sOf(sealed)).toEqual([undefined, undefined]);
    expect(COS.encode({ ...operations.list, session: sealed }, AT).url).toMatch(/uploadId=u%2F1$/);
  });

  test('to list that lead from a page to none behind it, or that are no list, are refused', () => {
    const again = { ...operations.list, more: { parts: [], marker: 2 } };
    for (const next of [1, 2, 10_001]) {
      expect(COS.decode(again, page(part(1), next), AT)).toMatchObject({ error: { code: 'bad-reply' } });
    }
    expect(COS.decode(operations.list, page(part(1, Number.NaN)), AT)).toMatchObject({ error: { code: 'bad-reply' } });
    expect(COS.decode(operations.list, answer('<html/>'), AT)).toMatchObject({ error: { code: 'bad-reply' } });
  });

  test('to list of an upload that is gone: whether there is an object tells what has become of it', () => {
    const gone = COS.decode(operations.list, refusal('NoSuchUpload', 404), AT);
    expect(gone).toEqual({ kind: 'more', more: 'look' });
    const look = { ...operations.list, more: 'look' };
    expect(COS.encode(look, AT)).toEqual({ method: 'HEAD', url: AT });
    expect(COS.decode(look, answer('', 404), AT)).toEqual({ kind: 'absent' });
    const found = COS.decode(look, answer('', 200, { 'content-length': '25' }), AT);
    expect(found).toMatchObject({ kind: 'present', sizeBytes: 25, location: { url: AT } });
    expect(COS.decode({ op: 'list' }, answer('', 404), AT)).toEqual({ kind: 'absent' });
    // As Ceph says it.
    expect(CEPH.decode(operations.list, refusal('NoSuchKey', 404), AT)).toEqual({ kind: 'more', more: 'look' });
  });

  test('to a part: its tag, hidden or not, and whether it is what was sent', () => {
    const etag = (text: string, more = {}) => answer('', 200, { etag: text, ...more });
    const md5 = operations.slice.md5;
    expect(COS.decode(operations.slice, etag(`"${md5}"`), AT)).toEqual({ kind: 'stored', tag: `"${md5}"` });
    expect(COS.decode(operations.slice, answer(), AT)).toEqual({ kind: 'stored', tag: '' });
    const other = `"${'ab'.repeat(16)}"`;
    expect(COS.decode(operations.slice, etag(other), AT)).toMatchObject({
      error: { code: 'integrity', remedy: 'backoff' },
    });
    const encrypted = etag(other, { 'x-cos-server-side-encryption': 'cos/kms' });
    expect(COS.decode(operations.slice, encrypted, AT)).toMatchObject({ kind: 'stored' });
    expect(COS.decode(operations.slice, etag('"x-1"'), AT)).toMatchObject({ kind: 'stored' });
    // A page does not see by itself how a bucket encrypts: the server has compared the MD5 that came along.
    const filtered = { ...etag(other), filtered: true };
    expect(COS.decode(operations.slice, filtered, AT)).toEqual({ kind: 'stored', tag: other });
    const shown = { ...etag(other, { 'x-cos-server-side-encryption': 'AES256' }), filtered: true };
    expect(COS.decode(operations.slice, shown, AT)).toMatchObject({ error: { code: 'integrity' } });
    const gone = COS.decode(operations.slice, refusal('NoSuchUpload', 404), AT);
    expect(gone).toMatchObject({ kind: 'session-gone', error: { wireCode: 'NoSuchUpload' } });
  });

  const done =
    '<CompleteMultipartUploadResult><Location>x</Location><ETag>"e-2"</ETag></CompleteMultipartUploadResult>';

  test('to finish: only a result with an ETag is one, whatever the status says', () => {
    const finish = (response: WireResponse) => COS.decode(operations.finish, response, AT);
    expect(finish(answer(`<?xml version="1.0"?>${' \n'.repeat(1000)}${done}`))).toMatchObject({ kind: 'present' });
    for (const body of ['', '   ', '<CompleteMultipartUploadResult/>', done.slice(0, -3)]) {
      expect(finish(answer(body))).toMatchObject({ error: { code: 'bad-reply', remedy: 'backoff' } });
    }
    expect(finish(refusal('InternalError', 200))).toMatchObject({ error: { code: 'unavailable', remedy: 'backoff' } });
    expect(finish(refusal('NoSuchUpload', 404))).toMatchObject({ kind: 'session-gone' });
    expect(finish(refusal('NoSuchUpload', 200))).toMatchObject({ kind: 'session-gone' });
    for (const code of ['InvalidPart', 'EntityTooSmall', 'InvalidPartOrder']) {
      expect(finish(refusal(code, 400))).toMatchObject({ kind: 'incomplete', error: { wireCode: code } });
    }
    expect(finish(refusal('FileAlreadyExists', 409))).toMatchObject({ error: { code: 'exists', remedy: 'none' } });
    expect(finish(refusal('PreconditionFailed', 412))).toMatchObject({ error: { code: 'exists' } });
  });

  test('to finish by Ceph has an empty ETag in some releases', async () => {
    const empty = answer('<CompleteMultipartUploadResult><Key>k</Key><ETag></ETag></CompleteMultipartUploadResult>');
    expect(await CEPH.decode(operations.finish, empty, atOf(CEPH))).toMatchObject({ kind: 'present' });
    expect(await CEPH.decode(operations.finish, answer('  '), atOf(CEPH))).toMatchObject({ kind: 'failed' });
  });

  test('to finish whose tags are hidden: it asks for them first, page by page', async () => {
    for (const tags of [undefined, ['"t1"', '']]) {
      const hidden = { ...operations.finish, tags };
      expect(COS.encode(hidden, AT).url).toBe(`${AT}?max-parts=1000&uploadId=u%2F1`);
      const first = await COS.decode(hidden, page(part(2, 15), 2), AT);
      if (first.kind !== 'more') throw new Error(first.kind);
      const last = await COS.decode({ ...hidden, more: first.more }, page(part(1)), AT);
      if (last.kind !== 'more') throw new Error(last.kind);
      const all = { ...hidden, more: last.more };
      expect(COS.encode(all, AT).text).toMatch(/>1<.*"t1".*>2<.*"t2"/);
      expect(COS.decode(all, answer(done), AT)).toMatchObject({ kind: 'present' });
      expect(COS.decode(hidden, refusal('NoSuchUpload', 404), AT)).toMatchObject({ kind: 'session-gone' });
    }
  });

  test('to finish whose tags are hidden: parts that are not those of the upload are not put together', async () => {
    const tagsOf = async (parts: string, tags?: string[]) => {
      const hidden = { ...operations.finish, tags: tags ?? ['', ''] };
      const reply = await COS.decode(hidden, page(parts), AT);
      return reply.kind === 'more' ? COS.encode({ ...hidden, more: reply.more }, AT).text : reply.kind;
    };
    const whole = await tagsOf(part(1, 10) + part(2, 15));
    expect(whole).toMatch(/>1<.*"t1".*>2<.*"t2"/);
    // Others' parts behind the end, and numbers that come twice.
    expect(await tagsOf(part(3, 10) + part(1, 10) + part(2, 15) + part(2, 15))).toBe(whole);
    // What is known of a part here is what it has to be.
    expect(await tagsOf(part(1, 10) + part(2, 15), ['"own"', ''])).toMatch(/>1<.*"own".*>2<.*"t2"/);
    for (const parts of [part(1, 10), part(2, 25), part(1, 10) + part(3, 15), part(1, 10) + part(2, 14)]) {
      expect(await tagsOf(parts)).toBe('incomplete');
    }
  });

  test('to discard: gone by us or before', () => {
    expect(COS.decode(operations.discard, answer('', 204), AT)).toEqual({ kind: 'discarded' });
    expect(COS.decode(operations.discard, refusal('NoSuchUpload', 404), AT)).toEqual({ kind: 'discarded' });
    expect(COS.decode(operations.discard, refusal('AccessDenied', 403), AT)).toMatchObject({ kind: 'failed' });
  });
});

describe('marks', () => {
  const MARK = 'm4rk';
  const own = { 'x-cos-meta-cos-slice-upload': MARK };
  const other = { 'x-cos-meta-cos-slice-upload': 'other' };
  const opened = () => {
    const reply = COS.decode({ ...operations.init, mark: MARK }, answer('<R><UploadId>u/1</UploadId></R>'), AT);
    if (!('kind' in reply) || reply.kind !== 'opened') throw new Error('not opened');
    return reply.session;
  };

  test('go with what makes an object, and along with the session, which no request tells', () => {
    for (const op of ['init', 'single'] as const) {
      expect(COS.encode({ ...operations[op], mark: MARK }, AT).headers).toMatchObject(own);
    }
    const session = opened();
    const { slice, list, finish, discard } = operations;
    for (const operation of [slice, list, finish, discard]) {
      expect(COS.encode({ ...operation, session }, AT)).toEqual(COS.encode(operation, AT));
    }
  });

  test('tell whether an object was made by the session', () => {
    const look = { op: 'list', session: opened(), more: 'look' } as const;
    expect(COS.decode(look, answer('', 200, own), AT)).toMatchObject({ kind: 'present', madeBy: look.session });
    expect(COS.decode(look, answer('', 200, other), AT)).toMatchObject({ kind: 'present', madeBy: '' });
    // Where CORS hides it, nobody knows.
    expect(COS.decode(look, answer(''), AT)).toMatchObject({ kind: 'present', madeBy: undefined });
  });

  test('find what an attempt has made whose answer was lost', () => {
    const single = { ...operations.single, mark: MARK };
    const refused = COS.decode(single, refusal('FileAlreadyExists', 409), AT);
    if (!('kind' in refused) || refused.kind !== 'more') throw new Error('it does not look');
    const looking = { ...single, more: refused.more };
    expect(COS.encode(looking, AT)).toMatchObject({ method: 'HEAD' });
    expect(COS.decode(looking, answer('', 200, own), AT)).toMatchObject({ kind: 'present' });
    expect(COS.decode(looking, answer('', 200, other), AT)).toMatchObject({ error: { code: 'exists' } });
    expect(COS.decode(looking, answer('', 404), AT)).toMatchObject({ error: { code: 'exists' } });
    expect(COS.decode(looking, answer('', 503), AT)).toMatchObject({ error: { code: 'unavailable' } });
    const first = { ...operations.init, mark: MARK };
    expect(CEPH.decode(first, answer('', 200, { 'x-amz-meta-cos-slice-upload': MARK }), AT)).toMatchObject({
      kind: 'present',
    });
  });
});

describe('refusals', () => {
  test.each([
    ['RequestTimeTooSkewed', 403, 'signature-expired', 'resign'],
    ['ExpiredToken', 400, 'signature-expired', 'resign'],
    ['SignatureDoesNotMatch', 403, 'unauthorized', 'none'],
    ['PaymentRequired', 402, 'unauthorized', 'none'],
    ['NoSuchBucket', 404, 'bucket-not-found', 'none'],
    ['BadDigest', 400, 'integrity', 'backoff'],
    ['RequestTimeout', 400, 'unavailable', 'backoff'],
    ['UserNetworkTooSlow', 400, 'unavailable', 'backoff'],
    ['IncompleteBody', 400, 'unavailable', 'backoff'],
    ['EntitySizeNotMatch', 400, 'unavailable', 'backoff'],
    ['SlowDown', 503, 'unavailable', 'backoff'],
    ['OperationAborted', 409, 'unavailable', 'backoff'],
    ['PathConflict', 409, 'conflict', 'none'],
    ['EntityTooLarge', 400, 'bad-request', 'none'],
    ['SomethingNew', 400, 'bad-request', 'none'],
    ['SomethingNew', 500, 'unavailable', 'backoff'],
  ])('%s, %i: %s, %s', (code, status, meaning, remedy) => {
    const reply = COS.decode(operations.slice, refusal(code, status, '<RequestId>r1</RequestId>'), AT);
    expect(reply).toMatchObject({
      error: { code: meaning, remedy, wireCode: code, httpStatus: status, requestId: 'r1' },
    });
  });

  test('in words: a request whose signature is too old is signed anew', () => {
    const body =
      '<Error><Code>AccessDenied</Code><Message>Request has expired</Message><ServerTime>2026-01-02T03:04:05Z</ServerTime></Error>';
    expect(COS.decode(operations.slice, answer(body, 403), AT)).toMatchObject({
      error: { code: 'signature-expired', remedy: 'resign', serverDateMs: Date.parse('2026-01-02T03:04:05Z') },
    });
  });

  test('of a bucket elsewhere name its region', () => {
    const reply = AWS.decode(
      operations.slice,
      refusal('AuthorizationHeaderMalformed', 400, '<Region>eu-central-1</Region>'),
      AT,
    );
    expect(reply).toMatchObject({
      error: { code: 'unauthorized', message: expect.stringContaining('it is eu-central-1') },
    });
  });

  test('that say only 404 of a part or of finish are about the upload', () => {
    for (const op of ['slice', 'finish'] as const) {
      expect(COS.decode(operations[op], answer('', 404), AT)).toMatchObject({ kind: 'session-gone' });
      expect(COS.decode(operations[op], answer('<h1>Not Found</h1>', 404), AT)).toMatchObject({ kind: 'failed' });
    }
  });

  test('without a body go by their status, and what is not the server’s by what it is', () => {
    const look = { ...operations.list, more: 'look' };
    expect(COS.decode(look, answer('', 403), AT)).toMatchObject({ error: { code: 'unauthorized', remedy: 'resign' } });
    // Temporary credentials may have ended.
    expect(COS.decode(look, answer('', 400), AT)).toMatchObject({ error: { code: 'unauthorized', remedy: 'resign' } });
    expect(COS.decode(look, answer('', 503), AT)).toMatchObject({ error: { code: 'unavailable', remedy: 'backoff' } });
    expect(COS.decode(operations.slice, answer('<h1>Bad Gateway</h1>', 502), AT)).toMatchObject({
      error: { code: 'bad-reply', remedy: 'backoff' },
    });
  });
});

test('profiles say what the servers document', () => {
  expect(profiles.r2.equalParts).toBe(true);
  expect(COS.traits).toMatchObject({
    maxParts: 10_000,
    sliceSize: { min: 1024 ** 2, max: 5 * 1024 ** 3, chosenBy: 'client' },
  });
  expect(AWS.traits.sliceSize.min).toBe(5 * 1024 ** 2);
});
