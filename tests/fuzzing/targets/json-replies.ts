import { jsonApi } from '@cos-slice/core';
import { jsonObjects } from '../../../packages/core/src/protocol/json-api/objects.ts';
import type { Target } from '../engine/target.ts';
import { checkReply, OBJECT_OPERATIONS, responseOf, UPLOAD_OPERATIONS } from './replies.ts';

const ok = (data: object, head = 'HTTP/1.1 200 OK\n'): string =>
  `${head}\n${JSON.stringify({ code: 0, message: 'SUCCESS', data, request_id: 'r1' })}`;
const refused = (status: number, code: number, headers = ''): string =>
  `HTTP/1.1 ${status} No\n${headers}\n${JSON.stringify({ code, message: 'ERROR_X', request_id: 'r1' })}`;
const FOUND = { access_url: 'http://h/a', source_url: 'http://h/a', url: 'http://h/a', resource_path: '/1/b/a' };
const FILE = {
  name: 'a',
  filesize: 3,
  filelen: 3,
  sha: 'ab'.repeat(20),
  ctime: 1472647600,
  mtime: '1472647600',
  biz_attr: '',
  authority: 'eWRPrivate',
  custom_headers: { 'Cache-Control': 'no-cache', 'x-cos-meta-a': '1' },
  ...FOUND,
};

/** Replies of the JSON API, and of what stands in its place: proxies, login pages, the XML API. */
export const jsonReplies: Target = {
  name: 'json-replies',
  about: 'replies of the JSON API: each is an answer, or an error that says what to do',
  seeds: [
    ok({ session: 's1', slice_size: 65536, serial_upload: 1, session_delete: 1 }),
    ok({ session: 's1', offset: 65536, datalen: 34464, datamd5: 'AB'.repeat(16) }),
    ok({
      session: 's1',
      slice_size: 65536,
      filesize: 100000,
      sha: 'ab'.repeat(20),
      listparts: [{ offset: 0, datalen: 65536 }],
    }),
    ok({ session: 's1', slice_size: '65536', listparts: '[{"offset":"0","datalen":"65536"}]' }),
    ok({ ...FOUND, filesize: 100000, sha: 'ab'.repeat(20), made_by: 's1' }),
    ok(FILE),
    ok({ context: 'c1', has_more: true, listover: false, infos: [FILE, { name: 'd/', biz_attr: '', ctime: 1 }] }),
    refused(503, -71, 'Retry-After: 3\nDate: Wed, 31 Aug 2016 20:46:40 GMT\n'),
    refused(503, -5997, 'Retry-After: Wed, 31 Aug 2016 20:46:50 GMT\n'),
    ...[-59, -96, -97, -133, -166, -173, -177, -197, -4016, -4019, -4020].map((code) => refused(409, code)),
    'HTTP/1.1 400 Bad Request\n\n<?xml version="1.0"?><Error><Code>NoSuchBucket</Code><Message>no &amp; none</Message><RequestId>r</RequestId></Error>',
    'HTTP/1.1 302 Found\nLocation: https://login.example/?sign=x\n\n',
    'HTTP/1.1 413 Too Large\n\n<html><h1>413</h1></html>',
    'HTTP/1.1 400 Bad Request\n\nClient sent an HTTP request to an HTTPS server.',
  ], // prettier-ignore
  words: [
    '"session":',
    '"slice_size":',
    '"listparts":',
    '"infos":',
    '"custom_headers":',
    '"code":',
    '<Error>',
    '<Code>',
    'Retry-After: ',
    'Date: ',
  ],
  growsTo: 64 * 1024,
  run(input) {
    const response = responseOf(input);
    const at = 'http://cos.test/files/v2/10055004/demobucket/dir/a';
    // What is as long as that is here for what it costs.
    const isLong = response.body.length > 8192;
    for (const operation of UPLOAD_OPERATIONS.slice(0, isLong ? 3 : undefined)) {
      const reply = jsonApi.decode(operation, response, at);
      checkReply(reply);
    }
    for (const operation of OBJECT_OPERATIONS.slice(0, isLong ? 3 : undefined))
      checkReply(jsonObjects.decode(operation, response, at));
  },
}; // prettier-ignore
