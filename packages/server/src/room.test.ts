import { expect, test } from 'vitest';
import { fileStore } from './store/files/file-store.ts';
import { post } from './testing/client.ts';
import { startServer, temporaryDir } from './testing/server.ts';
import { signOnce } from './testing/sign.ts';
import { createUploader } from './testing/upload.ts';

const MIB = 1024 * 1024;

async function answerOf(url: string, fields: Record<string, string | number | Buffer>, signature?: string) {
  const reply = await post(url, fields, signature);
  return { status: reply.status, again: reply.headers['retry-after'], ...reply.json() };
}

const init = (filesize: number) => ({ op: 'upload_slice_init', filesize, slice_size: MIB });

test('a bucket that has as many unfinished uploads as it may takes more when one has ended', async () => {
  const server = await startServer({ maxSessions: 2 });
  const [one, other] = [createUploader(server.urlOf('one')), createUploader(server.urlOf('other'))];
  await one.init();
  await other.init();
  const third = () => answerOf(server.urlOf('third'), init(5));
  expect(await third()).toMatchObject({
    status: 503,
    again: '30',
    code: -5997,
    message: expect.stringMatching(/has 2 unfinished uploads: finish or delete some/),
  });
  // What is there goes on.
  for (const index of [0, 1, 2, 3]) expect((await one.data(index)).json().code).toBe(0);
  expect((await one.finish()).json().code).toBe(0);
  expect(await third()).toMatchObject({ status: 200, code: 0 });
  expect(await answerOf(server.urlOf('fourth'), init(5))).toMatchObject({ code: -5997 });
  const ending = { op: 'delete', session: other.session };
  expect(await answerOf(server.urlOf('other'), ending, signOnce('other'))).toMatchObject({ code: 0 });
  expect(await answerOf(server.urlOf('fourth'), init(5))).toMatchObject({ code: 0 });
});

test('what the unfinished uploads of a bucket come to is bounded', async () => {
  const server = await startServer({ maxSessionBytes: 10 * MIB });
  expect(await answerOf(server.urlOf('one'), init(6 * MIB))).toMatchObject({ code: 0 });
  expect(await answerOf(server.urlOf('other'), init(5 * MIB))).toMatchObject({
    status: 503,
    code: -5997,
    message: expect.stringMatching(/come to 11534336 of 10485760 bytes/),
  });
  expect(await answerOf(server.urlOf('other'), init(4 * MIB))).toMatchObject({ code: 0 });
});

test('a server that is started again counts what it finds', async () => {
  const dir = await temporaryDir();
  const first = await startServer({ dir });
  await createUploader(first.urlOf('one')).init();
  await first.server.close();
  const second = await startServer({ dir, maxSessions: 1 });
  // Counting begins with the start, and others need not wait for it.
  await expect
    .poll(async () => (await answerOf(second.urlOf(`${Math.random()}`), init(5))).code, { interval: 50 })
    .toBe(-5997);
});

test('nothing begins on a disk that is full, and what has begun is finished', async () => {
  const dir = await temporaryDir();
  const first = await startServer({ dir });
  const upload = createUploader(first.urlOf('begun'));
  await upload.init();
  await first.server.close();
  const full = await startServer({ dir, store: fileStore(dir, { minFreeBytes: Number.MAX_SAFE_INTEGER }) });
  const url = full.urlOf('new');
  for (const fields of [init(5), { op: 'upload', filecontent: Buffer.from('short') }]) {
    expect(await answerOf(url, fields)).toMatchObject({
      status: 503,
      code: -5997,
      message: expect.stringMatching(/the disk is full: \d+ bytes are free/),
    });
  }
  const again = Object.assign(createUploader(full.urlOf('begun')), { session: upload.session });
  for (const index of [0, 1, 2, 3]) expect((await again.data(index)).json().code).toBe(0);
  expect((await again.finish()).json().code).toBe(0);
});
