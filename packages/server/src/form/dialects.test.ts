import { describe, expect, test } from 'vitest';
import { keptByAll } from '../content/held.ts';
import { BOUNDARY, formBody, formHeaders, post, send } from '../testing/client.ts';
import { patternBytes } from '../testing/content.ts';
import { startServer } from '../testing/server.ts';
import { sign } from '../testing/sign.ts';
import { createUploader, integrityFields, SLICE_BYTES } from '../testing/upload.ts';

describe('bodies', () => {
  test('may be JSON or urlencoded where there is no content', async () => {
    const test = await startServer();
    const bytes = patternBytes(0, 1000);
    const fields = { op: 'upload_slice_init', filesize: 1000, insertOnly: 0, ...(await integrityFields(bytes, 640)) };
    const encoded = new URLSearchParams(
      Object.entries(fields).map(([name, value]): [string, string] => [name, String(value)]),
    ).toString();
    for (const [i, [type, body]] of (
      [
        ['application/json', JSON.stringify(fields)],
        ['application/json; charset=utf-8', JSON.stringify({ ...fields, uploadparts: JSON.parse(fields.uploadparts) })],
        ['text/plain', JSON.stringify(fields)],
        ['application/x-www-form-urlencoded', encoded],
      ] as const
    ).entries()) {
      const headers = { Authorization: sign(), 'Content-Type': type };
      const reply = await send(test.urlOf(`f${i}`), { headers, body });
      expect(reply.json().data?.session, type).toBeTruthy();
      const damaged = await post(test.urlOf(`f${i}`), {
        op: 'upload_slice_data',
        session: reply.json().data.session,
        offset: 0,
        filecontent: Buffer.alloc(1000),
      });
      expect(damaged.json().code, 'uploadparts are used').toBe(-4016);
    }
  });

  test('may be empty, with the fields in the query', async () => {
    const test = await startServer();
    const headers = { Authorization: sign() };
    expect((await send(`${test.urlOf('a')}?op=upload_slice_list`, { headers })).json().code).toBe(-197);
  });

  test('may come in chunks of unknown number', async () => {
    const test = await startServer();
    const body = formBody({ op: 'upload', filecontent: patternBytes(0, 300_000) });
    const headers = { ...formHeaders(), 'Transfer-Encoding': 'chunked' };
    expect((await send(test.urlOf('a'), { headers, body })).json().code).toBe(0);
    expect((await test.stored('a')).equals(patternBytes(0, 300_000))).toBe(true);
  });

  test('may lack the closing boundary', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf('a'));
    await upload.init();
    for (const index of [0, 1, 2, 3]) {
      const offset = index * SLICE_BYTES;
      const closed = formBody({
        op: 'upload_slice_data',
        session: upload.session,
        offset,
        filecontent: upload.bytes.subarray(offset, offset + SLICE_BYTES),
      });
      const body = closed.subarray(0, closed.lastIndexOf(`\r\n--${BOUNDARY}`));
      expect((await send(test.urlOf('a'), { headers: formHeaders(), body })).json().code).toBe(0);
    }
    const finish = formBody({ op: 'upload_slice_finish', fileSize: upload.bytes.length, session: upload.session });
    const unclosed = finish.subarray(0, finish.lastIndexOf(`\r\n--${BOUNDARY}`));
    expect((await send(test.urlOf('a'), { headers: formHeaders(), body: unclosed })).json().code).toBe(0);
    expect((await test.stored('a')).equals(upload.bytes)).toBe(true);
  });

  test('may repeat a field, but not contradict it, and not repeat the content', async () => {
    const test = await startServer();
    const twice = (fields: [string, string][]) => post(test.urlOf('a'), [['op', 'upload'], ...fields]);
    expect(
      (
        await twice([
          ['op', 'delete'],
          ['filecontent', 'x'],
        ])
      ).json().code,
    ).toBe(-5999);
    expect(
      (
        await twice([
          ['filecontent', 'x'],
          ['fileContent', 'x'],
        ])
      ).json().code,
    ).toBe(-5999);
    expect(
      (
        await twice([
          ['op', 'upload'],
          ['unknown', 'y'],
          ['filecontent', 'x'],
        ])
      ).json().code,
    ).toBe(0);
  });

  test('that are too large or no form are refused', async () => {
    const test = await startServer();
    const json = { Authorization: sign(), 'Content-Type': 'application/json' };
    const deep = `{"op":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    for (const body of ['[]', '1', '{', 'null', 'op=upload', deep]) {
      expect((await send(test.urlOf('a'), { headers: json, body })).json().code).toBe(-5999);
    }
    expect(
      (await post(test.urlOf('a'), { op: 'upload_slice_init', filesize: 1, biz_attr: 'x'.repeat(70_000) })).json().code,
    ).toBe(-5999);
    expect(
      (
        await send(test.urlOf('a'), { headers: { ...json, 'Content-Length': '999999999999' } }).catch(() => undefined)
      )?.json().code ?? -5999,
    ).toBe(-5999);
  });

  test('that would keep everybody else waiting are refused, and quickly', async () => {
    const test = await startServer();
    const types = { json: 'application/json', urlencoded: 'application/x-www-form-urlencoded' };
    const many = Array.from({ length: 80_000 }, (_, index) => `k${index}`);
    const bodies: [keyof typeof types, string][] = [
      ['json', `{"op":"x","a":${'['.repeat(500_000)}${']'.repeat(500_000)}}`],
      ['json', `{"op":"x","a":${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}}`],
      ['json', `{${many.map((name) => `"${name}":1`).join(',')}}`],
      ['urlencoded', many.map((name) => `${name}=1`).join('&')],
      ['urlencoded', '&'.repeat(1_000_000)],
      ['json', `{"op":"x","a":"${'x'.repeat(2_000_000)}"}`],
      ['urlencoded', `op=x&a=${'%41'.repeat(700_000)}`],
    ];
    for (const [type, body] of bodies) {
      const headers = { Authorization: sign(), 'Content-Type': types[type] };
      const before = process.cpuUsage();
      const reply = await send(test.urlOf('a'), { headers, body });
      expect([reply.status, reply.json().code]).toEqual([400, -5999]);
      // Of the processor's time: a machine that is busy elsewhere takes longer.
      expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
    }
  });

  test('may be JSON as deep as attributes are', async () => {
    const test = await startServer();
    const attributes = { a: [{ b: ['{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[', '\\"]'] }] };
    const body = JSON.stringify({ op: 'upload_slice_init', filesize: 1, biz_attr: attributes });
    const headers = { Authorization: sign(), 'Content-Type': 'application/json' };
    expect((await send(test.urlOf('a'), { headers, body })).json().code).toBe(0);
  });
});

test('a name that is told in a refusal is told in one line, and not all of a long one', async () => {
  const server = await startServer();
  const name = encodeURIComponent(`a\r\nb${'c'.repeat(5000)}`);
  const headers = { Authorization: sign(), 'Content-Type': 'application/x-www-form-urlencoded' };
  const { message } = (await send(server.urlOf('a'), { headers, body: `${name}=0&${name}=1` })).json();
  expect(message).toMatch(/^ERROR_BAD_PARAMETER: a bc{90,} is given twice$/);
  expect(message.length).toBeLessThan(200);
});

test('what was kept of a body is given back with the reply, whatever it says', async () => {
  const server = await startServer();
  for (const [op, status] of [
    ['upload_slice_init', 200],
    ['nonsense', 400],
  ] as const) {
    const biz_attr = 'x'.repeat(50_000);
    expect((await post(server.urlOf('a'), { op, filesize: 1, biz_attr })).status).toBe(status);
    await expect.poll(() => keptByAll.bytes).toBe(0);
  }
});
