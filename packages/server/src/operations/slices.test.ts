import { createHash } from 'node:crypto';
import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { formBody, post, send } from '../testing/client.ts';
import { patternBytes, sha1 } from '../testing/content.ts';
import { startServer } from '../testing/server.ts';
import { sign, signOnce } from '../testing/sign.ts';
import { createUploader, integrityFields, md5Of, SLICE_BYTES } from '../testing/upload.ts';

const PATH = 'dir/file.bin';
const damaged = (bytes: Buffer) => {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1] = (copy.at(-1) as number) ^ 1;
  return copy;
};

describe('upload_slice_init', () => {
  test('answers with numbers, and keeps the slice size within bounds', async () => {
    const test = await startServer();
    const cases: [Record<string, string | number>, number][] = [
      [{}, 1048576],
      [{ slice_size: 3145728 }, 3145728],
      [{ slice_size: 1 }, 65536],
      [{ slice_size: 1e12 }, 8388608],
      [{ sliceSize: 524288 }, 524288],
    ];
    for (const [i, [fields, expected]] of cases.entries()) {
      const reply = await post(test.urlOf(`f${i}`), { op: 'upload_slice_init', filesize: 5e6, ...fields });
      expect(reply.status).toBe(200);
      expect(reply.json()).toEqual({
        code: 0,
        message: 'SUCCESS',
        data: { session: expect.stringMatching(/^[0-9a-f]{64}$/), slice_size: expected, session_delete: 1 },
        request_id: expect.any(String),
      });
    }
  });

  test('can force one slice size on everybody', async () => {
    const test = await startServer({ sliceSize: { forcedBytes: 4194304 } });
    const reply = await post(test.urlOf(PATH), { op: 'upload_slice_init', filesize: 5e6, slice_size: 1048576 });
    expect(reply.json().data.slice_size).toBe(4194304);
  });

  test('refuses what makes no sense', async () => {
    const test = await startServer();
    const sha = 'ab'.repeat(20);
    const part = JSON.stringify([{ offset: 0, datalen: 10, datasha: sha }]);
    const cases: [Record<string, string | number>, number][] = [
      [{}, -5999],
      [{ filesize: -1 }, -5999],
      [{ filesize: '1e6' }, -5999],
      [{ filesize: 2 ** 53 }, -5999],
      [{ filesize: 2 ** 52 }, -5999],
      [{ filesize: 10, slice_size: 0 }, -284],
      [{ filesize: 10, slice_size: 'x' }, -284],
      [{ filesize: 10, sha: 'xyz' }, -5999],
      [{ filesize: 10, insertOnly: 2 }, -5999],
      [{ filesize: 10, sha, uploadparts: 'no json' }, -5965],
      [{ filesize: 11, sha, uploadparts: part }, -5999],
      [{ filesize: 10, uploadparts: part }, -5999],
      [{ filesize: 10, sha: 'cd'.repeat(20), uploadparts: part }, -5999],
    ];
    for (const [fields, code] of cases) {
      const reply = await post(test.urlOf(PATH), { op: 'upload_slice_init', ...fields });
      expect([reply.json().code, reply.status], JSON.stringify(fields)).toEqual([code, 400]);
    }
    expect(await readdir(join(test.dir, '.cos-slice/sessions'))).toEqual([]);
  });

  test('tells an unfinished upload of the same content (-4019) from one of another (-4020)', async () => {
    const test = await startServer();
    const sha = 'ab'.repeat(20);
    const init = async (path: string, fields: Record<string, string | number>) => {
      const reply = await post(test.urlOf(path), { op: 'upload_slice_init', ...fields });
      return [reply.json().code, reply.status];
    };
    await init('a', { filesize: 10 });
    expect(await init('a', { filesize: 11 })).toEqual([-4020, 409]);
    await init('b', { filesize: 10, sha });
    expect(await init('b', { filesize: 10, sha })).toEqual([-4019, 409]);
    expect(await init('b', { filesize: 10, sha: 'cd'.repeat(20) })).toEqual([-4020, 409]);
    expect(await init('b', { filesize: 11, sha })).toEqual([-4020, 409]);
  });

  test.each([
    ['neither has a sha', false, false],
    ['the first has a sha', true, false],
    ['the second has a sha', false, true],
  ])('does not take the same size for the same content when %s', async (_, first, second) => {
    const test = await startServer();
    const [one, other] = [createUploader(test.urlOf(PATH)), createUploader(test.urlOf(PATH))];
    const sha = sha1(one.bytes);
    await one.init(first ? { sha } : {});
    // Nothing is stored that could be lost.
    expect((await other.init(second ? { sha } : {})).json().code).toBe(0);
    expect((await one.data(0)).json().code).toBe(-197);
    expect((await other.data(0)).json().code).toBe(0);
    expect((await one.init(first ? { sha } : {})).json().code).toBe(-4020);
  });

  test('begins anew where the upload that it would go on with ends just then', async () => {
    const test = await startServer();
    for (let round = 0; round < 10; round++) {
      const upload = createUploader(test.urlOf(`f${round}`), patternBytes(round, SLICE_BYTES));
      const sha = sha1(upload.bytes);
      await upload.init({ sha });
      await upload.data(0);
      const session = upload.session;
      const [, ...again] = await Promise.all([upload.finish({ sha }), upload.init({ sha }), upload.init({ sha })]);
      expect(session).toBe(upload.session);
      // Unfinished as yet, or finished: then the content is there at once.
      for (const reply of again) expect([-4019, 0]).toContain(reply.json().code);
    }
  });

  test('does not let a slice into a session that is not its own', async () => {
    const test = await startServer();
    const [one, other] = [createUploader(test.urlOf(PATH)), createUploader(test.urlOf(PATH))];
    await one.init();
    const body = formBody({
      op: 'upload_slice_data',
      session: one.session,
      offset: 0,
      filecontent: Buffer.alloc(SLICE_BYTES),
    });
    const { port, pathname } = new URL(test.urlOf(PATH));
    const slow = connect(Number(port), '127.0.0.1');
    let text = '';
    slow.on('data', (chunk) => {
      text += chunk;
    });
    slow.write(
      `POST ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${sign()}\r\nContent-Type: multipart/form-data; boundary=----------------------------adb78d5a54eb\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    slow.write(body.subarray(0, 40_000));
    await sleep(20);
    expect((await other.init()).json().code).toBe(0);
    slow.write(body.subarray(40_000));
    await expect.poll(() => text).toContain('-197');
    slow.destroy();
    expect((await other.list()).json().data.listparts).toEqual([]);
    for (const index of [0, 1, 2, 3]) expect((await other.data(index)).json().code).toBe(0);
    expect((await other.finish()).json().code).toBe(0);
    expect((await test.stored(PATH)).equals(other.bytes)).toBe(true);
  });

  test('does not vouch for bytes that it has not kept', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init();
    await upload.data(0);
    const datamd5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
    const stored = upload.bytes.subarray(0, upload.sliceSize);
    const other = Buffer.alloc(upload.sliceSize, 1);
    const wrong = await upload.data(0, { filecontent: other, datamd5: datamd5(other) });
    expect([wrong.json().code, wrong.json().data?.datamd5]).toEqual([-4016, undefined]);
    const right = await upload.data(0, { datamd5: datamd5(stored) });
    expect(right.json().data.datamd5).toBe(datamd5(stored));
  });

  test('checks a repeated slice by uploadparts, too', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init(await integrityFields(upload.bytes, SLICE_BYTES));
    await upload.data(0);
    expect((await upload.data(0)).json().code).toBe(0);
    const path = join(test.dir, '.cos-slice/sessions', upload.session.slice(0, 40), 'data');
    await writeFile(path, 'x', { flag: 'r+' });
    expect((await upload.data(0)).json().code).toBe(-4016);
  });

  test('is over when its file is in place, though its content could not be put on record', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    const sha = sha1(upload.bytes);
    await upload.init({ sha });
    for (const index of [0, 1, 2, 3]) await upload.data(index);
    const records = join(test.dir, '.cos-slice/content');
    await rm(records, { recursive: true });
    await writeFile(records, 'in the way');
    expect((await upload.finish({ sha })).json().code).toBe(0);
    expect(await readdir(join(test.dir, '.cos-slice/sessions'))).toEqual([]);
  });

  test('takes the terms of the init that finds it unfinished', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    const sha = sha1(upload.bytes);
    await upload.init({ sha, insertOnly: 0 });
    for (const index of [0, 1, 2, 3]) await upload.data(index);
    await upload.init({ sha, insertOnly: 1 });
    await post(test.urlOf(PATH), { op: 'upload', filecontent: Buffer.from('meanwhile'), insertOnly: 0 });
    expect((await upload.finish({ sha })).json().code).toBe(-177);
    await upload.init({ sha, insertOnly: 0 });
    expect((await upload.finish({ sha })).json().code).toBe(0);
  });
});

describe('upload_slice_data and upload_slice_list', () => {
  test('store slices in any order and report them in theirs', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init({ sha: sha1(upload.bytes) });
    for (const index of [3, 1]) {
      const reply = await upload.data(index, { datamd5: md5Of(upload.bytes, index).toUpperCase() });
      expect(reply.json().data).toEqual({
        session: upload.session,
        offset: index * SLICE_BYTES,
        datalen: index === 3 ? 100 : SLICE_BYTES,
        datamd5: md5Of(upload.bytes, index),
      });
    }
    expect((await upload.list()).json().data).toEqual({
      session: upload.session,
      slice_size: SLICE_BYTES,
      session_delete: 1,
      filesize: upload.bytes.length,
      sha: sha1(upload.bytes),
      listparts: [
        { offset: SLICE_BYTES, datalen: SLICE_BYTES },
        { offset: 3 * SLICE_BYTES, datalen: 100 },
      ],
    });
  });

  test('accept content before the fields that say where it belongs', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init();
    for (const index of [0, 1, 2, 3]) {
      const offset = index * SLICE_BYTES;
      const filecontent = upload.bytes.subarray(offset, offset + SLICE_BYTES);
      const reply = await post(test.urlOf(PATH), [
        ['filecontent', filecontent],
        ['datamd5', md5Of(upload.bytes, index)],
        ['offset', offset],
        ['session', upload.session],
        ['op', 'upload_slice_data'],
      ]);
      expect(reply.json()).toMatchObject({ code: 0 });
    }
    expect((await upload.finish()).json().code).toBe(0);
    expect((await test.stored(PATH)).equals(upload.bytes)).toBe(true);
    expect(await readdir(join(test.dir, '.cos-slice/spool'))).toEqual([]);
  });

  test('refuse slices that are not on the grid or not whole', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init();
    const cases: [Record<string, string | number | Buffer>, number][] = [
      [{ offset: 1 }, -5999],
      [{ offset: 4 * SLICE_BYTES }, -5999],
      [{ offset: -65536 }, -5999],
      [{ offset: 3 * SLICE_BYTES }, -5999],
      [{ filecontent: upload.bytes.subarray(0, SLICE_BYTES - 1) }, -5999],
      [{ filecontent: upload.bytes.subarray(0, SLICE_BYTES + 1) }, -5999],
      [{ filecontent: '' }, -5999],
      [{ datamd5: 'x' }, -5999],
      [{ datamd5: '00'.repeat(16) }, -4016],
    ];
    for (const [extra, code] of cases) {
      expect((await upload.data(0, extra)).json().code, JSON.stringify(Object.keys(extra))).toBe(code);
    }
    const nothing = await post(test.urlOf(PATH), { op: 'upload_slice_data', session: upload.session, offset: 0 });
    expect(nothing.json().code).toBe(-5999);
    expect((await upload.list()).json().data.listparts).toEqual([]);
    for (const index of [0, 1, 2, 3]) await upload.data(index);
    await upload.finish();
    expect((await test.stored(PATH)).equals(upload.bytes)).toBe(true);
  });

  test('notice a damaged slice by datamd5, whether it comes before the content or after', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init();
    const datamd5 = md5Of(upload.bytes, 0);
    const bad = damaged(upload.bytes.subarray(0, SLICE_BYTES));
    const head = { op: 'upload_slice_data', session: upload.session, offset: 0 };
    for (const fields of [
      { ...head, datamd5, filecontent: bad },
      { ...head, filecontent: bad, datamd5 },
    ]) {
      expect((await post(test.urlOf(PATH), fields)).json().code).toBe(-4016);
    }
    expect((await upload.list()).json().data.listparts).toEqual([]);
    expect(
      (await post(test.urlOf(PATH), { ...head, filecontent: upload.bytes.subarray(0, SLICE_BYTES), datamd5 })).json()
        .code,
    ).toBe(0);
  });

  test.each([
    [SLICE_BYTES, SLICE_BYTES],
    [2 * SLICE_BYTES, SLICE_BYTES],
    [SLICE_BYTES, 2 * SLICE_BYTES],
    [3 * SLICE_BYTES, 2 * SLICE_BYTES],
  ])(
    'notice a damaged slice of %i bytes by uploadparts in steps of %i, at the latest at the end',
    async (slice, step) => {
      const test = await startServer();
      const bytes = patternBytes(0, 8 * SLICE_BYTES + 100);
      const upload = createUploader(test.urlOf(PATH), bytes);
      upload.sliceSize = slice;
      const fields = await integrityFields(bytes, step);
      await upload.init(fields);
      const count = Math.ceil(bytes.length / slice);
      const bad = damaged(bytes.subarray(slice, 2 * slice));
      let stored = true;
      for (let index = 0; index < count; index++) {
        const reply = await upload.data(index, index === 1 ? { filecontent: bad } : {});
        if (index === 1) stored = reply.json().code === 0;
        else expect(reply.json().code).toBe(0);
      }
      // The last byte of the second slice can be checked alone when a step ends with it and the step starts in it.
      expect(stored).toBe(slice === SLICE_BYTES && step === 2 * SLICE_BYTES);
      if (stored) {
        const reply = await upload.finish({ sha: fields.sha });
        expect([reply.status, reply.json().code]).toEqual([409, -4016]);
        // The session is of no use any more.
        expect((await upload.list()).json().code).toBe(-197);
        await upload.init(fields);
        for (let index = 0; index < count; index++) await upload.data(index);
      } else {
        await upload.data(1);
      }
      expect((await upload.finish({ sha: fields.sha })).json().code).toBe(0);
      expect((await test.stored(PATH)).equals(bytes)).toBe(true);
    },
  );

  test('answer a repeated slice with success when it is the same, and keep what they have', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init();
    for (const index of [0, 1, 2, 3]) await upload.data(index);
    expect((await upload.data(0)).json().code).toBe(0);
    const other = await upload.data(0, { filecontent: Buffer.alloc(SLICE_BYTES) });
    expect([other.status, other.json().code]).toEqual([409, -4016]);
    await upload.finish();
    expect((await test.stored(PATH)).equals(upload.bytes)).toBe(true);
    const late = (await upload.data(0)).json();
    expect(late).toMatchObject({ code: 0, data: { session: upload.session, offset: 0, datalen: SLICE_BYTES } });
    expect(late.data.access_url).toBe(test.urlOf(PATH));
  });

  test('store the same slice once when it comes many times at once', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH), patternBytes(0, 2 * 1048576));
    upload.sliceSize = 1048576;
    await upload.init();
    const replies = await Promise.all([0, 0, 0, 1, 1, 0, 1].map((index) => upload.data(index)));
    // Busy: was overtaken by one that came later, so that nobody can tell any more whether its bytes were the same.
    for (const reply of replies) expect([0, -5997]).toContain(reply.json().code);
    expect((await upload.list()).json().data.listparts).toHaveLength(2);
    expect((await upload.finish()).json().code).toBe(0);
    expect((await test.stored(PATH)).equals(upload.bytes)).toBe(true);
  });

  test('do not store a slice whose sender vanished, and take it from the next', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init();
    const body = formBody({
      op: 'upload_slice_data',
      session: upload.session,
      offset: 0,
      filecontent: upload.bytes.subarray(0, SLICE_BYTES),
    });
    const { port, pathname } = new URL(test.urlOf(PATH));
    const head = `POST ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${sign()}\r\nContent-Type: multipart/form-data; boundary=----------------------------adb78d5a54eb\r\n`;
    for (const sent of [body.length - 1, 30_000, 300]) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.write(`${head}Content-Length: ${body.length}\r\n\r\n`);
      socket.write(body.subarray(0, sent));
      await sleep(20);
      socket.destroy();
    }
    // A chunked body that breaks off looks complete but for its last chunk.
    const chunked = connect(Number(port), '127.0.0.1');
    chunked.write(`${head}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`);
    chunked.write(body);
    await sleep(20);
    chunked.destroy();
    await sleep(50);
    expect((await upload.list()).json().data.listparts).toEqual([]);
    expect((await upload.data(0)).json().code).toBe(0);
    expect(test.requests.filter(({ status }) => status === 0)).toHaveLength(4);
  });

  test.each([
    ['can be compared by its datamd5', true, 'SUCCESS'],
    ['cannot be compared', false, 'ERROR_BUSY'],
  ])('are not held up by a connection that hangs in the same slice and %s', async (_, hasDigest, message) => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init();
    const body = formBody({
      op: 'upload_slice_data',
      session: upload.session,
      offset: 0,
      ...(hasDigest && { datamd5: md5Of(upload.bytes, 0) }),
      filecontent: upload.bytes.subarray(0, SLICE_BYTES),
    });
    const { port, pathname } = new URL(test.urlOf(PATH));
    const hanging = connect(Number(port), '127.0.0.1');
    hanging.write(
      `POST ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${sign()}\r\nContent-Type: multipart/form-data; boundary=----------------------------adb78d5a54eb\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    hanging.write(body.subarray(0, 40_000));
    await sleep(20);
    expect((await upload.data(0)).json().code).toBe(0);
    let text = '';
    hanging.on('data', (chunk) => {
      text += chunk;
    });
    hanging.write(body.subarray(40_000));
    await expect.poll(() => text).toContain(message);
    hanging.destroy();
    for (const index of [1, 2, 3]) await upload.data(index);
    await upload.finish();
    expect((await test.stored(PATH)).equals(upload.bytes)).toBe(true);
  });

  test('say -197 when the session is not one of this path', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init();
    const elsewhere = createUploader(test.urlOf('elsewhere'));
    elsewhere.session = upload.session;
    for (const reply of [await elsewhere.data(0), await elsewhere.finish(), await elsewhere.list()]) {
      expect([reply.status, reply.json().code]).toEqual([404, -197]);
    }
    upload.session = 'sessresume';
    expect((await upload.data(0)).json().code).toBe(-197);
  });

  test('keep the order in a serial upload', async () => {
    const test = await startServer({ serialUpload: true });
    const upload = createUploader(test.urlOf(PATH));
    expect((await upload.init()).json().data.serial_upload).toBe(1);
    expect((await upload.data(1)).json().code).toBe(-5999);
    for (const index of [0, 1, 0, 2, 3]) expect((await upload.data(index)).json().code).toBe(0);
    expect((await upload.finish()).json().code).toBe(0);
  });
});

