import type { IncomingMessage } from 'node:http';
import { objectUrls, readAddress } from '../../../packages/server/src/http/address.ts';
import { contentHeaders } from '../../../packages/server/src/http/content-type.ts';
import { readRangeHeader } from '../../../packages/server/src/http/range.ts';
import { readProperties } from '../../../packages/server/src/protocol/properties.ts';
import { expect, type Target } from '../engine/target.ts';
import { codeOf } from './forms.ts';

const PREFIX = '/files/v2';
const HOSTS = new Map([['demobucket-10055004', { appId: '10055004', bucket: 'demobucket' }]]);
const SETTINGS = { prefix: PREFIX, publicUrl: 'https://files.example', trustProxy: false } as never;
const PLACE = `${PREFIX}/10055004/demobucket`;
const INLINE =
  /^(image\/(avif|gif|jpeg|png|webp)|application\/(json|pdf)|(audio|video)\/[a-z0-9]+|text\/plain; charset=utf-8)$/;

/** A request line, and what its query and a few headers say. */
export const addresses: Target = {
  name: 'addresses',
  about:
    'request lines, hosts, queries and ranges: an object that can be named again by what replies call it, or a refusal',
  seeds: [
    `POST ${PLACE}/dir/%E4%B8%AD%20a.txt?op=stat&sign=a+b%3D HTTP/1.1`,
    `GET ${PLACE}/dir/?op=list&num=20&order=1&context=abc HTTP/1.1`,
    'GET /dir/a.png?sign=x HTTP/1.1\nHost: demobucket-10055004.file.example:80',
    `GET http://h.example${PLACE}/a.svg HTTP/1.1\nRange: bytes=0-4`,
    `HEAD ${PLACE}/a/b%2Fc//?a HTTP/1.1\nRange: bytes=-5`,
    `POST ${PLACE}/../other/a%00 HTTP/1.1`,
    `GET ${PLACE}/a?flag=129&authority=eWRPrivate&biz_attr=x&custom_headers=%7B%22Cache-Control%22%3A%22no%22%2C%22x-cos-meta-a%22%3A1%7D HTTP/1.1`,
  ],
  words: [
    '%2F',
    '%2e%2e',
    '/../',
    '/10055004/',
    '/demobucket/',
    'custom_headers=',
    'Range: bytes=',
    '.html',
    '.png',
    '%22',
    '%7B',
    '.constructor',
    '.__proto__',
  ],
  growsTo: 64 * 1024,
  run(input) {
    const [line = '', ...lines] = input.toString('latin1').split('\n');
    const [method = '', url = ''] = line.split(' ');
    const headers = Object.fromEntries(
      lines.map((text) => [text.split(':', 1)[0]?.toLowerCase(), text.slice(text.indexOf(':') + 1).trim()]),
    );
    checkRange(headers.range);
    const req = { method, url, headers, socket: { localPort: 80 } } as unknown as IncomingMessage;
    try {
      const { target, isDirectory, query } = readAddress(req, PREFIX, HOSTS);
      const { path } = target;
      if (path !== '') {
        const segments = path.split('/');
        expect(
          !segments.some((name) => name === '' || name === '.' || name === '..'),
          `a path with segments that are none: ${JSON.stringify(path)}`,
        );
        expect(!/\p{Cc}|\\/u.test(path), `a path with characters that are none: ${JSON.stringify(path)}`);
      }
      // No account has another one, so that nothing there is ever called anything.
      if (!isName(target.appId) || !isName(target.bucket)) return;
      const { access_url } = objectUrls(SETTINGS, req, target);
      const { pathname } = new URL(access_url);
      const again = readAddress(
        { ...req, url: pathname + (isDirectory && path !== '' ? '/' : ''), headers: {} } as IncomingMessage,
        PREFIX,
        HOSTS,
      );
      expect(
        again.target.path === path && again.isDirectory === isDirectory,
        `${JSON.stringify(path)} is called ${access_url}, which is ${JSON.stringify(again.target.path)}`,
      );
      checkHeaders({ ...contentHeaders(path) });
      const properties = readProperties(query);
      checkHeaders({ ...properties.headers });
    } catch (error) {
      codeOf(error);
    }
  },
}; // prettier-ignore

function checkRange(header: string | undefined): void {
  for (const sizeBytes of [0, 1, 10, 2 ** 40]) {
    const range = readRangeHeader(header, sizeBytes);
    if (range === undefined || range === 'unsatisfiable') continue;
    const { start, end } = range;
    const isRight =
      Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end < sizeBytes;
    expect(isRight, `bytes ${start} to ${end} of ${sizeBytes}`);
  }
} // prettier-ignore

function checkHeaders(headers: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(headers)) {
    expect(typeof value === 'string', `${name} is a ${typeof value}`);
    expect(/^[\w-]+$/.test(name) && !/\p{Cc}/u.test(value), `${name}: ${JSON.stringify(value)}`);
  }
  const { 'Content-Type': type, 'Content-Disposition': disposition } = headers;
  if (String(disposition).startsWith('inline') && headers['Content-Type'] !== undefined) {
    expect(INLINE.test(String(type)), `${type} is shown where it stands`);
  }
}

function isName(text: string): boolean {
  return /^(?!\.+$)[\w.-]+$/.test(text);
}
