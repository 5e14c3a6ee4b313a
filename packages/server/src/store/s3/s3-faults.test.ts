import { readFixture } from '@cos-slice/testkit/fixtures';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSliceServer } from '../../server.ts';
import { distinctBytes, sha1 } from '../../testing/content.ts';
import { type MockS3, type S3Fault, startMockS3 } from '../../testing/mock-s3.ts';
import { ACCOUNT } from '../../testing/sign.ts';
import { describeStore } from '../../testing/store-contract.ts';
import { content, put, target } from '../../testing/store-place.ts';
import { createUploader, type Uploader } from '../../testing/upload.ts';
import type { SessionInit, Store } from '../store.ts';
import { type S3StoreOptions, s3Store } from './s3-store.ts';

const SLICE_BYTES = 65536;
const BYTES = distinctBytes(5 * SLICE_BYTES + 100);
const NAMES = ['slow-down', 'slow', 'error-in-200', 'missing-etag', 'two-pages', 'lost-answers'] as const;
const TIMES = { leaseMs: 12_000, patienceMs: 60_000 };

async function setUp(
  faults: S3Fault[] = [],
  more: Partial<S3StoreOptions> = {},
): Promise<{ mock: MockS3; store: Store }> {
  const mock = await startMockS3();
  onTestFinished(() => mock.close());
  const store = openStore(mock, more);
  await store.open();
  mock.faults = faults;
  return { mock, store };
}

function openStore(mock: MockS3, more: Partial<S3StoreOptions> = {}): Store {
  const store = s3Store({
    endpoint: mock.endpoint,
    bucket: 'bucket',
    credentials: { accessKeyId: 'AK', secretAccessKey: 'SK' },
    minPartBytes: SLICE_BYTES,
    ...more,
  });
  onTestFinished(() => store.close());
  return store;
}

describeStore('s3Store on a store in memory', async () => {
  const mock = await startMockS3();
  onTestFinished(() => mock.close());
  return { open: () => openStore(mock), isFlat: true, hasClock: true };
});

/** Again after all that is worth another try, as clients do. */
async function stubborn(send: () => ReturnType<Uploader['init']>): Promise<number> {
  for (;;) {
    const { code } = (await send()).json();
    if (code !== -5997 && code !== -181) return code;
  }
}

describe.each(NAMES)('under %s', (name) => {
  test.each([false, true])('an upload arrives as it is (with a SHA-1: %s)', async (hasSha) => {
    const faults = (await readFixture(`s3-faults/${name}.json`)) as S3Fault[];
    const { mock, store } = await setUp(faults);
    const server = createSliceServer({ store, accounts: [ACCOUNT] });
    onTestFinished(() => server.close());
    const { url } = await server.listen();
    const upload = createUploader(`${url}/files/v2/${ACCOUNT.appId}/demobucket/dir/a`, BYTES);
    const sha: Record<string, string> = hasSha ? { sha: sha1(BYTES) } : {};
    expect([0, -4019]).toContain(await stubborn(() => upload.init(sha)));
    upload.session ||= (await upload.list()).json().data.session;
    for (let index = 0; index < 6; index++) expect(await stubborn(() => upload.data(index))).toBe(0);
    const listed = (await upload.list()).json().data.listparts;
    expect(listed.map(({ offset }) => offset / SLICE_BYTES)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await stubborn(() => upload.finish(sha))).toBe(0);
    expect(mock.objects.get(`${ACCOUNT.appId}/demobucket/dir/a`)?.bytes.equals(BYTES)).toBe(true);
    expect([...mock.uploads]).toEqual([]);
    const own = [...mock.objects.keys()].filter((key) => key.startsWith('.cos-slice/') && !key.includes('/known/'));
    expect(own).toEqual([]);
  });
});