describe('upload_slice_finish', () => {
  test('answers with URLs that work, again and again', async () => {
    const test = await startServer({ publicRead: true });
    const path = '目录/a b+c%d#e&f=g😀.bin';
    const upload = createUploader(test.urlOf(path));
    const replies = [await upload.all(), await upload.finish()];
    for (const reply of replies) {
      const { data } = reply.json();
      expect(data).toEqual({
        access_url: test.urlOf(path),
        source_url: test.urlOf(path),
        url: test.urlOf(path),
        resource_path: `/10055004/demobucket/${path}`,
      });
      expect((await send(data.access_url, { method: 'GET' })).body.equals(upload.bytes)).toBe(true);
    }
    expect((await upload.list()).json().data).toMatchObject({
      access_url: test.urlOf(path),
      filesize: upload.bytes.length,
    });
  });

  test('is refused until everything is there and right', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    const sha = sha1(upload.bytes);
    await upload.init({ sha });
    const codeOf = async (extra: Record<string, string | number>) => {
      const reply = await upload.finish(extra);
      return [reply.json().code, reply.status];
    };
    for (const index of [0, 1, 3]) await upload.data(index);
    expect(await codeOf({ sha })).toEqual([-4019, 409]);
    await upload.data(2);
    expect(await codeOf({})).toEqual([-29094, 400]);
    expect(await codeOf({ sha, filesize: 1 })).toEqual([-175, 400]);
    expect(await codeOf({ sha: 'ab'.repeat(20) })).toEqual([-4016, 409]);
    expect(await codeOf({ sha })).toEqual([0, 200]);
    expect((await test.stored(PATH)).equals(upload.bytes)).toBe(true);
  });

  test('gives several that come at once the same answer', async () => {
    const test = await startServer();
    const upload = createUploader(test.urlOf(PATH));
    await upload.init({ sha: sha1(upload.bytes) });
    for (const index of [0, 1, 2, 3]) await upload.data(index);
    const replies = await Promise.all([1, 2, 3, 4].map(() => upload.finish({ sha: sha1(upload.bytes) })));
    expect(replies.map((reply) => reply.json().code)).toEqual([0, 0, 0, 0]);
  });

  test('serves files of 0 bytes, of one byte, and of whole slices', async () => {
    const test = await startServer();
    for (const size of [0, 1, SLICE_BYTES, 2 * SLICE_BYTES]) {
      const upload = createUploader(test.urlOf(`size-${size}`), patternBytes(0, size));
      expect((await upload.all()).json().code).toBe(0);
      expect((await test.stored(`size-${size}`)).equals(upload.bytes)).toBe(true);
    }
    const empty = createUploader(test.urlOf('sent-empty'), Buffer.alloc(0));
    await empty.init();
    expect((await empty.data(0)).json().data).toEqual({ session: empty.session, offset: 0, datalen: 0 });
    expect((await empty.data(0, { filecontent: 'x' })).json().code).toBe(-5999);
    expect((await empty.finish({ sha: sha1(Buffer.alloc(0)) })).json().code).toBe(0);
  });
});

