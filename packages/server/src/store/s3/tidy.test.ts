import { expect, test } from 'vitest';
import { startMockS3Place } from '../../testing/mock-s3-place.ts';
import { put, target } from '../../testing/store-place.ts';

const DAY_MS = 24 * 3600_000;

test('what cannot be cleared away does not keep a sweep from the rest', async () => {
  const { mock, open } = await startMockS3Place();
  const store = open();
  const putOwn = (name: string, text: string) =>
    fetch(`${mock.endpoint}/bucket/.cos-slice/${name}`, { method: 'PUT', body: text });
  const id = `${'a'.repeat(40)}.${'b'.repeat(32)}`;
  await putOwn(`sessions/${'a'.repeat(40)}`, 'unreadable');
  for (const name of [`slices/${id}/0`, 'copies/unreadable', 'moves/unreadable', 'locks/old'])
    await putOwn(name, 'not JSON');
  for (const signature of ['one', 'two', 'three']) await store.onceRegister?.use(signature, 1, 2);
  mock.aheadMs = 3600_000 + 60_000;
  await store.tidy?.();
  expect([...mock.objects.keys()].filter((key) => key.includes('/locks/'))).toEqual([]);
  mock.aheadMs = DAY_MS + 60_000;
  // The move's note goes first, and it is the second of the signatures that stays.
  mock.faults = [{ method: 'DELETE', after: 2, times: 1, answer: { status: 403, code: 'AccessDenied' } }];
  await store.tidy?.();
  expect([...mock.objects.keys()].sort()).toEqual([
    '.cos-slice/copies/unreadable',
    '.cos-slice/once/three',
    `.cos-slice/sessions/${'a'.repeat(40)}`,
    `.cos-slice/slices/${id}/0`,
  ]);
  await store.tidy?.();
  expect([...mock.objects.keys()].filter((key) => key.includes('/once/'))).toEqual([]);
});

test('a list that fails of one kind does not keep a sweep from the others', async () => {
  const { mock, open } = await startMockS3Place();
  const store = open();
  await store.onceRegister?.use('one', 1, 2);
  mock.aheadMs = DAY_MS + 60_000;
  mock.faults = [{ method: 'GET', has: 'prefix', times: 1, answer: { status: 403, code: 'AccessDenied' } }];
  await store.tidy?.();
  expect([...mock.objects.keys()]).toEqual([]);
});

test('an object that the store does not let us look at hides no other in a list', async () => {
  const { mock, open } = await startMockS3Place();
  const store = open();
  for (const name of ['x', 'y']) await put(store, `dir/${name}`, Buffer.from(name));
  await put(store, 'dir/deep/z', Buffer.from('z'));
  const list = () => store.directories.list(target('dir'), { prefix: '', order: 'ascending', limit: 10 });
  mock.faults = [{ method: 'HEAD', answer: { status: 400, code: 'InvalidRequest' } }];
  const listed = await list();
  expect(listed?.entries).toMatchObject([
    { kind: 'directory', name: 'deep', info: { isCreated: false } },
    { kind: 'object', name: 'x', info: { sizeBytes: 1, revision: mock.objects.get('1/b/dir/x')?.etag } },
    { kind: 'object', name: 'y', info: { sizeBytes: 1 } },
  ]);
  // What may pass is told of.
  mock.faults = [{ method: 'HEAD', answer: { status: 503, code: 'SlowDown' } }];
  await expect(list()).rejects.toMatchObject({ status: 503 });
});
