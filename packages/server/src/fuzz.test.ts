import { readdir, readlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BOUNDARY, formBody, post } from './testing/client.ts';
import { startServer } from './testing/server.ts';
import { sign } from './testing/sign.ts';
import { createUploader, SLICE_BYTES } from './testing/upload.ts';

/** Writes bytes and, unless the server is to do that, closes the connection; whatever comes back is returned. */
function throwAt(port: number, bytes: Buffer, end: 'wait' | 'end' | 'hang up'): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    socket.write(bytes, () => {
      if (end === 'hang up') socket.destroy();
      if (end === 'end') socket.end();
    });
  });
}

const contentType = fc.oneof(
  { weight: 6, arbitrary: fc.constant(`multipart/form-data; boundary=${BOUNDARY}`) },
  fc.constantFrom(
    'application/json',
    'application/x-www-form-urlencoded',
    'text/plain',
    '',
    'multipart/form-data',
    'multipart/form-data; boundary=""',
  ),
);

/** Changes to a good body: bytes overwritten, put in or taken out. */
const mutations = fc.array(
  fc.record({
    at: fc.nat(),
    remove: fc.constantFrom(0, 0, 1, 2, 40),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom('\r\n', '\r\n\r\n', `--${BOUNDARY}`, `\r\n--${BOUNDARY}--`, '"', 'name="', '{', '\0')
        .map((text) => Buffer.from(text)),
    ),
  }),
  { maxLength: 6 },
);

test('keeps answering whatever it is sent, and leaves nothing behind', async () => {
  const test = await startServer();
  const port = Number(new URL(test.origin).port);
  const upload = createUploader(test.urlOf('fuzzed'));
  await upload.init();

  const fields = fc.record(
    {
      op: fc.oneof(
        fc.constantFrom(
          'upload',
          'upload_slice',
          'upload_slice_data',
          'upload_slice_init',
          'upload_slice_list',
          'upload_slice_finish',
          'delete',
        ),
        fc.string(),
      ),
      session: fc.oneof(fc.constant(upload.session), fc.string()),
      offset: fc.constantFrom('0', '65536', '196608', '-1', '1e3', ''),
      filesize: fc.constantFrom('196708', '0', '99999999999999', 'x'),
      slice_size: fc.constantFrom('65536', '0', 'x'),
      insertOnly: fc.constantFrom('', '\0', '1', 'maybe'),
      sha: fc.constantFrom('', 'ab'.repeat(20), 'zz'),
      uploadparts: fc.oneof(
        fc.json(),
        fc.constantFrom('[', '[{"offset":0}]', '[{"offset":0,"datalen":196708,"datasha":"00"}]'),
      ),
      datamd5: fc.constantFrom('00'.repeat(16), 'x'),
      filecontent: fc.oneof(
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.constant(upload.bytes.subarray(0, SLICE_BYTES)),
      ),
      fileContent: fc.constant(Buffer.from('x')),
    },
    { requiredKeys: [] },
  );
  const body = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(fields, fc.infiniteStream(fc.nat())).map(([form, order]) => {
        const entries = Object.entries(form).map((entry) => [order.next().value as number, entry] as const);
        return formBody(entries.sort(([a], [b]) => a - b).map(([, entry]) => entry));
      }),
    },
    fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
  );

  await fc.assert(
    fc.asyncProperty(
      body,
      mutations,
      contentType,
      fc.constantFrom('fuzzed', 'a', 'a/b', 'dir/'),
      fc.constantFrom('wait', 'wait', 'wait', 'end', 'hang up'),
      async (good, changes, type, path, end) => {
        let sent = good;
        for (const { at, remove, insert } of changes) {
          const from = at % (sent.length + 1);
          sent = Buffer.concat([sent.subarray(0, from), insert, sent.subarray(from + remove)]);
        }
        const head = `POST /files/v2/10055004/demobucket/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${sign()}\r\nContent-Type: ${type}\r\nContent-Length: ${end === 'end' ? sent.length + 9 : sent.length}\r\n\r\n`;
        const reply = await throwAt(port, Buffer.concat([Buffer.from(head), sent]), end);
        if (end === 'wait') expect(reply).toMatch(/^HTTP\/1\.1 (200|4\d\d) /);
      },
    ),
    { numRuns: 400 },
  );

  const after = createUploader(test.urlOf('after'));
  expect((await after.all()).json().code).toBe(0);
  expect((await post(test.urlOf('simple'), { op: 'upload', filecontent: 'x' })).json().code).toBe(0);
  await expect.poll(() => readdir(join(test.dir, '.cos-slice/spool'))).toEqual([]);
  expect(test.requests.filter(({ code, fault }) => code === -181 || fault !== undefined)).toEqual([]);
  await test.server.close();
  const open = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  expect(open.filter((path) => path.startsWith(test.dir))).toEqual([]);
});