describe('insertOnly', () => {
  test('decides at init and again at finish', async () => {
    const test = await startServer();
    const first = createUploader(test.urlOf(PATH));
    const second = createUploader(test.urlOf(PATH), patternBytes(5, 100));
    await first.init({ insertOnly: 1 });
    for (const index of [0, 1, 2, 3]) await first.data(index);
    expect((await post(test.urlOf(PATH), { op: 'upload', filecontent: second.bytes })).json().code).toBe(0);
    const refused = await first.finish();
    expect([refused.status, refused.json().code]).toEqual([409, -177]);
    expect((await test.stored(PATH)).equals(second.bytes)).toBe(true);
    await post(test.urlOf(PATH), { op: 'delete', session: first.session }, signOnce(PATH));
    for (const insertOnly of ['1', '\0', '\u0001']) {
      expect((await first.init({ insertOnly })).json().code).toBe(-177);
    }
    const silent = await post(test.urlOf(PATH), { op: 'upload_slice_init', filesize: 10 });
    expect(silent.json().code).toBe(-177);
    for (const insertOnly of ['0', '']) {
      expect((await first.init({ insertOnly })).json().code).toBe(0);
      await post(test.urlOf(PATH), { op: 'delete', session: first.session }, signOnce(PATH));
    }
    await post(test.urlOf(PATH), { op: 'delete' }, signOnce(PATH));
    expect((await first.all()).json().code).toBe(0);
    expect((await test.stored(PATH)).equals(first.bytes)).toBe(true);
  });
});

