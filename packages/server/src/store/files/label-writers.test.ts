import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DiskCall, watchDisk } from '../../testing/disk.ts';
import { temporaryDir } from '../../testing/server.ts';
import type { ObjectLabels, Store, Target } from '../store.ts';
import { fileStore } from './file-store.ts';

const target: Target = { appId: '1', bucket: 'b', path: 'x' };

async function put(store: Store, text: string, labels: ObjectLabels): Promise<void> {
  const spool = await store.createSpool();
  await spool.write(Buffer.from(text));
  await store.putObject(target, spool, labels, true);
}

/** Two processes on one folder, and a private object in it. */
async function setUp(authority: ObjectLabels['authority'] = 'eWRPrivate') {
  const root = await temporaryDir();
  const [one, other] = [fileStore(root), fileStore(root)];
  await put(one, 'old', { attributes: 'old' });
  await one.describeObject(target, { authority });
  const disk = await watchDisk(root);

  /** Has the other do something right before the one does that. */
  function inBetween(isThat: (call: DiskCall) => boolean, act: () => Promise<unknown>): void {
    let hasActed = false;
    disk.before = async (call) => {
      if (hasActed || !isThat(call)) return;
      hasActed = true;
      await act();
    };
  }
  const isPlacing = ({ name, to }: DiskCall) => name === 'rename' && to === join(root, '1/b/x');
  const isWritingLabels = ({ name, path }: DiskCall) => name === 'writeFile' && path.includes('/spool/');
  const info = () => fileStore(root).statObject(target);
  const spooled = () => readdir(join(root, '.cos-slice/spool'));
  return { one, other, inBetween, isPlacing, isWritingLabels, info, spooled };
}

test('an update beside an overwrite at another process: what is in place is what was told, and private', async () => {
  for (const when of ['isPlacing', 'isWritingLabels'] as const) {
    const { one, other, inBetween, info, spooled, ...at } = await setUp();
    inBetween(at[when], () => other.describeObject(target, { attributes: 'updated' }));
    await put(one, 'newer', { attributes: 'newer', session: 's' });
    expect(await info()).toMatchObject({ sizeBytes: 5, attributes: 'newer', session: 's', authority: 'eWRPrivate' });
    expect(await spooled()).toEqual([]);
  }
});

test('an overwrite beside an update at another process: what is in place is what was told, and private', async () => {
  const { one, other, inBetween, isWritingLabels, info, spooled } = await setUp();
  inBetween(isWritingLabels, () => put(other, 'newer', { attributes: 'newer', session: 's' }));
  const told = await one.describeObject(target, { attributes: 'updated' });
  expect(told).toMatchObject({ sizeBytes: 5, attributes: 'updated', session: 's', authority: 'eWRPrivate' });
  expect(await info()).toEqual(told);
  expect(await spooled()).toEqual([]);
});

test('what becomes private at one process while it is overwritten at another stays private', async () => {
  const { one, other, inBetween, isPlacing, info } = await setUp(undefined);
  inBetween(isPlacing, () => other.describeObject(target, { authority: 'eWRPrivate' }));
  await put(one, 'newer', { attributes: 'newer' });
  expect(await info()).toMatchObject({ sizeBytes: 5, attributes: 'newer', authority: 'eWRPrivate' });
});

test('of two that overwrite at the same time the last is in place, with its labels', async () => {
  const { one, other, inBetween, isPlacing, info } = await setUp();
  inBetween(isPlacing, () => put(other, 'others', { attributes: 'others' }));
  await put(one, 'newer', { attributes: 'newer' });
  expect(await info()).toMatchObject({ sizeBytes: 5, attributes: 'newer', authority: 'eWRPrivate' });
});
