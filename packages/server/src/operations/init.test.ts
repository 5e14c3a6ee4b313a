import { createHash } from 'node:crypto';
import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createLocker } from '../locker.ts';
import { formBody, post } from '../testing/client.ts';
import { patternBytes, sha1 } from '../testing/content.ts';
import { startServer } from '../testing/server.ts';
import { sign, signOnce } from '../testing/sign.ts';
import { createUploader, integrityFields, SLICE_BYTES } from '../testing/upload.ts';

const PATH = 'dir/file.bin';
const _damaged = (bytes: Buffer) => {
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

test('an init that has waited for the finish of another upload finds its object', async () => {
  const turns = createLocker();
  let before = async (): Promise<unknown> => undefined;
  const server = await startServer({
    locker: {
      withLock: async (key, task) => {
        const last = before;
        before = async () => undefined;
        await last();
        return turns.withLock(key, task);
      },
    },
  });
  const url = server.urlOf('film');
  const first = createUploader(url);
  await first.init();
  for (const index of [0, 1, 2, 3]) await first.data(index);
  before = () => first.finish();
  const second = await createUploader(url).init({ insertOnly: 1 });
  expect(second.json().code).toBe(-177);
  expect((await first.list()).json().data).toMatchObject({ filesize: first.bytes.length });
  expect((await first.list()).json().data.session).toBeUndefined();
});
