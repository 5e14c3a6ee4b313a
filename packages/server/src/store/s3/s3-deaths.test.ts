// A server on an object store dies at each of its requests in turn; another one goes on with all it has begun.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { distinctBytes } from '../../testing/content.ts';
import { type MockS3, startMockS3 } from '../../testing/mock-s3.ts';
import { content, put, target } from '../../testing/store-place.ts';
import { init, putSlice, SLICE_BYTES } from '../../testing/store-session.ts';
import type { Store } from '../store.ts';
import { s3Store } from './s3-store.ts';

const MINUTE_MS = 60_000;
const BYTES = distinctBytes(2 * SLICE_BYTES + 100);
const sha1Of = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest('hex');
const SHA = sha1Of(BYTES);
const SMALL = [Buffer.from('one'), Buffer.from('another')];
const PATHS = ['direct', 'staged', 'at-once', 'twice', 'moved/deep/x'];

function openStore(mock: MockS3, accessKeyId: string): Store {
  return s3Store({
    endpoint: mock.endpoint,
    bucket: 'bucket',
    credentials: { accessKeyId, secretAccessKey: 'SK' },
    minPartBytes: SLICE_BYTES,
    abilities: { putsIfNew: true, ifMatch: 'bare', completesIfNew: false, tagsAreMd5s: true },
  });
}

/** Goes on with an upload, or begins it. */
async function upload(store: Store, path: string, sha?: string): Promise<void> {
  if (await store.statObject(target(path))) return;
  const sizeBytes = BYTES.length;
  const { session } = await store.createSession(init({ target: target(path), sizeBytes, ...(sha && { sha }) }));
  const { isStored } = await session.snapshot();
  for (let index = 0; index < session.sliceCount; index++) {
    const bytes = BYTES.subarray(index * SLICE_BYTES, (index + 1) * SLICE_BYTES);
    if (!isStored(index)) await putSlice(session, index, bytes);
  }
  await session.complete({ sha });
}

/** All that a server does, some of everything; again from its beginning, it only does what is left. */
async function work(store: Store, who: string): Promise<void> {
  await store.onceRegister?.use(`signature of ${who}`, 1, 2);
  await upload(store, 'direct');
  await upload(store, 'staged', SHA);
  const known = { sha: SHA, sizeBytes: BYTES.length };
  const isThere = await store.statObject(target('at-once'));
  // Where it was not noted what is there, it has to be sent.
  if (!isThere && !(await store.copyKnown(target('at-once'), known, () => true, {}, false))) {
    await upload(store, 'at-once', SHA);
  }
  for (const bytes of SMALL) await put(store, 'twice', bytes, true, sha1Of(bytes));
  const { directories } = store;
  if (!(await directories.stat(target('moved')))) {
    if (!(await store.statObject(target('dir/deep/x')))) await put(store, 'dir/deep/x', BYTES, false, SHA);
    await directories.move(target('dir'), target('moved'), 'signature');
  }
  await put(store, 'gone', BYTES, true);
  await store.deleteObject(target('gone'));
}

/** Nobody may ever see half an object. */
function expectWhole(mock: MockS3): void {
  for (const path of [...PATHS, 'dir/deep/x', 'gone']) {
    const { bytes } = mock.objects.get(`1/b/${path}`) ?? {};
    const whole = path === 'twice' ? SMALL : [BYTES];
    expect(bytes === undefined || whole.some((one) => one.equals(bytes)), path).toBe(true);
  }
}

/** @returns whether it died before it was through */
async function dieAt(requests: number): Promise<boolean> {
  const mock = await startMockS3();
  const [first, other] = [openStore(mock, 'FIRST'), openStore(mock, 'OTHER')];
  try {
    const died = new Promise<true>((resolve) => {
      mock.dying = { accessKeyId: 'FIRST', requests, onDeath: () => resolve(true) };
    });
    const isDead = await Promise.race([died, work(first, 'first').then(() => false)]);
    expectWhole(mock);
    // What is left half done is anybody's after a while.
    mock.aheadMs = 11 * MINUTE_MS;
    await other.tidy?.();
    expectWhole(mock);
    await work(other, 'other');
    for (const path of PATHS) {
      const expected = path === 'twice' ? SMALL[1] : BYTES;
      expect((await content(other, target(path)))?.equals(expected as Buffer), `${path} after ${requests}`).toBe(true);
    }
    for (const path of PATHS) await other.deleteObject(target(path));
    await other.directories.delete(target('moved'));
    mock.aheadMs += 26 * 60 * MINUTE_MS;
    for await (const session of other.sessions()) await session.discard();
    await other.tidy?.();
    expect([...mock.objects.keys(), ...mock.uploads.keys()], `left after ${requests} requests`).toEqual([]);
    return isDead;
  } finally {
    await Promise.all([first.close(), other.close()]);
    await mock.close();
  }
}

test('a server may die at any of its requests: another one brings all to its end, and in the end nothing is left', async () => {
  let requests = 0;
  let isOver = false;
  const next = async (): Promise<void> => {
    while (!isOver) if (!(await dieAt(requests++))) isOver = true;
  };
  await Promise.all([1, 2, 3, 4].map(next));
  expect(requests).toBeGreaterThan(50);
});
