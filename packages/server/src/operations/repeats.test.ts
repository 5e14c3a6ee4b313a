import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Locker } from '../locker.ts';
import { fileStore } from '../store/files/file-store.ts';
import { post } from '../testing/client.ts';
import { distinctBytes, md5, sha1 } from '../testing/content.ts';
import { startServer, temporaryDir } from '../testing/server.ts';
import { sign } from '../testing/sign.ts';
import { createUploader, SLICE_BYTES } from '../testing/upload.ts';

const BYTES = distinctBytes(3 * SLICE_BYTES + 100);
const INIT = { op: 'upload_slice_init', filesize: BYTES.length, sha: sha1(BYTES), insertOnly: 1 };
const UPLOAD = { op: 'upload', filecontent: BYTES, insertOnly: 1 };

describe.each([
  ['an init that found its content in the bucket', INIT],
  ['an upload in one request', UPLOAD],
  ['an init of the old kind', { ...INIT, op: 'upload_slice' }],
])('%s', (_, fields) => {
  test('succeeds again when it is repeated, after a restart of the server too', async () => {
    const before = await startServer();
    await post(before.urlOf('source'), { op: 'upload', filecontent: BYTES });
    const signature = sign();
    const first = (await post(before.urlOf('copy'), fields, signature)).json();
    expect(first).toMatchObject({ code: 0, data: { access_url: before.urlOf('copy') } });
    expect((await post(before.urlOf('copy'), fields, signature)).json().data).toEqual(first.data);
    await before.server.close();
    const server = await startServer({ dir: before.dir });
    expect((await post(server.urlOf('copy'), fields, signature)).json().code).toBe(0);
    expect((await server.stored('copy')).equals(BYTES)).toBe(true);
  });

  test('is refused when another has put the same content there, or the same other content', async () => {
    const server = await startServer();
    await post(server.urlOf('source'), { op: 'upload', filecontent: BYTES });
    const [mine, yours] = [sign(), sign()];
    expect((await post(server.urlOf('copy'), fields, yours)).json().code).toBe(0);
    expect((await post(server.urlOf('copy'), fields, mine)).json().code).toBe(-177);
    await post(server.urlOf('copy'), { op: 'upload', filecontent: 'other', insertOnly: 0 }, yours);
    expect((await post(server.urlOf('copy'), fields, yours)).json().code).toBe(-177);
    expect((await server.stored('copy')).toString()).toBe('other');
  });
});

test('a request that is repeated while the first is still at work waits for the same answer', async () => {
  const server = await startServer({ locker: slowLocker(100) });
  await post(server.urlOf('source'), { op: 'upload', filecontent: BYTES });
  const signature = sign();
  const replies = await Promise.all([1, 2, 3].map(() => post(server.urlOf('copy'), INIT, signature)));
  expect(replies.map((reply) => reply.json().code)).toEqual([0, 0, 0]);
  const upload = createUploader(server.urlOf('finished'), BYTES);
  await upload.init();
  for (const index of [0, 1, 2, 3]) await upload.data(index);
  const finishes = await Promise.all([1, 2, 3].map(() => upload.finish()));
  expect(finishes.map((reply) => reply.json().code)).toEqual([0, 0, 0]);
});

/** Keeps every turn for a while longer. */
function slowLocker(ms: number): Locker {
  let tail: Promise<unknown> = Promise.resolve();
  return {
    withLock(_key, task) {
      const turn = tail.then(async () => {
        const result = await task();
        await delay(ms);
        return result;
      });
      tail = turn.catch(() => {});
      return turn;
    },
  };
}

describe('a slice that comes when its upload is finished', () => {
  const setUp = async () => {
    const server = await startServer();
    const upload = createUploader(server.urlOf('f'), BYTES);
    await upload.all();
    const codeOf = async (extra: Record<string, string | number | Buffer>, index = 0) =>
      (await upload.data(index, extra)).json().code;
    return { server, upload, codeOf };
  };

  test('is there already when it has the bytes of the file', async () => {
    const { codeOf } = await setUp();
    for (const index of [0, 1, 2, 3]) expect(await codeOf({}, index)).toBe(0);
    expect(await codeOf({ datamd5: md5(BYTES.subarray(0, SLICE_BYTES)) })).toBe(0);
  });

  test('is refused when it has others, or a digest that is not its own', async () => {
    const { codeOf } = await setUp();
    expect(await codeOf({ filecontent: Buffer.alloc(SLICE_BYTES) })).toBe(-4016);
    expect(await codeOf({ offset: SLICE_BYTES })).toBe(-4016);
    expect(await codeOf({ datamd5: '0'.repeat(32) })).toBe(-4016);
    expect(await codeOf({ datamd5: 'x' })).toBe(-5999);
  });

  test.each([BYTES.length, BYTES.length + 1, 10 * BYTES.length, 2 ** 52])(
    'is refused at offset %i, where the file has ended',
    async (offset) => {
      const { codeOf } = await setUp();
      expect(await codeOf({ offset })).toBe(-5999);
    },
  );

  test('is refused when it reaches beyond the end, or is empty', async () => {
    const { codeOf } = await setUp();
    expect(await codeOf({ offset: 3 * SLICE_BYTES })).toBe(-5999);
    expect(await codeOf({ filecontent: '' })).toBe(-5999);
  });

  test('is refused when another file has taken the place', async () => {
    const { server, codeOf } = await setUp();
    await post(server.urlOf('f'), { ...UPLOAD, insertOnly: 0 });
    expect(await codeOf({})).toBe(-197);
  });
});

test('what a server began, another one on the same store goes on with and finishes', async () => {
  const dir = await temporaryDir();
  const [one, other] = [
    await startServer({ dir, store: fileStore(dir) }),
    await startServer({ dir, store: fileStore(dir) }),
  ];
  for (let round = 0; round < 5; round++) {
    const path = `f${round}`;
    const bytes = distinctBytes(3 * SLICE_BYTES + 100, round);
    const sha = sha1(bytes);
    const [here, there] = [createUploader(one.urlOf(path), bytes), createUploader(other.urlOf(path), bytes)];
    await here.init({ sha, insertOnly: round % 2 });
    there.session = here.session;
    await Promise.all([here.data(0), there.data(1), here.data(2)]);
    expect((await there.init({ sha: sha1(BYTES.subarray(1)) })).json().code).toBe(-4020);
    expect((await there.list()).json().data).toMatchObject({ session: here.session, listparts: { length: 3 } });
    expect((await here.finish({ sha })).json().code).toBe(-4019);
    await there.data(3);
    const finished = await Promise.all([here, there].map((upload) => upload.finish({ sha })));
    expect(finished.map((reply) => reply.json().code)).toEqual([0, 0]);
    expect((await here.data(0)).json().code).toBe(0);
    expect((await one.stored(path)).equals(bytes)).toBe(true);
  }
});
