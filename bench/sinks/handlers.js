// @ts-check
// Just enough of each protocol for its clients to believe that their bytes were stored.

/** @import { SinkHandler } from './http-sink.js' */

const JSON_TYPE = { 'Content-Type': 'application/json' };
/** Pages of any origin may send here, and see what comes back. */
const ANY_PAGE = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'PUT, POST, GET, HEAD, DELETE',
  'Access-Control-Allow-Headers': '*, Authorization',
  'Access-Control-Expose-Headers': 'ETag, Date',
};
const XML_TYPE = { ...ANY_PAGE, 'Content-Type': 'application/xml' };

/**
 * The COS JSON API: init, data, finish, the old one-operation form, whole files, and a directory with nothing in it.
 *
 * @returns {SinkHandler}
 */
export function cosJsonSink() {
  /** @type {Map<string, { sizeBytes: number, sliceSizeBytes: number }>} */
  const uploads = new Map();
  return ({ url, peek }) => {
    const path = url.split('?', 1)[0] ?? '';
    const place = { url: path, access_url: path, source_url: path, resource_path: path };
    const op = field(peek, 'op') ?? new URLSearchParams(url.slice(path.length)).get('op');
    const offset = field(peek, 'offset');
    if (op === 'upload_slice_data' || (op === 'upload_slice' && offset !== undefined)) {
      const upload = uploads.get(path) ?? { sizeBytes: 0, sliceSizeBytes: 0 };
      const datalen = Math.min(upload.sliceSizeBytes, upload.sizeBytes - Number(offset));
      const complete = op === 'upload_slice' && Number(offset) + datalen >= upload.sizeBytes;
      const session = field(peek, 'session');
      return success({ session, offset: Number(offset), datalen, ...(complete ? place : {}) });
    }
    if (op === 'upload_slice_init' || op === 'upload_slice') {
      const sliceSizeBytes = Number(field(peek, 'slice_size'));
      uploads.set(path, { sizeBytes: Number(field(peek, 'filesize')), sliceSizeBytes });
      return success({ session: 'bench-session', slice_size: sliceSizeBytes, offset: 0 });
    }
    if (op === 'upload_slice_finish' || op === 'upload') return success(place);
    if (op === 'list') return success({ infos: [], listover: true, context: '' });
    return { status: 400, headers: JSON_TYPE, body: JSON.stringify({ code: -5999, message: `no ${op} here` }) };
  };
}

/** @param {object} data */
function success(data) {
  return { headers: JSON_TYPE, body: JSON.stringify({ code: 0, message: 'SUCCESS', data, request_id: 'bench' }) };
}

/** @param {string} peek @param {string} name */
function field(peek, name) {
  const start = peek.indexOf(`name="${name}"`);
  if (start < 0) return undefined;
  const value = peek.indexOf('\r\n\r\n', start) + 4;
  return peek.slice(value, peek.indexOf('\r\n', value));
}

/**
 * Multipart uploads in XML as S3 and COS's current API have them.
 *
 * @returns {SinkHandler}
 */
export function xmlSink() {
  return ({ method, url, head }) => {
    const query = new URL(url, 'http://sink').searchParams;
    const name = '<Bucket>b</Bucket><Key>k</Key>';
    if (method === 'OPTIONS') return { headers: { ...ANY_PAGE, 'Access-Control-Max-Age': '600' } };
    if (method === 'PUT') {
      // Whoever sends an MD5 wants it back; others are told something that looks like one.
      const md5 = /\r\ncontent-md5: *([\w+/=]+)/i.exec(head)?.[1];
      const tag = md5 ? Buffer.from(md5, 'base64').toString('hex') : 'd41d8cd98f00b204e9800998ecf8427e';
      return { headers: { ...ANY_PAGE, ETag: `"${tag}"` } };
    }
    if (method === 'GET') return xml('ListMultipartUploadsResult', '<IsTruncated>false</IsTruncated>');
    if (query.has('uploads')) return xml('InitiateMultipartUploadResult', `${name}<UploadId>bench</UploadId>`);
    return xml('CompleteMultipartUploadResult', `${name}<Location>http://sink/b/k</Location><ETag>"x-1"</ETag>`);
  };
}

/** @param {string} root @param {string} content */
function xml(root, content) {
  return { headers: XML_TYPE, body: `<?xml version="1.0"?><${root}>${content}</${root}>` };
}

/**
 * tus 1.0 with the creation extension.
 *
 * @returns {SinkHandler}
 */
export function tusSink() {
  const version = { 'Tus-Resumable': '1.0.0' };
  return ({ method, head, bodyBytes }) => {
    if (method === 'POST') return { status: 201, headers: { ...version, Location: '/files/bench' } };
    const offset = Number(/\r\nupload-offset: *(\d+)/i.exec(head)?.[1] ?? 0);
    return { status: 204, headers: { ...version, 'Upload-Offset': String(offset + bodyBytes) } };
  };
}
