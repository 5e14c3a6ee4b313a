import type { FileHandle } from 'node:fs/promises';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { planSlice } from '../../integrity/chain-plan.ts';
import type { Checker, FileRange } from '../../integrity/checker.ts';
import { STATE_BYTES } from '../../integrity/sha1-state.ts';
import { type Checkpoints, type SessionInit, type SliceWriter, StoreError } from '../store.ts';
import { hasCode, ifPresent } from './fs-errors.ts';
import { openJournal } from './journal.ts';
import { hasFields, isText, isTextOrNothing, readJson } from './json-file.ts';
import { openSliceLedger, type SliceLedger } from './slice-ledger.ts';
import { createSliceWriters } from './slice-writers.ts';
import type { FileSpool } from './spool.ts';
import { createWriteQueue } from './write-queue.ts';

export const FILES = { meta: 'meta.json', data: 'data', journal: 'journal', checkpoints: 'checkpoints' } as const;

/** What `meta.json` holds. */
export interface SessionMeta extends SessionInit {
  readonly id: string;
  /** Distance of the states in the file `checkpoints`, if there is one. */
  readonly checkpointStepBytes?: number | undefined;
}

/** The open files of a session. */
export interface SessionFiles {
  readonly data: FileHandle;
  readonly ledger: SliceLedger;
  /** Whether the session still is where these files were opened. */
  isInPlace(): boolean;
  /** Opens a writer that calls `release` when it needs the files no longer. */
  openSlice(index: number, release: () => void): Promise<SliceWriter>;
  close(): Promise<void>;
}

/** What the files of a session need from the store around them. */
export interface FilesHost {
  readonly fsync: boolean;
  readonly checker: Checker;
  /** Names who holds a lease. */
  newHolder(): string;
  newSpool(): Promise<FileSpool>;
}

/** @throws StoreError `gone` when the session that `meta` describes is not in the directory */
export async function openSessionFiles(dir: string, meta: SessionMeta, host: FilesHost): Promise<SessionFiles> {
  const data = await open(join(dir, FILES.data), 'r+').catch((error) => {
    throw hasCode(error, 'ENOENT') ? new StoreError('gone', { cause: error }) : error;
  });
  try {
    const checkpoints = await readCheckpoints(dir, meta);
    const { ledger, journal } = await openSliceLedger(sliceCountOf(meta), meta.createdAtMs, host.newHolder, (onLine) =>
      openJournal(join(dir, FILES.journal), onLine),
    );
    // Read last: when this is the session's, everything that was opened before is, too.
    if ((await readMeta(dir))?.id !== meta.id) {
      await journal.close();
      throw new StoreError('gone');
    }

    const planOf = (index: number) => planSlice(meta, checkpoints, index);
    function checkAlive(): void {
      if (!journal.isInPlace()) throw new StoreError('gone');
    }

    return {
      data,
      ledger,
      isInPlace: () => journal.isInPlace(),
      openSlice: createSliceWriters({
        sizeBytes: meta.sizeBytes,
        sliceSizeBytes: meta.sliceSizeBytes,
        data,
        queue: createWriteQueue(data),
        ledger,
        newSpool: host.newSpool,
        async verify(index: number, range: FileRange, md5: string | undefined) {
          const chain = planOf(index);
          if (!chain && md5 === undefined) return false;
          if (!(await host.checker.matches(range, { chain, md5 }))) throw new StoreError('mismatch');
          return chain?.coversSlice ?? false;
        },
        async force() {
          if (host.fsync) await Promise.all([data.datasync(), journal.sync()]);
        },
        isProof: (index, md5) => md5 !== undefined || (planOf(index)?.coversSlice ?? false),
        async record(lease, entry) {
          if (host.fsync) await data.datasync();
          if (!lease.record(entry)) return false;
          if (host.fsync) await journal.sync();
          checkAlive();
          return true;
        },
        checkAlive,
      }),
      async close() {
        await Promise.all([data.close(), journal.close()]);
      },
    };
  } catch (error) {
    await data.close();
    throw error;
  }
}

export function sliceCountOf({ sizeBytes, sliceSizeBytes }: SessionMeta): number {
  return Math.ceil(sizeBytes / sliceSizeBytes);
}

/** No SHA-1 has such a state, and a power failure leaves such bytes. */
const NO_STATE = Buffer.alloc(STATE_BYTES);

/** Undefined also when a power failure has left less than there was: without them, finishing reads the whole file. */
async function readCheckpoints(
  dir: string,
  { sizeBytes, checkpointStepBytes: stepBytes }: SessionMeta,
): Promise<Checkpoints | undefined> {
  if (stepBytes === undefined) return undefined;
  const states = await ifPresent(readFile(join(dir, FILES.checkpoints)));
  const count = Math.max(0, Math.ceil(sizeBytes / stepBytes) - 1);
  if (states?.length !== count * STATE_BYTES || states.includes(NO_STATE)) return undefined;
  return { stepBytes, states };
}

export async function readMeta(dir: string): Promise<SessionMeta | undefined> {
  return readJson(join(dir, FILES.meta), isMeta);
}

function isMeta(value: unknown): value is SessionMeta {
  const isCount = (field: unknown) => Number.isSafeInteger(field) && (field as number) >= 0;
  return hasFields(value, {
    id: isText,
    target: (field) => hasFields(field, { appId: isText, bucket: isText, path: isText }),
    sizeBytes: isCount,
    sliceSizeBytes: (field) => isCount(field) && field !== 0,
    overwrite: (field) => typeof field === 'boolean',
    createdAtMs: Number.isFinite,
    sha: isTextOrNothing,
    attributes: isTextOrNothing,
    checkpointStepBytes: (field) => field === undefined || isCount(field),
  });
}