describe('what servers leave that die', () => {
  const init: SessionInit = {
    target: target(),
    sizeBytes: BYTES.length,
    sliceSizeBytes: SLICE_BYTES,
    overwrite: false,
    createdAtMs: Date.now(),
  };

  test.each([
    ['whoever comes to the path', true],
    ['the sweep', false],
  ])('before they have noted an upload is cleared away by %s', async (_who, comes) => {
    const { mock, store } = await setUp([
      { method: 'PUT', after: 1, answer: { status: 403, code: 'AccessDenied' } },
      { method: 'DELETE', answer: { status: 403, code: 'AccessDenied' } },
    ]);
    await expect(store.createSession(init)).rejects.toMatchObject({ code: 'AccessDenied' });
    expect([mock.uploads.size, mock.objects.size]).toEqual([1, 1]);
    const [left] = mock.uploads.keys();
    mock.faults = [];
    mock.aheadMs = 2 * 60_000;
    const other = openStore(mock);
    if (comes) expect(await other.createSession(init)).toMatchObject({ created: true });
    else for await (const _ of other.sessions()) expect.unreachable();
    expect(mock.uploads.has(left ?? '')).toBe(false);
    expect([mock.uploads.size, mock.objects.size]).toEqual(comes ? [1, 1] : [0, 0]);
  });

  test('an upload whose beginning was not heard of is not left behind', async () => {
    const { mock, store } = await setUp([{ method: 'POST', has: 'uploads', times: 1, losesAnswer: true }]);
    await expect(store.createSession(init)).rejects.toThrow();
    expect([mock.uploads.size, mock.objects.size]).toEqual([0, 0]);
    expect(await store.createSession(init)).toMatchObject({ created: true });
  });

  test('of parts and notes goes with the session, and an hour later what no session needs', async () => {
    const { mock, store } = await setUp();
    const { session } = await store.createSession(init);
    const writer = await session.openSlice(0);
    await writer.write(BYTES.subarray(0, SLICE_BYTES));
    await writer.commit({ atMs: Date.now() });
    await openStore(mock).tidy?.();
    expect([mock.uploads.size, [...mock.objects.keys()].length]).toEqual([1, 2]);
    // Somebody removes the record by hand.
    await fetch(`${mock.endpoint}/bucket/${[...mock.objects.keys()].find((key) => key.includes('/sessions/'))}`, {
      method: 'DELETE',
    });
    mock.aheadMs = 2 * 3600_000;
    await openStore(mock).tidy?.();
    expect([...mock.objects.keys()]).toEqual([]);
  });

  test('as a lock is taken over when its lease is over, by one of those who wait', async () => {
    const { mock, store } = await setUp([], { lockTimes: TIMES });
    await put(store, 'dir/file.bin', Buffer.from('one'));
    mock.faults = [{ method: 'DELETE', answer: { status: 403, code: 'AccessDenied' } }];
    // Its lock stays.
    await put(store, 'dir/file.bin', Buffer.from('two'), true);
    mock.faults = [];
    const locks = [...mock.objects.keys()].filter((key) => key.includes('/locks/'));
    expect(locks).toHaveLength(1);
    mock.aheadMs = 60_000;
    const others = [1, 2, 3].map(() => openStore(mock, { lockTimes: TIMES }));
    await Promise.all(others.map((one, index) => put(one, 'dir/file.bin', Buffer.from(`late ${index}`), true)));
    expect(String(await content(store))).toMatch(/^late/);
    expect([...mock.objects.keys()].filter((key) => key.includes('/locks/'))).toEqual([]);
  });
});

test('a store that says "deleted" and deletes nothing does not have a directory moved for ever', async () => {
  const { mock, store } = await setUp();
  await put(store, 'dir/file.bin', Buffer.from('one'));
  mock.faults = [{ method: 'DELETE', answer: { status: 204, code: '' } }];
  const moving = store.directories.move(target('dir'), target('other'), 'id');
  await expect(moving).rejects.toMatchObject({ problem: 'busy' });
  mock.faults = [];
  // The note of it stays, and another server brings it to its end.
  mock.aheadMs = 3600_000;
  await openStore(mock).tidy?.();
  expect(String(await content(store, target('other/file.bin')))).toBe('one');
  expect(await store.statObject(target('dir/file.bin'))).toBeUndefined();
});
