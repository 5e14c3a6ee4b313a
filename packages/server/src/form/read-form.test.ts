import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createHeld, createKept, type Held } from '../content/held.ts';
import type { ProtocolError } from '../protocol/codes.ts';
import { BOUNDARY, formBody, send } from '../testing/client.ts';
import { readForm } from './read-form.ts';

const JSON_TYPE = 'application/json';
const URLENCODED = 'application/x-www-form-urlencoded; charset=utf-8';
const MULTIPART = `Multipart/Form-Data; boundary=${BOUNDARY}`;

interface Read {
  readonly code: number;
  readonly message: string;
  readonly fields: Record<string, string>;
  /** Of content, and the fields that were known when it began. */
  readonly content: string;
  readonly before: string[];
  readonly received: number;
}

/** What a server makes of a request with this body. */
async function read(
  type: string | undefined,
  body: string | Buffer,
  query: [string, string][] = [],
  all: Held = createHeld(1e9),
): Promise<Read> {
  const server = createServer(async (req, res) => {
    let content = '';
    let before: string[] = [];
    let received = 0;
    const kept = createKept(all);
    const answer = (more: object): void =>
      void res.end(JSON.stringify({ code: 0, message: '', fields: {}, content, before, received, ...more }));
    try {
      const { fields } = await readForm(req, new Map(query), {
        maxContentBytes: 1000,
        kept,
        onBytes: (bytes) => {
          received += bytes;
        },
        openContent: async (known) => {
          before = [...known.keys()];
          return {
            write: (bytes) => {
              content += bytes.toString('latin1');
              return undefined;
            },
          };
        },
      });
      answer({ fields: Object.fromEntries(fields) });
    } catch (error) {
      const { code, message } = error as ProtocolError;
      answer({ code, message });
    } finally {
      kept.release();
    }
  });
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const reply = await send(url, { body, ...(type === undefined ? {} : { headers: { 'Content-Type': type } }) });
  return reply.json() as unknown as Read;
}

const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `k${index}`);
const jsonOf = (names: string[]): string => JSON.stringify(Object.fromEntries(names.map((name) => [name, 1])));
const nested = (depth: number): string => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;

test('what is in the body wins over the query, which has the rest', async () => {
  const query: [string, string][] = [
    ['op', 'list'],
    ['num', '7'],
  ];
  for (const [type, body] of [
    [JSON_TYPE, '{"op":"upload"}'],
    [URLENCODED, 'op=upload'],
    [MULTIPART, formBody({ op: 'upload' })],
  ] as const) {
    expect((await read(type, body, query)).fields).toEqual({ op: 'upload', num: '7' });
  }
  expect((await read(undefined, '', query)).fields).toEqual({ op: 'list', num: '7' });
});

test('content comes with the fields before it, and counts as received', async () => {
  const body = formBody([
    ['op', 'upload'],
    ['fileContent', Buffer.from('bytes')],
    ['fileSize', '5'],
  ]);
  expect(await read(MULTIPART, body)).toMatchObject({
    code: 0,
    fields: { op: 'upload', filesize: '5' },
    content: 'bytes',
    before: ['op'],
    received: body.length,
  });
});

test('values of JSON are texts as they are, and others as JSON', async () => {
  const body = ' {"a":"x","b":1,"c":{"d":[null]},"e":true,"f":null}\n';
  const fields = { a: 'x', b: '1', c: '{"d":[null]}', e: 'true', f: 'null' };
  expect((await read(JSON_TYPE, body)).fields).toEqual(fields);
  expect((await read('text/plain', body)).fields).toEqual(fields);
  expect((await read(URLENCODED, '{"op":"x=1&y=2"}')).fields).toEqual({ op: 'x=1&y=2' });
  expect((await read(URLENCODED, ' a=b%20c&d=e+f \n')).fields).toEqual({ a: 'b c', d: 'e f' });
});

test.each([
  [JSON_TYPE, '{"fileContent":"x"}', 'content needs a multipart body'],
  [URLENCODED, 'filecontent=x', 'content needs a multipart body'],
  [URLENCODED, 'op=a&op=b', 'op is given twice'],
  [JSON_TYPE, '{"fileSize":1,"filesize":2}', 'filesize is given twice'],
  [JSON_TYPE, '[]', 'neither a form nor a JSON object'],
  [JSON_TYPE, '"x"', 'neither a form nor a JSON object'],
  [JSON_TYPE, 'null', 'neither a form nor a JSON object'],
  [JSON_TYPE, '{', 'neither a form nor a JSON object'],
  ['text/plain', 'op=upload', 'neither a form nor a JSON object'],
  ['multipart/form-data', 'x', 'without a usable boundary'],
])('%s %s is refused: %s', async (type, body, why) => {
  expect(await read(type, body)).toMatchObject({ code: -5999, message: expect.stringContaining(why) });
});

