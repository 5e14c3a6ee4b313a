import { setMaxListeners } from 'node:events';
import { CosSliceError, createNotifier, isCosSliceError, onAbort, systemClock } from '@cos-slice/core';
import { atMost, untilAborted } from '../waiting.ts';
import { createRate } from './rate.ts';
import type { ActiveFile, DirectoryEvent, DirectoryOptions, DirectoryProgress, DirectoryTransfer } from './types.ts';
import type { ProblemReason } from './walk.ts';

/** A file that is being transferred: an upload or a download. */
export interface Moving {
  readonly done: Promise<{ readonly resumedBytes: number; readonly skipped?: boolean }>;
  /** Bytes that are through, and those of them that this run has moved; whether another run could go on with it. */
  look(): { readonly doneBytes: number; readonly movedBytes: number; readonly resumable: boolean };
  pause(): void;
  resume(): void;
}

/** What both directions work with. */
export interface Work {
  readonly signal: AbortSignal;
  readonly dryRun: boolean;
  /** A file that takes part has been found. */
  found(sizeBytes: number): void;
  skipped(path: string, sizeBytes: number): void;
  created(path: string): void;
  deleted(path: string): void;
  problem(path: string, reason: ProblemReason, code?: string): void;
  /** Transfers one file. Its failure is noted, and thrown no further. What has begun comes to its end, also when all is cancelled. */
  move(path: string, sizeBytes: number, start: () => Moving): Promise<boolean>;
  /** Runs something about an entry; its failure is noted. */
  attempt(path: string, run: () => Promise<void>): Promise<void>;
}

export interface TransferOptions<Entry> extends DirectoryOptions {
  readonly filesAtOnce: number;
  entries(work: Work): AsyncGenerator<Entry, void, undefined>;
  /** Deals with one entry. What it throws ends the transfer. */
  handle(entry: Entry, work: Work): Promise<void>;
  /** Finds out how much there is in all. */
  countAll(add: (sizeBytes: number) => void, signal: AbortSignal): Promise<void>;
  /** Removes what is on the target's side only. */
  removeExtra(work: Work): Promise<void>;
}

const MOST_FAILURES = 100;
const TICK_MS = 200;
/** A walk that was broken off may take so long to close what it has open, in ms: below a dead mount it never does. */
const CLOSE_MS = 1_000;