describe('instant upload', () => {
  test('copies content the bucket has, also after a restart', async () => {
    const before = await startServer();
    const source = createUploader(before.urlOf('source'));
    const sha = sha1(source.bytes);
    await source.init(await integrityFields(source.bytes, SLICE_BYTES));
    for (const index of [0, 1, 2, 3]) await source.data(index);
    await source.finish({ sha });
    await before.server.close();
    const test = await startServer({ dir: before.dir });
    const copy = createUploader(test.urlOf('copy'));
    const { data } = (await copy.init({ sha })).json();
    expect(data.access_url).toBe(test.urlOf('copy'));
    expect(data.session).toBeUndefined();
    expect((await test.stored('copy')).equals(source.bytes)).toBe(true);
    // A legacy client hears the same.
    const legacy = await post(test.urlOf('legacy'), { op: 'upload_slice', filesize: source.bytes.length, sha });
    expect(legacy.json().data.access_url).toBe(test.urlOf('legacy'));
    // Another size, another bucket: an ordinary upload.
    expect(
      (await post(test.urlOf('c'), { op: 'upload_slice_init', filesize: 1, sha })).json().data.session,
    ).toBeTruthy();
    const other = test.urlOf('c').replace('demobucket', 'other');
    expect(
      (await post(other, { op: 'upload_slice_init', filesize: source.bytes.length, sha }, sign({ b: 'other' }))).json()
        .data.session,
    ).toBeTruthy();
  });

  test('does not serve what someone changed behind the server', async () => {
    const test = await startServer();
    const bytes = patternBytes(0, 1000);
    await post(test.urlOf('source'), { op: 'upload', filecontent: bytes });
    const path = join(test.dir, '10055004/demobucket/source');
    await writeFile(path, Buffer.alloc(1000));
    await utimes(path, 1, 1);
    const reply = await post(test.urlOf('copy'), { op: 'upload_slice_init', filesize: 1000, sha: sha1(bytes) });
    expect(reply.json().data.session).toBeTruthy();
  });
});

