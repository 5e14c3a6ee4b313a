import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { patternBytes } from '../../testing/content.ts';
import { temporaryDir } from '../../testing/server.ts';
import { fileStore } from './file-store.ts';
import { targetHash } from './layout.ts';

const BYTES = patternBytes(0, 1000);
const target = { appId: '1', bucket: 'b', path: 'x' };

/** A session of one slice, and a way to make another process take that slice over. */
async function setUp() {
  const root = await temporaryDir();
  const store = fileStore(root);
  const { session } = await store.createSession({
    target,
    sizeBytes: BYTES.length,
    sliceSizeBytes: BYTES.length,
    overwrite: false,
    createdAtMs: 1,
  });
  const journal = join(root, '.cos-slice/sessions', targetHash(target), 'journal');
  /** What a process writes that finds a lease run out: its holder was put to sleep, or its disk was. */
  async function takeOver(): Promise<void> {
    const lines = (await readFile(journal, 'utf8')).trimEnd().split('\n');
    const holder = lines.findLast((line) => line.startsWith('0 + '))?.split(' ')[2];
    await appendFile(journal, `0 + thief ${holder}\n`);
  }
  const leave = () => appendFile(journal, '0 x thief\n');
  return { store, session, takeOver, leave };
}

test('a writer that is overtaken while it stores says so, and does not wait for itself', async () => {
  const { store, session, takeOver, leave } = await setUp();
  const writer = await session.openSlice(0);
  await writer.write(BYTES);
  await takeOver();
  await expect(writer.commit({ atMs: 1 })).rejects.toMatchObject({ problem: 'busy' });
  // Nor is the slice held for ever.
  await leave();
  const next = await session.openSlice(0);
  await next.write(BYTES);
  await next.commit({ atMs: 1 });
  expect((await session.snapshot()).storedCount).toBe(1);
  await store.close();
});
