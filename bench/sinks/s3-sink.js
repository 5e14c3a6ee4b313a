// @ts-check
// As much of S3 as the server's store asks of it. Parts are counted and forgotten: what limits are the servers in front.

/** @import { SinkHandler, SinkReply } from './http-sink.js' */

const META = /^(x-amz-meta-[^:\r\n]+): *(.*?)\r?$/gim;

/** Bodies are text with a byte to each character. @returns {SinkHandler} */
export function s3Sink() {
  /** @type {Map<string, { body: string, meta: Record<string, string> }>} */
  const objects = new Map();
  /** @type {Map<string, { key: string, meta: Record<string, string>, parts: Map<number, number> }>} */
  const uploads = new Map();
  let lastId = 0;

  return ({ method, url, head, peek, bodyBytes }) => {
    const { pathname: key, searchParams: query } = new URL(url, 'http://sink');
    const meta = Object.fromEntries([...head.matchAll(META)].map(([, name = '', value = '']) => [name, value]));
    const upload = uploads.get(query.get('uploadId') ?? '');
    if (method === 'POST' && query.has('uploads')) {
      const id = String(++lastId);
      uploads.set(id, { key, meta, parts: new Map() });
      return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    }
    if (query.has('uploadId') && !upload) return missing('NoSuchUpload');
    if (upload && method === 'PUT') {
      upload.parts.set(Number(query.get('partNumber')), bodyBytes);
      return reply();
    }
    if (upload && method === 'GET') return listParts(upload.parts);
    if (upload) {
      uploads.delete(query.get('uploadId') ?? '');
      if (method === 'DELETE') return reply();
      objects.set(upload.key, { body: '', meta: upload.meta });
      return xml('<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>');
    }
    if (method === 'PUT') {
      if (/\r\nif-none-match: *\*/i.test(head) && objects.has(key)) return { status: 412, headers: dated() };
      objects.set(key, { body: peek, meta });
      return reply();
    }
    if (method === 'POST') return xml('<DeleteResult></DeleteResult>');
    if (method === 'DELETE') {
      objects.delete(key);
      return reply();
    }
    if (query.has('prefix')) return xml('<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>');
    const there = objects.get(key);
    if (!there) return missing('NoSuchKey');
    return reply(there.meta, method === 'HEAD' ? '' : there.body);
  };
}

/** @param {Record<string, string>} [headers] @param {string} [body] @returns {SinkReply} */
function reply(headers = {}, body = '') {
  return { headers: { ...dated(), ETag: '"e"', 'Last-Modified': new Date().toUTCString(), ...headers }, body };
}

/** @param {Map<number, number>} parts */
function listParts(parts) {
  const list = [...parts].map(
    ([number, size]) => `<Part><PartNumber>${number}</PartNumber><Size>${size}</Size></Part>`,
  );
  return xml(`<ListPartsResult><IsTruncated>false</IsTruncated>${list.join('')}</ListPartsResult>`);
}

/** @param {string} body @returns {SinkReply} */
function xml(body) {
  return { headers: { ...dated(), 'Content-Type': 'application/xml' }, body };
}

/** @param {string} code @returns {SinkReply} */
function missing(code) {
  return { status: 404, headers: dated(), body: `<Error><Code>${code}</Code></Error>` };
}

function dated() {
  return { Date: new Date().toUTCString() };
}
