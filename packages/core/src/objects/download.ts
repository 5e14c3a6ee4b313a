import { CosSliceError, isCosSliceError } from '../errors.ts';
import { createWatchdog } from '../exchange/watchdog.ts';
import { onAbort } from '../on-abort.ts';
import { oneLine } from '../one-line.ts';
import type { Config } from '../options/options.ts';
import type { ByteRange, Clock, StreamedResponse, Transport } from '../ports.ts';
import type { FileEntry } from '../protocol/entry.ts';
import { createNotifier } from '../upload/notifier.ts';
import { objectsOf, type Performer } from './perform.ts';
import { linked, type Persist } from './persist.ts';
import { gapsOf } from './ranges.ts';
import { receive } from './receive.ts';

/** What is downloaded, as far as anybody can tell one object from another that comes to its path. */
export interface ObjectFacts {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha1?: string | undefined;
  /** Epoch ms. */
  readonly modifiedAtMs?: number | undefined;
}

/** Where a download goes. */
export interface Sink {
  /** It takes bytes from the first to the last only. */
  readonly ordered: boolean;
  /**
   * It takes them in its own time (a stream that somebody reads), or sees to itself: it may take as long as it likes. Anything
   * else that comes to no end in three times `timeouts.noProgressMs` is taken to hang.
   */
  readonly unhurried?: boolean | undefined;
  /**
   * Makes ready for an object; again after a `discard`.
   *
   * @returns what an earlier run has kept of this very object, and its ETag then
   * @throws CosSliceError `exists`, `target-unwritable`, `locked`; `signal.reason` when aborted
   */
  open(
    facts: ObjectFacts,
    signal: AbortSignal,
  ): Promise<{ readonly kept: readonly ByteRange[]; readonly etag?: string | undefined }>;
  write(offset: number, pieces: readonly Uint8Array[]): Promise<void>;
  /** A range has been written: it may be kept for another run. */
  keep?(range: ByteRange, etag: string | undefined): void;
  /** Nothing of what is kept is of use. */
  discard(): Promise<void>;
  /** All has come: checks it and puts it in place. @throws CosSliceError `integrity`, `exists`, `target-unwritable` */
  finish(signal: AbortSignal): Promise<void>;
  /** Ends without having finished. What is kept stays. Again when something that was given up has come to its end after all. */
  leave(reason: unknown): Promise<void>;
}

export interface DownloadProgress {
  readonly sizeBytes: number;
  /** What an earlier run had kept counts. */
  readonly receivedBytes: number;
  readonly resumedBytes: number;
  /** From 0 to 1. */
  readonly fraction: number;
}

export interface DownloadSnapshot {
  readonly phase: 'opening' | 'receiving' | 'finishing' | 'done' | 'failed' | 'cancelled';
  readonly paused: boolean;
  readonly progress: DownloadProgress;
  readonly error?: CosSliceError | undefined;
}

export interface DownloadResult {
  readonly sizeBytes: number;
  /** Bytes that an earlier run had kept. */
  readonly resumedBytes: number;
  /** In lowercase hex, where the server told it. */
  readonly sha1?: string | undefined;
}

/** A running download. Starts by itself. */
export interface Download<R extends DownloadResult = DownloadResult> {
  /** Settles once, when nothing runs any more. Rejects with a CosSliceError, or with `signal.reason` when cancelled. */
  readonly done: Promise<R>;
  readonly state: DownloadSnapshot;
  /** @returns the unsubscribe function. Called at most every 100 ms, and at every change of phase or pause. */
  subscribe(listener: (state: DownloadSnapshot) => void): () => void;
  /** Breaks off what is on its way; `resume` goes on from there. */
  pause(): void;
  resume(): void;
}

export interface DownloadOptions {
  /** Cancels. What can be kept for another run is. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Without a signature, for what everybody may read. Default true: signed. */
  readonly signed?: boolean;
}

export interface DownloadParts<C> {
  readonly config: Config;
  readonly transport: Transport<C>;
  readonly clock: Clock;
  readonly persist: Persist;
  readonly authorizeDownload: Performer<C>['authorizeDownload'];
  readonly learn: Performer<C>['learn'];
  /** @throws CosSliceError `not-found`, `wrong-kind` */
  find(signal: AbortSignal): Promise<{ readonly entry: FileEntry; readonly address: string }>;
}