describe('sessions that rest', () => {
  test('are dropped when their time is over, here and at the next start', async () => {
    let nowMs = Date.now();
    const test = await startServer({ nowMs: () => nowMs, sessionTtlMs: 60_000 });
    const upload = createUploader(test.urlOf(PATH));
    await upload.init();
    nowMs += 50_000;
    await upload.data(0);
    nowMs += 50_000;
    expect((await upload.data(1)).json().code).toBe(0);
    nowMs += 60_000;
    expect((await upload.data(2)).json().code).toBe(-197);
    expect((await upload.finish()).json().code).toBe(-197);
    expect((await upload.list()).json().code).toBe(-197);
    expect((await upload.init()).json().code).toBe(0);
    nowMs += 60_000;
    await test.server.close();
    await startServer({ dir: test.dir, nowMs: () => nowMs, sessionTtlMs: 60_000 });
    await expect.poll(() => readdir(join(test.dir, '.cos-slice/sessions'))).toEqual([]);
  });
});

describe('upload_slice, the old operation', () => {
  test('goes on from the first missing slice and completes without a finish', async () => {
    const test = await startServer();
    const bytes = patternBytes(0, 3 * SLICE_BYTES + 100);
    const sha = sha1(bytes);
    const control = { op: 'upload_slice', sha, filesize: bytes.length, slice_size: SLICE_BYTES, insertOnly: '' };
    const { data } = (await post(test.urlOf(PATH), control)).json();
    expect(data).toMatchObject({ offset: 0, slice_size: SLICE_BYTES });
    const slice = (index: number, content = bytes.subarray(index * SLICE_BYTES, (index + 1) * SLICE_BYTES)) =>
      post(test.urlOf(PATH), {
        op: 'upload_slice',
        session: data.session,
        offset: index * SLICE_BYTES,
        filecontent: content,
      });
    expect((await slice(0)).json().data).toEqual({ session: data.session, offset: 0, datalen: SLICE_BYTES });
    await slice(1);
    const again = (await post(test.urlOf(PATH), control)).json();
    expect(again.data).toMatchObject({ session: data.session, offset: 2 * SLICE_BYTES });
    await slice(2);
    const last = (await slice(3)).json();
    expect(last.data).toMatchObject({ access_url: test.urlOf(PATH), url: test.urlOf(PATH), datalen: 100 });
    expect((await slice(3)).json().data).toMatchObject({ access_url: test.urlOf(PATH) });
    expect((await test.stored(PATH)).equals(bytes)).toBe(true);
  });

  test('verifies the whole file against its sha', async () => {
    const test = await startServer();
    const bytes = patternBytes(0, 1000);
    const { data } = (await post(test.urlOf(PATH), { op: 'upload_slice', sha: sha1(bytes), filesize: 1000 })).json();
    const fields = { op: 'upload_slice', session: data.session, offset: 0 };
    expect((await post(test.urlOf(PATH), { ...fields, filecontent: damaged(bytes) })).json().code).toBe(-4016);
    await expect(test.stored(PATH)).rejects.toThrow();
  });

  test('has an empty file at once', async () => {
    const test = await startServer();
    const reply = await post(test.urlOf(PATH), { op: 'upload_slice', filesize: 0 });
    expect(reply.json().data.access_url).toBe(test.urlOf(PATH));
    expect(await test.stored(PATH)).toHaveLength(0);
  });
});