test('takes 64 fields and no more', async () => {
  expect(Object.keys((await read(JSON_TYPE, jsonOf(many(64)))).fields)).toHaveLength(64);
  expect(Object.keys((await read(URLENCODED, many(64).join('=1&'))).fields)).toHaveLength(64);
  for (const [type, body] of [
    [JSON_TYPE, jsonOf(many(65))],
    [URLENCODED, many(65).join('=1&')],
  ] as const) {
    expect(await read(type, body)).toMatchObject({ code: -5999, message: expect.stringContaining('64 fields') });
  }
});

test.each<[string, (value: string) => string | Buffer]>([
  [MULTIPART, (biz_attr) => formBody({ biz_attr })],
  [JSON_TYPE, (biz_attr) => JSON.stringify({ biz_attr })],
  [URLENCODED, (biz_attr) => `biz_attr=${biz_attr}`],
])('%s takes 64 KiB in a field, and no more', async (type, bodyOf) => {
  const value = 'x'.repeat(64 * 1024);
  expect((await read(type, bodyOf(value))).fields).toEqual({ biz_attr: value });
  expect(await read(type, bodyOf(`${value}x`))).toMatchObject({
    code: -5999,
    message: expect.stringContaining('biz_attr is too long'),
  });
});

test('takes JSON that is nested 32 times, and no deeper', async () => {
  expect(await read(JSON_TYPE, nested(32))).toMatchObject({ code: 0 });
  expect(await read(JSON_TYPE, nested(33))).toMatchObject({
    code: -5999,
    message: expect.stringContaining('nested too deeply'),
  });
  // What is beside each other, or in a text, is not in each other.
  const wide = `{"a":[${Array(100).fill('[{}]').join(',')}]}`;
  expect((await read(JSON_TYPE, wide)).code).toBe(0);
  const texts = JSON.stringify({ [`"${'['.repeat(50)}`]: `\\"${'{'.repeat(50)}`, b: '\\' });
  expect((await read(JSON_TYPE, texts)).code).toBe(0);
  expect((await read(JSON_TYPE, `{"a":"\\\\","b":${'['.repeat(40)}${']'.repeat(40)}}`)).code).toBe(-5999);
});

const partsOf = (count: number): string =>
  JSON.stringify(
    Array.from({ length: count }, (_, index) => ({ offset: index, datalen: 1, datasha: 'ab'.repeat(20) })),
  );

test('what is kept of all bodies has a bound, beyond which long ones have to wait and others do not', async () => {
  const all = createHeld(1e6);
  const long: [string, string | Buffer][] = [
    [MULTIPART, formBody({ op: 'upload_slice_init', uploadparts: partsOf(4000) })],
    [MULTIPART, formBody({ uploadparts: partsOf(4000), op: 'upload_slice_init' })],
    [MULTIPART, formBody({ biz_attr: 'x'.repeat(40_000), more: 'x'.repeat(40_000) })],
    [JSON_TYPE, JSON.stringify({ biz_attr: 'x'.repeat(40_000), more: 'x'.repeat(40_000) })],
  ];
  for (const [type, body] of long) expect((await read(type, body, [], all)).code).toBe(0);
  expect(all.bytes).toBe(0);
  const others = createKept(all);
  expect(() => others.add(1e6)).toThrow('at a time');
  for (const [type, body] of long) expect((await read(type, body, [], all)).code).toBe(-5997);
  const short = formBody({ op: 'upload_slice_init', uploadparts: partsOf(100), biz_attr: 'x'.repeat(40_000) });
  expect((await read(MULTIPART, short, [], all)).code).toBe(0);
  others.release();
  expect(all.bytes).toBe(0);
});

test('uploadparts are read where they are for something, and are a field like any in other operations', async () => {
  for (const op of ['upload_slice_init', 'upload_slice']) {
    expect((await read(MULTIPART, formBody({ op, uploadparts: 'no json' }))).code).toBe(-5965);
    const { code, fields } = await read(MULTIPART, formBody({ op, uploadparts: partsOf(4000) }));
    expect([code, fields]).toEqual([0, { op }]);
  }
  expect((await read(MULTIPART, formBody({ op: 'stat', uploadparts: 'no json' }))).code).toBe(0);
  expect(await read(MULTIPART, formBody({ op: 'stat', uploadparts: partsOf(4000) }))).toMatchObject({
    code: -5999,
    message: expect.stringContaining('uploadparts is too long'),
  });
});