/** One request carries that much, where several are under way. */
const RANGE_BYTES = 8 * 1024 * 1024;
/** Ranges under way at once, where the limiter has places. */
const WORKERS = 8;
/** So much is written at once where it need not be in order: a call for each piece would cost more than the bytes. */
const BATCH_BYTES = 512 * 1024;
/** What is received is noted in steps of that many bytes. */
const KEEP_BYTES = 1024 * 1024;
/** A sink may be silent that many times `noProgressMs`: as long as a source has in its three attempts. */
const PATIENCE = 3;
/** What has come is checked at the end; a disk that is slower is taken to hang. */
const LEAST_BYTES_PER_MS = 1000;
/** How long a sink may take to notice that it is cancelled, and to let go of what it has. */
const STRAGGLE_MS = 1000;
const TIDY_MS = 5000;
const PAUSED = Symbol('paused');
/** The server was asked for a part and sends all of it. */
const WHOLE_ONLY = Symbol('whole only');

export function createDownload<C>(sink: Sink, options: DownloadOptions, parts: DownloadParts<C>): Download {
  const { config, transport, clock, persist, authorizeDownload, learn, find } = parts;
  const { signal, signed = true, onProgress } = options;
  const life = new AbortController();
  const watchdog = createWatchdog(clock, Math.min(STRAGGLE_MS, ...Object.values(config.timeouts)), life.signal);
  let running = new AbortController();
  let paused = false;
  const waiting = new Set<() => void>();
  let phase: DownloadSnapshot['phase'] = 'opening';
  let error: CosSliceError | undefined;
  let sizeBytes = 0;
  let resumedBytes = 0;
  let receivedBytes = 0;
  let etag: string | undefined;
  let inParts = !sink.ordered;
  let writtenOffAtMs = Number.POSITIVE_INFINITY;

  const look = (): DownloadSnapshot => {
    const fraction = phase === 'done' ? 1 : sizeBytes > 0 ? receivedBytes / sizeBytes : 0;
    return { phase, paused, progress: { sizeBytes, receivedBytes, resumedBytes, fraction }, error };
  };
  const { notify, subscribe } = createNotifier(() => clock.monotonicMs(), look);
  if (onProgress) subscribe(({ progress }) => onProgress(progress));
  const enter = (next: typeof phase): void => {
    phase = next;
    notify(true);
  };

  /** What the sink does comes to an end: below a dead mount, work never does, and a stream may have nobody who reads it. */
  const bySink = <T>(work: Promise<T>, extraMs = 0): Promise<T> =>
    new Promise((resolve, reject) => {
      const limitMs = config.timeouts.noProgressMs * PATIENCE + extraMs;
      const lateAtMs = sink.unhurried ? Number.POSITIVE_INFINITY : clock.monotonicMs() + limitMs;
      const watched = {
        get deadlineMs() {
          return Math.min(lateAtMs, writtenOffAtMs);
        },
        onLate(): void {
          const stuck = `keeping what is downloaded came to no end within ${Math.ceil(limitMs / 1000)} s: something hangs`;
          const reason = signal?.aborted ? signal.reason : new CosSliceError('target-unwritable', stuck);
          reject(reason);
          const letGo = (): Promise<void> => sink.leave(reason);
          work.then(letGo, letGo).catch(() => {});
        },
      };
      watchdog.watch(watched);
      const forget = (): void => void watchdog.forget(watched);
      work.then(resolve, reject).finally(forget);
    });

  const wake = (): void => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  /** Does something again for as long as it is interrupted by pauses only. */
  const throughPauses = async <T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    for (;;) {
      signal?.throwIfAborted();
      while (paused) {
        await new Promise<void>((resolve) => waiting.add(resolve));
        signal?.throwIfAborted();
      }
      try {
        return await run(running.signal);
      } catch (cause) {
        if (cause !== PAUSED) throw cause;
      }
    }
  };

  const isSame = (one: FileEntry, other: FileEntry): boolean =>
    one.sizeBytes === other.sizeBytes &&
    one.sha1 === other.sha1 &&
    one.modifiedAt?.getTime() === other.modifiedAt?.getTime();

  /**
   * @returns how many bytes come before those that were asked for
   * @throws CosSliceError `object-changed`, or what the response stands for when it is none of a download; WHOLE_ONLY
   */
  const checkHead = async (response: StreamedResponse, from: number, to: number): Promise<number> => {
    const { status } = response;
    const isPart = status === 206;
    if (!isPart && status !== 200) throw learn(await refusalOf(response, config));
    const seen = response.header('etag');
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.header('content-range') ?? '') ?? [];
    if (etag !== undefined && seen !== undefined && seen !== etag) throw changed();
    if (isPart && total !== undefined && Number(total) !== sizeBytes) throw changed();
    if (!isPart && inParts && (from > 0 || to < sizeBytes)) throw WHOLE_ONLY;
    // It may be the answer to `If-Range` for another object.
    if (!isPart && from > 0 && etag !== undefined && seen === undefined) throw changed();
    if (isPart && first !== undefined && Number(first) !== from) {
      throw new CosSliceError('bad-reply', 'the server sends another part than the one that was asked for');
    }
    etag ??= seen;
    return isPart ? 0 : from;
  };

  const receiveRange = async (range: ByteRange, entry: FileEntry, address: string): Promise<void> => {
    const end = range.offset + range.length;
    let at = range.offset;
    let keptTo = range.offset;
    let refused: string | undefined;
    let isInterrupted = false;
    const keep = (leastBytes: number): void => {
      if (at - keptTo < leastBytes) return;
      sink.keep?.({ offset: keptTo, length: at - keptTo }, etag);
      keptTo = at;
    };
    let pieces: Uint8Array[] = [];
    let unwrittenBytes = 0;
    const flush = async (): Promise<void> => {
      if (unwrittenBytes === 0) return;
      const batch = pieces;
      const batchBytes = unwrittenBytes;
      pieces = [];
      unwrittenBytes = 0;
      await bySink(sink.write(at, batch));
      at += batchBytes;
      keep(KEEP_BYTES);
    };
    await throughPauses((pausable) =>
      persist(
        async ({ attempt, controller, moved }) => {
          if (at === end) return;
          // Without an ETag, only asking tells whether it still is the same.
          if (isInterrupted && etag === undefined) {
            const { entry: now } = await find(controller.signal);
            if (!isSame(entry, now)) throw changed();
          }
          isInterrupted = true;
          const isWhole = at === 0 && end === sizeBytes;
          const request = signed
            ? await authorizeDownload(entry.path, address, controller.signal, refused)
            : ({ method: 'GET', url: address } as const);
          // It would cost pages a preflight, which show no progress of what they send this way.
          const strong = etag !== undefined && !etag.startsWith('W/') && transport.reportsProgress;
          const headers = {
            ...request.headers,
            ...(!isWhole && { Range: `bytes=${at}-${end - 1}` }),
            ...(!isWhole && strong && { 'If-Range': etag ?? '' }),
          };
          let surplusBytes = 0;
          try {
            await receive({
              transport,
              request: { ...request, headers },
              clock,
              watchdog,
              timeouts: config.timeouts,
              attempt,
              controller,
              async check(response) {
                surplusBytes = await checkHead(response, at, end);
              },
              async take(chunk) {
                const bytes = chunk.subarray(Math.min(surplusBytes, chunk.length));
                surplusBytes -= chunk.length - bytes.length;
                if (bytes.length > end - at - unwrittenBytes) throw changed();
                await config.bandwidth?.take(bytes.length, controller.signal);
                pieces.push(bytes);
                unwrittenBytes += bytes.length;
                if (sink.ordered || unwrittenBytes >= BATCH_BYTES) await flush();
                receivedBytes += bytes.length;
                moved(bytes.length);
                notify(false);
              },
            });
          } catch (cause) {
            if (isCosSliceError(cause) && cause.remedy === 'resign') {
              refused = request.authorization?.value ?? request.url;
            }
            throw cause;
          } finally {
            // Whatever has come is of use, however this ends.
            await flush();
          }
          if (at < end) {
            throw new CosSliceError('network', 'the download ended early', { remedy: 'backoff' });
          }
        },
        { signal: pausable },
      ),
    ).finally(() => keep(1));
  };

  const run = async (): Promise<string | undefined> => {
    const { entry, address } = await throughPauses((pausable) => find(pausable));
    ({ sizeBytes } = entry);
    const { path, sha1, modifiedAt } = entry;
    const facts: ObjectFacts = { path, sizeBytes, sha1, modifiedAtMs: modifiedAt?.getTime() };
    const opened = await linked(signal, (opening) => bySink(sink.open(facts, opening.signal)));
    etag = opened.etag;
    resumedBytes = receivedBytes = opened.kept.reduce((sum, { length }) => sum + length, 0);
    enter('receiving');
    const missing = gapsOf(opened.kept, sizeBytes, inParts ? RANGE_BYTES : Number.POSITIVE_INFINITY);
    const worker = async (): Promise<void> => {
      for (let next = missing.shift(); next; next = missing.shift()) await receiveRange(next, entry, address);
    };
    // The first one tells the ETag by which the others are known to be of the same object.
    const [first] = missing;
    if (first && etag === undefined) await receiveRange(missing.shift() ?? first, entry, address);
    const several = inParts && (etag !== undefined || entry.sha1 !== undefined);
    const outcomes = await Promise.allSettled(
      Array.from({ length: several ? WORKERS : 1 }, () =>
        worker().catch((cause) => {
          // What the others do is of no use any more.
          missing.length = 0;
          running.abort(cause);
          throw cause;
        }),
      ),
    );
    const failed = outcomes.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
    enter('finishing');
    await linked(signal, (finishing) => bySink(sink.finish(finishing.signal), sizeBytes / LEAST_BYTES_PER_MS));
    return entry.sha1;
  };

  const leave = async (cause: unknown): Promise<void> => {
    const isUseless = isCosSliceError(cause, 'object-changed') || isCosSliceError(cause, 'integrity');
    if (isUseless) await sink.discard().catch(() => {});
    await sink.leave(cause);
  };

  const done = (async (): Promise<DownloadResult> => {
    // Nothing happens before the caller holds the handle.
    await Promise.resolve();
    const cancel = (): void => {
      writtenOffAtMs = clock.monotonicMs() + STRAGGLE_MS;
      running.abort(signal?.reason);
      wake();
    };
    const unsubscribe = signal && onAbort(signal, cancel);
    if (signal?.aborted) cancel();
    try {
      const sha1 = await run().catch(async (cause) => {
        if (cause !== WHOLE_ONLY) throw cause;
        inParts = false;
        running = new AbortController();
        etag = undefined;
        await bySink(sink.discard());
        return run();
      });
      enter('done');
      return { sizeBytes, resumedBytes, sha1 };
    } catch (cause) {
      running.abort(cause);
      await Promise.race([leave(cause).catch(() => {}), clock.sleep(TIDY_MS, life.signal)]);
      if (signal?.aborted) {
        enter('cancelled');
        throw signal.reason;
      }
      error = isCosSliceError(cause)
        ? cause
        : new CosSliceError('target-unwritable', `what is downloaded cannot be kept: ${oneLine(cause)}`, { cause });
      enter('failed');
      throw error;
    } finally {
      unsubscribe?.();
      life.abort();
    }
  })();
  // Whoever does not look at `done` must not lose the process to it.
  done.catch(() => {});

  const isOver = (): boolean => phase === 'done' || phase === 'failed' || phase === 'cancelled';
  return {
    done,
    get state() {
      return look();
    },
    subscribe,
    pause() {
      if (paused || isOver()) return;
      paused = true;
      running.abort(PAUSED);
      notify(true);
    },
    resume() {
      if (!paused || isOver()) return;
      paused = false;
      running = new AbortController();
      wake();
      notify(true);
    },
  };
}

const MAX_REFUSAL_BYTES = 64 * 1024;

/** What a response that brings no object says. */
async function refusalOf({ status, header, body: chunks }: StreamedResponse, config: Config): Promise<CosSliceError> {
  if (status === 416) return changed();
  let body = '';
  for await (const bytes of chunks) {
    body += new TextDecoder().decode(bytes);
    if (body.length > MAX_REFUSAL_BYTES) break;
  }
  const wire = objectsOf(config);
  const reply = await wire.decode({ op: 'remove' }, { status, header, body }, wire.locate(config));
  return reply.kind === 'failed' ? reply.error : new CosSliceError('bad-reply', `HTTP ${status} brings no object`);
}

function changed(): CosSliceError {
  return new CosSliceError('object-changed', 'the object has changed since the download began: download it again');
}