/** Transfers what a walk finds, so many files at once, and keeps of each no more than it needs while it is under way. */
export function createTransfer<Entry>(options: TransferOptions<Entry>): DirectoryTransfer {
  const { filesAtOnce, onFailure = 'stop', strict = false, deleteExtra = false, dryRun = false } = options;
  const { signal, onEntry, onProgress } = options;
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const moves = new Set<Promise<unknown>>();
  const active = new Map<string, { readonly sizeBytes: number; readonly moving: Moving }>();
  const failures: { path: string; error: Error }[] = [];
  const rate = createRate();
  const counts = { created: 0, deleted: 0, problems: 0, failed: 0, movedBytes: 0 };
  const amounts = { found: none(), counted: none(), transferred: none(), skipped: none() };
  let failedBytes = 0;
  /** What has failed. */
  let resumable = true;
  let phase: DirectoryProgress['phase'] = 'running';
  let isCounted = false;
  let paused = false;
  let wake = (): void => {};
  let gate: Promise<void> = Promise.resolve();

  const look = (): DirectoryProgress => {
    const { transferred, skipped } = amounts;
    const found = options.count && isCounted && phase !== 'done' ? amounts.counted : amounts.found;
    let doneBytes = transferred.bytes + skipped.bytes + failedBytes;
    let movedBytes = counts.movedBytes;
    let allResumable = resumable;
    const lines: ActiveFile[] = [];
    for (const [path, { sizeBytes, moving }] of active) {
      const moved = moving.look();
      doneBytes += moved.doneBytes;
      movedBytes += moved.movedBytes;
      allResumable &&= moved.resumable;
      const fraction = sizeBytes > 0 ? moved.doneBytes / sizeBytes : 0;
      lines.push({ path, sizeBytes, doneBytes: moved.doneBytes, fraction });
    }
    const bytesPerSecond = rate.read(movedBytes);
    const isKnown = isCounted && found.bytes >= doneBytes;
    const files = transferred.files + skipped.files + counts.failed;
    const share = found.bytes > 0 ? doneBytes / found.bytes : found.files > 0 ? files / found.files : 1;
    return {
      phase,
      paused,
      found,
      isCounted,
      transferred,
      skipped,
      ...counts,
      movedBytes,
      resumable: allResumable,
      doneBytes,
      fraction: phase === 'done' ? 1 : isKnown ? share : undefined,
      bytesPerSecond,
      etaMs:
        isKnown && bytesPerSecond > 0 ? Math.round(((found.bytes - doneBytes) / bytesPerSecond) * 1000) : undefined,
      active: lines,
    };
  };
  const { notify, subscribe } = createNotifier(systemClock.monotonicMs, look);
  const tell = (event: DirectoryEvent): void => {
    onEntry?.(event);
    notify(false);
  };
  const enter = (next: typeof phase): void => {
    phase = next;
    notify(true);
  };

  const fail = (path: string, error: Error): void => {
    counts.failed += 1;
    if (failures.length < MOST_FAILURES) failures.push({ path, error });
    tell({ type: 'failed', path, error });
    if (onFailure === 'stop') stop.abort(error);
  };
  const report = (path: string, cause: unknown): void => {
    if (stop.signal.aborted) return;
    const gone = omission(cause);
    if (gone) return work.problem(path, ...gone);
    fail(path, cause instanceof Error ? cause : new Error(String(cause)));
  };
  const add = (amount: keyof typeof amounts, sizeBytes: number): void => {
    const { files, bytes } = amounts[amount];
    amounts[amount] = { files: files + 1, bytes: bytes + sizeBytes };
  };

  const move = async (path: string, sizeBytes: number, start: () => Moving): Promise<boolean> => {
    let moving: Moving | undefined;
    try {
      moving = start();
      active.set(path, { sizeBytes, moving });
      if (paused) moving.pause();
      const { resumedBytes, skipped = false } = await moving.done;
      counts.movedBytes += moving.look().movedBytes;
      active.delete(path);
      if (skipped) work.skipped(path, sizeBytes);
      else {
        add('transferred', sizeBytes);
        tell({ type: 'transferred', path, sizeBytes, resumedBytes });
      }
      return true;
    } catch (error) {
      const left = moving?.look();
      counts.movedBytes += left?.movedBytes ?? 0;
      // What a changed file has left behind, the next run removes.
      if (!isCosSliceError(error, 'source-changed')) resumable &&= left?.resumable ?? true;
      failedBytes += sizeBytes;
      active.delete(path);
      report(path, error);
      return false;
    }
  };

  const work: Work = {
    signal: stop.signal,
    dryRun,
    found: (sizeBytes) => add('found', sizeBytes),
    skipped(path, sizeBytes) {
      add('skipped', sizeBytes);
      tell({ type: 'skipped', path, sizeBytes });
    },
    created(path) {
      counts.created += 1;
      tell({ type: 'created', path });
    },
    deleted(path) {
      counts.deleted += 1;
      tell({ type: 'deleted', path });
    },
    problem(path, reason, code) {
      const message = `${JSON.stringify(path)} ${MESSAGES[reason]}${code === undefined ? '' : ` (${code})`}`;
      if (strict) return fail(path, new CosSliceError('source-unreadable', message));
      counts.problems += 1;
      tell({ type: 'problem', path, reason, message });
    },
    async attempt(path, run) {
      try {
        await run();
      } catch (error) {
        report(path, error);
      }
    },
    move(path, sizeBytes, start) {
      const moved = move(path, sizeBytes, start).finally(() => moves.delete(moved));
      moves.add(moved);
      return moved;
    },
  };

  const run = async (): Promise<void> => {
    const entries = options.entries(work);
    const worker = async (): Promise<void> => {
      for (;;) {
        await gate;
        stop.signal.throwIfAborted();
        const next = await untilAborted(entries.next(), stop.signal);
        if (next.done) return;
        await untilAborted(options.handle(next.value, work), stop.signal);
      }
    };
    const outcomes = await Promise.allSettled(
      Array.from({ length: filesAtOnce }, () =>
        worker().catch((error) => {
          stop.abort(error);
          throw error;
        }),
      ),
    );
    await Promise.all(moves);
    await atMost(CLOSE_MS, entries.return());
    const failed = outcomes.find((one) => one.status === 'rejected');
    if (failed) throw stop.signal.aborted ? stop.signal.reason : failed.reason;
    stop.signal.throwIfAborted();
    isCounted = true;
    if (!deleteExtra || counts.failed > 0) return;
    enter('deleting');
    await untilAborted(options.removeExtra(work), stop.signal);
    stop.signal.throwIfAborted();
  };

  const done = (async () => {
    // Nothing happens before the caller holds the handle.
    await Promise.resolve();
    const cancel = (): void => stop.abort(signal?.reason);
    stop.signal.addEventListener('abort', () => wake());
    // What is under way moves between what is told of it.
    const ticking = setInterval(() => notify(false), TICK_MS);
    const leave = signal && onAbort(signal, cancel);
    if (signal?.aborted) cancel();
    try {
      if (options.count) {
        const counting = options.countAll((sizeBytes) => add('counted', sizeBytes), stop.signal);
        counting.then(
          () => {
            isCounted = true;
            notify(false);
          },
          // The walk itself tells what is wrong.
          () => {},
        );
      }
      await run();
      const { transferred, skipped } = amounts;
      enter('done');
      return { transferred, skipped, ...counts, failures };
    } catch (error) {
      stop.abort(error);
      enter(signal?.aborted ? 'cancelled' : 'failed');
      throw signal?.aborted ? signal.reason : toFailure(error);
    } finally {
      clearInterval(ticking);
      leave?.();
    }
  })();
  // Whoever does not look at `done` must not lose the process to it.
  done.catch(() => {});
  if (onProgress) subscribe(onProgress);

  return {
    done,
    get state() {
      return look();
    },
    subscribe,
    pause() {
      if (paused) return;
      paused = true;
      gate = new Promise((resolve) => {
        wake = resolve;
      });
      for (const { moving } of active.values()) moving.pause();
      notify(true);
    },
    resume() {
      if (!paused) return;
      paused = false;
      wake();
      for (const { moving } of active.values()) moving.resume();
      notify(true);
    },
  };
}

