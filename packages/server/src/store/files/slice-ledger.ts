import { randomBytes } from 'node:crypto';
import type { Journal } from './journal.ts';
import { createSliceSet, type SliceSet } from './slice-set.ts';

/** A lease that nothing has been heard of for this long may be taken over by others. */
const LEASE_MS = 3000;

/**
 * Who writes which slice in place and which ones are stored, as the lines of a session's journal tell it:
 *
 * - `<slice> + <holder> <previous>` takes the lease of a slice, provided that `previous` has it (`-`: nobody). The holder says
 *   so again to show that it is alive.
 * - `<slice> ? <holder>` asks whoever has the lease to let go
 * - `<slice> x <holder>` lets go
 * - `<slice> v|- <milliseconds> [<holder>]` the slice is stored, with its bytes checked by the checkpoints or not, provided that
 *   the holder still has the lease
 *
 * Everybody reads the same lines in the same order, and so everybody knows the same winner. Time only tells when to try: it
 * runs, on the reader's own clock, from when a line was read.
 */
export interface SliceLedger {
  readonly stored: SliceSet;
  readonly verified: SliceSet;
  readonly lastActiveMs: number;
  /** Reads what others have written. */
  refresh(): void;
  /** Undefined while somebody else has the lease, or when the slice is stored; which of both is known then. */
  take(index: number): Lease | undefined;
  /** Asks for the lease of a slice. */
  wish(index: number): void;
}

/** The right to write a slice in place. */
export interface Lease {
  /** Whether it still stands, without a look at the journal. */
  isFresh(): boolean;
  /** Whether somebody asks for it. */
  isWanted(): boolean;
  /** Shows that its holder is alive. False when somebody else has it. */
  renew(): boolean;
  /** Puts the slice on record. False when somebody else took the lease. */
  record(entry: { verified: boolean; atMs: number }): boolean;
  release(): void;
}

interface Holding {
  readonly holder: string;
  readonly seenAtMs: number;
  isWanted: boolean;
}

const LINE = /^(\d+) ([-v+?x]) (\w+)(?: ([\w-]+))?$/;

/** Names those who hold leases: no two have the same, in whatever process. */
export function createHolderNames(): () => string {
  const instance = randomBytes(6).toString('hex');
  let last = 0;
  return () => `${instance}${(++last).toString(36)}`;
}

/**
 * @param open opens the journal, whose lines go to the function it is given
 * @param startMs when the session began
 */
export async function openSliceLedger(
  sliceCount: number,
  startMs: number,
  newHolder: () => string,
  open: (onLine: (line: string) => void) => Promise<Journal>,
): Promise<{ ledger: SliceLedger; journal: Journal }> {
  const stored = createSliceSet(sliceCount);
  const verified = createSliceSet(sliceCount);
  const held = new Map<number, Holding>();
  let lastActiveMs = startMs;
  /** The holder whose record of a slice has not been read back yet. */
  let recording: string | undefined;

  function read(line: string): void {
    const match = LINE.exec(line);
    const index = Number(match?.[1]);
    if (!match || index >= sliceCount || stored.has(index)) return;
    const [, , sign, word = '', other] = match;
    const current = held.get(index);
    if (sign === '+') {
      if ((current?.holder ?? '-') !== other) return;
      held.set(index, { holder: word, seenAtMs: performance.now(), isWanted: current?.isWanted ?? false });
    } else if (sign === '?') {
      if (current) current.isWanted = true;
    } else if (sign === 'x') {
      if (current?.holder === word) held.delete(index);
    } else if (other === undefined || other === current?.holder) {
      held.delete(index);
      stored.add(index);
      if (sign === 'v') verified.add(index);
      lastActiveMs = Math.max(lastActiveMs, Number(word));
      if (other === recording) recording = undefined;
    }
  }

  const journal = await open(read);

  function write(line: string): void {
    journal.append(line);
    journal.refresh();
  }

  function createLease(index: number, holder: string): Lease {
    const isMine = () => held.get(index)?.holder === holder;
    return {
      isFresh: () => isMine() && performance.now() < (held.get(index) as Holding).seenAtMs + LEASE_MS / 2,
      isWanted: () => isMine() && (held.get(index) as Holding).isWanted,
      renew() {
        journal.refresh();
        if (!isMine()) return false;
        write(`${index} + ${holder} ${holder}`);
        return isMine();
      },
      record({ verified, atMs }) {
        if (!isMine()) return false;
        recording = holder;
        write(`${index} ${verified ? 'v' : '-'} ${Math.round(atMs)} ${holder}`);
        return recording === undefined;
      },
      release() {
        if (isMine()) write(`${index} x ${holder}`);
      },
    };
  }

  const ledger: SliceLedger = {
    stored,
    verified,
    get lastActiveMs() {
      return lastActiveMs;
    },
    refresh: () => journal.refresh(),
    take(index) {
      // Only a slice that nobody is known to have can be asked for without another look: whoever comes second does not get it.
      if (held.has(index) || stored.has(index)) journal.refresh();
      const current = held.get(index);
      if (stored.has(index) || (current && performance.now() < current.seenAtMs + LEASE_MS)) return undefined;
      const holder = newHolder();
      write(`${index} + ${holder} ${current?.holder ?? '-'}`);
      return held.get(index)?.holder === holder ? createLease(index, holder) : undefined;
    },
    wish: (index) => write(`${index} ? ${newHolder()}`),
  };
  return { ledger, journal };
}
