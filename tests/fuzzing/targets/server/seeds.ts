import { form } from '../forms.ts';

/** Between two requests, each of which has a connection of its own. */
export const NEXT = '\n====\n';

const AT = '/files/v2/10055004/demobucket';
const BOUNDARY = '----------------------------adb78d5a54eb';
const SHA = 'a9993e364706816aba3e25717850c26c9cd0d89d';

const post = (path: string, signature: string, fields: Record<string, string>, more = ''): string =>
  `POST ${AT}/${path} HTTP/1.1\nHost: h\nAuthorization: ${signature}\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\n${more}\n${form(fields)}`;
const json = (path: string, signature: string, fields: object): string =>
  `POST ${AT}/${path} HTTP/1.1\nHost: h\nAuthorization: ${signature}\nContent-Type: application/json\n\n${JSON.stringify(fields)}`;
const get = (path: string, more = ''): string => `GET ${AT}/${path} HTTP/1.1\nHost: h\n${more}\n`;

const INIT = post('u', '{multi}', { op: 'upload_slice_init', filesize: '3', slice_size: '65536', sha: SHA });
const DATA = post('u', '{multi}', { op: 'upload_slice_data', session: '{session}', offset: '0', filecontent: 'abc' });
const FINISH = post('u', '{multi}', { op: 'upload_slice_finish', session: '{session}', filesize: '3', sha: SHA });
const PARTS = `[{"offset":0,"datalen":3,"datasha":"${SHA}"}]`;

/** One of each operation, as clients send it, and a few as nobody should. */
export const SEEDS: readonly string[] = [
  [INIT, DATA, FINISH].join(NEXT),
  [
    INIT,
    json('u', '{multi}', { op: 'upload_slice_list' }),
    json('u', '{once:u}', { op: 'delete', session: '{session}' }),
  ].join(NEXT),
  post('u', '{multi:/10055004/demobucket/u}', {
    op: 'upload_slice_init',
    filesize: '3',
    sha: SHA,
    uploadparts: PARTS,
    insertOnly: '0',
    biz_attr: 'x',
  }),
  post('n', '{multi}', { op: 'upload_slice', filesize: '3', slice_size: '65536', sha: SHA }),
  post('n/o', '{multi:/10055004/demobucket/n}', { op: 'upload', filecontent: 'abc', sha: SHA, insertOnly: '1' }),
  post('a', '{multi}', { op: 'upload', filecontent: 'abc', insertOnly: '0' }, 'Expect: 100-continue\n'),
  json('new/', '{multi}', { op: 'create', biz_attr: 'x' }),
  get('dir/?op=list&num=1&pattern=eListBoth&order=0&sign={multi}'),
  get('dir/?op=list&num=1&context=WyJhIiwiYiJd&sign={multi:/10055004/demobucket/dir/}'),
  get('a?op=stat&sign={multi}'),
  get('a?sign={multi}', 'Range: bytes=1-3\nIf-Range: "r1"\n'),
  get('a.png', 'Authorization: {multi:/a.png}\nIf-None-Match: "r1"\n'),
  json('a', '{once:a}', {
    op: 'update',
    authority: 'eWPrivateRPublic',
    custom_headers: { 'Cache-Control': 'no', 'x-cos-meta-a': '1' },
  }),
  json('a', '{once:a}', { op: 'move', dest_fileid: '/10055004/demobucket/c/d', to_over_write: 1 }),
  json('a', '{multi}', { op: 'copy', dest_fileid: 'c', to_over_write: 0 }),
  json('dir/', '{once:dir/}', { op: 'move', dest_fileid: 'e/' }),
  json('dir/b', '{once:dir/b}', { op: 'delete' }),
  `POST ${AT}/a?op=delete&sign={once:a} HTTP/1.1\nHost: h\nContent-Length: 0\n\n`,
  `POST ${AT}/w HTTP/1.1\nHost: h\nAuthorization: {multi}\nContent-Type: application/x-www-form-urlencoded\n\nop=upload_slice_init&filesize=3&slice_size=65536`,
  `POST ${AT}/a HTTP/1.1\nHost: h\nAuthorization: {multi}\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n11\r\n{"op":"stat","a":\r\n4\r\n"b"}\r\n0\r\n\r\n`,
  `OPTIONS ${AT}/a HTTP/1.1\nHost: h\nOrigin: http://o\nAccess-Control-Request-Headers: Authorization, X-A\nAccess-Control-Request-Method: POST\n\n`,
  `HEAD ${AT}/a?sign={multi} HTTP/1.1\nHost: h\n\n`,
  'GET /-/healthy HTTP/1.1\nHost: h\n\n',
  `GET ${AT}/a?op=stat&sign={multi} HTTP/1.1\nHost: h\n\nGET ${AT}/a?sign={multi} HTTP/1.1\nHost: h\n\n`,
  '\x16\x03\x01\x02\x00',
]; // prettier-ignore

export const WORDS: readonly string[] = [
  ...[NEXT, '{multi}', '{session}', '{multi:/10055004/demobucket/dir}', '{once:a}', '{once:dir/}', 'Authorization: '],
  ...[
    '/10055004/demobucket/',
    '/../',
    '%2e%2e%2f',
    'dest_fileid',
    '"op":"',
    'Content-Length: ',
    'Transfer-Encoding: chunked',
  ],
  ...[
    'insertOnly',
    'to_over_write',
    'upload_slice_data',
    'delete',
    'context=',
    '\\ud800',
    'Range: bytes=',
    '.png',
    '&sign=',
  ],
]; // prettier-ignore