const MESSAGES: Readonly<Record<ProblemReason, string>> = {
  symlink: 'is a symbolic link: followSymlinks would follow it',
  'symlink-loop': 'is a symbolic link that leads to where it is',
  special: 'is no file: a socket, a pipe or a device',
  name: 'has a name that cannot be on the other side: rename it',
  unreadable: 'may not be read: check its permissions',
  vanished: 'was there a moment ago and is gone',
  'too-deep': 'is in too many directories: move it up',
};

/** Why an entry has to be left out: its name, or what became of it since it was found; undefined for other failures. */
function omission(cause: unknown): [reason: ProblemReason, code: string] | undefined {
  if (isCosSliceError(cause, 'invalid-options') && cause.issues?.every(({ option }) => option === 'path')) {
    return ['name', cause.issues.map(({ message }) => message).join('; ')];
  }
  const error = isCosSliceError(cause, 'source-unreadable') ? cause.cause : cause;
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined || syscall === 'connect') return undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') return ['vanished', code];
  return code === 'EACCES' || code === 'EPERM' || code === 'EIO' ? ['unreadable', code] : undefined;
}

/** What the system says of the directory itself. */
function toFailure(error: unknown): unknown {
  const { code, syscall, path = 'the directory' } = error as NodeJS.ErrnoException;
  if (isCosSliceError(error) || syscall === undefined) return error;
  const isThere = code !== 'ENOENT' && code !== 'ENOTDIR';
  const what = isThere ? `${path} cannot be read (${code}): check its permissions` : `there is no directory ${path}`;
  return new CosSliceError('source-unreadable', what, { cause: error });
}

function none(): { files: number; bytes: number } {
  return { files: 0, bytes: 0 };
}
