import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DigestJob, PartsJob } from './hash-jobs.ts';
import { createHashPool } from './hash-pool.ts';

const MIB = 1024 * 1024;
/** More than there are workers. */
const MANY = 6;

// There, a file that was made longer takes room.
describe.skipIf(process.platform === 'win32')('while all workers have more to do than ever ends', () => {
  const sizeBytes = MIB * MIB;
  let folder: string;
  let file: FileHandle;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cos-slice-'));
    file = await open(join(folder, 'large.bin'), 'w+');
    await file.truncate(sizeBytes);
  });
  afterAll(async () => {
    await file.close();
    await rm(folder, { recursive: true });
  });
  const pass = (cancel: Int32Array): PartsJob => ({
    kind: 'parts',
    fd: file.fd,
    sizeBytes,
    sliceSizeBytes: MIB,
    cancel,
  });
  const digest = (): DigestJob => ({
    kind: 'digest',
    algorithm: 'md5',
    polynomial: undefined,
    bytes: new Uint8Array(1),
  });
  const never = new AbortController().signal;
  const reason = new Error('given up');

  test('what waits for one is told so', async () => {
    const pool = createHashPool();
    const controller = new AbortController();
    const cancel = new Int32Array(new SharedArrayBuffer(4));
    let ends: Promise<unknown>[] = [];
    await new Promise<void>((onWaiting) => {
      const listener = { onProgress() {}, onWaiting };
      ends = Array.from({ length: MANY }, () => pool.run(pass(cancel), controller.signal, listener));
    });
    controller.abort(reason);
    for (const end of ends) await expect(end).rejects.toBe(reason);
    await pool.run(digest(), never);
  });

  test('those that go on after their job was given up leave their places to others', async () => {
    const pool = createHashPool();
    const controller = new AbortController();
    // Not in shared memory: no worker hears of it, as one that hangs.
    const unheard = new Int32Array(1);
    const ends = Array.from({ length: MANY }, () => pool.run(pass(unheard), controller.signal));
    const next = pool.run(digest(), never);
    controller.abort(reason);
    for (const end of ends) await expect(end).rejects.toBe(reason);
    expect(await next).toMatchObject({ kind: 'done' });
  });
});
