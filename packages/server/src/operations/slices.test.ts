import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { formBody, post, send } from '../testing/client.ts';
import { patternBytes, sha1 } from '../testing/content.ts';
import { startServer } from '../testing/server.ts';
import { sign } from '../testing/sign.ts';
import { createUploader, integrityFields, md5Of, SLICE_BYTES } from '../testing/upload.ts';

const PATH = 'dir/file.bin';
const damaged = (bytes: Buffer) => {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1] = (copy.at(-1) as number) ^ 1;
  return copy;
};

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
