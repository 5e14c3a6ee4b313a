import { appendFile, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { temporaryDir } from '../../testing/server.ts';
import { openJournal } from './journal.ts';
import { createHolderNames, openSliceLedger } from './slice-ledger.ts';

const ENTRY = { verified: false, atMs: 5 };

/** Opens ledgers of ten slices on the same journal, as servers in other processes would. */
async function setUp() {
  const path = join(await temporaryDir(), 'journal');
  return {
    path,
    async open() {
      const opened = await openSliceLedger(10, 1, createHolderNames(), (onLine) => openJournal(path, onLine));
      onTestFinished(() => opened.journal.close());
      return opened.ledger;
    },
  };
}

/** Stops the clock of leases, and returns what moves it on. */
function stopClock(): (ms: number) => void {
  let now = performance.now();
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  onTestFinished(() => void vi.restoreAllMocks());
  return (ms) => {
    now += ms;
  };
}

test('a slice has one holder among all, until it lets go', async () => {
  const { open } = await setUp();
  const [one, other] = [await open(), await open()];
  const lease = one.take(3);
  expect(lease?.isFresh()).toBe(true);
  expect([one.take(3), other.take(3)]).toEqual([undefined, undefined]);
  expect(other.take(4)).toBeDefined();
  lease?.release();
  expect(other.take(3)).toBeDefined();
  expect(lease?.record(ENTRY)).toBe(false);
});

test('what one records, all others know, those that come later too', async () => {
  const { open } = await setUp();
  const [one, other] = [await open(), await open()];
  expect(one.take(0)?.record({ verified: true, atMs: 7 })).toBe(true);
  expect(other.take(9)?.record(ENTRY)).toBe(true);
  for (const ledger of [one, other, await open()]) {
    ledger.refresh();
    expect([ledger.stored.count, ledger.verified.count, ledger.lastActiveMs]).toEqual([2, 1, 7]);
    expect([ledger.stored.has(0), ledger.verified.has(9), ledger.take(0)]).toEqual([true, false, undefined]);
  }
});

test('a holder that is silent loses its lease to the first who comes, and cannot record any more', async () => {
  const { open } = await setUp();
  const [one, other, third] = [await open(), await open(), await open()];
  const advance = stopClock();
  const lease = one.take(3);
  for (const ledger of [other, third]) expect(ledger.take(3)).toBeUndefined();
  advance(2999);
  expect(lease?.isFresh()).toBe(false);
  expect(other.take(3)).toBeUndefined();
  advance(2);
  const taken = other.take(3);
  expect(taken).toBeDefined();
  // It read of the first holder as early, and of the second now.
  expect(third.take(3)).toBeUndefined();
  expect([lease?.renew(), lease?.record(ENTRY)]).toEqual([false, false]);
  expect(taken?.record(ENTRY)).toBe(true);
});

test('a holder that renews keeps its lease', async () => {
  const { open } = await setUp();
  const [one, other] = [await open(), await open()];
  const advance = stopClock();
  const lease = one.take(3);
  expect(other.take(3)).toBeUndefined();
  for (let round = 0; round < 3; round++) {
    advance(2000);
    expect(lease?.renew()).toBe(true);
    expect(other.take(3)).toBeUndefined();
  }
  expect(lease?.record(ENTRY)).toBe(true);
});

test('a holder hears that others wait', async () => {
  const { open } = await setUp();
  const [one, other] = [await open(), await open()];
  const lease = one.take(3);
  other.wish(3);
  one.refresh();
  expect(lease?.isWanted()).toBe(true);
  lease?.release();
  const next = other.take(3);
  expect([next?.isWanted(), next?.record(ENTRY)]).toEqual([false, true]);
});

test.each(['7 - 1', '7', '7 v', '7 + abc'])('a line torn to %j does not count, nor spoil the next', async (torn) => {
  const { path, open } = await setUp();
  const early = await open();
  await appendFile(path, `2 v 5\n${torn}`);
  const ledger = await open();
  expect([ledger.stored.count, ledger.stored.has(2)]).toEqual([1, true]);
  expect(ledger.take(8)?.record(ENTRY)).toBe(true);
  for (const one of [early, ledger, await open()]) {
    one.refresh();
    expect([one.stored.has(2), one.stored.has(7), one.stored.has(8), one.stored.count]).toEqual([true, false, true, 2]);
  }
});

test('lines that make no sense are passed over', async () => {
  const { path, open } = await setUp();
  await appendFile(path, '\n\n99 v 1\n-1 v 1\nx\n1 v\n1  v 1\n1 v 1 2 3\n3 v 1 nobody\n4 - 17\n');
  const ledger = await open();
  expect([ledger.stored.count, ledger.stored.has(4), ledger.lastActiveMs]).toEqual([1, true, 17]);
});

test('a journal knows when another one has taken its place', async () => {
  const { path, open } = await setUp();
  await open();
  const journal = await openJournal(path, () => {});
  onTestFinished(() => journal.close());
  expect(journal.isInPlace()).toBe(true);
  await rename(path, `${path}.old`);
  expect(journal.isInPlace()).toBe(false);
  await open();
  expect(journal.isInPlace()).toBe(false);
  expect(await readFile(path, 'utf8')).toBe('');
});
