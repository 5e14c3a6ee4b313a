import { systemClock } from '../clock.ts';
import { createExchange } from '../exchange/exchange.ts';
import { trafficOf } from '../exchange/traffic.ts';
import { parseOptions, type UploadOptions } from '../options/options.ts';
import type { Platform, Source } from '../ports.ts';
import { createGuard } from './guard.ts';
import { createNotifier } from './notifier.ts';
import { type Command, plan } from './plan.ts';
import { createReconciler } from './reconciler.ts';
import { createRecorder } from './recorder.ts';
import { initialState, isOver, type Over, type UploadEvent, type UploadState } from './state.ts';
import { createTally } from './tally.ts';
import { createTasks } from './tasks.ts';
import { PLAIN, transition } from './transition.ts';
import type { Upload, UploadResult, UploadSnapshot } from './upload.ts';
import { viewUpload } from './view.ts';
import type { WhenTaken } from './when-taken.ts';

/** What uploads may do when something is at their path is code of its own, which pages load when they need it. */
export interface UploadPlatform<C> extends Platform<C> {
  /** Asked again and again: undefined until it is there. It must be before the source is open, where `overwrite` is a word. */
  whenTaken(): WhenTaken | undefined;
}

/** How long an upload that has ended waits for what closes, unlocks and forgets. */
const TIDY_MS = 5_000;

/**
 * Starts an upload.
 *
 * @param openSource opens what is uploaded, when its turn has come; its failure is the upload's, but one whose remedy is
 *   `backoff` is tried again
 * @param sizeBytes of the source where it is known before, to be shown until then
 * @throws CosSliceError `invalid-options`, at once, with every issue
 */
export function createUpload<C>(
  openSource: (signal: AbortSignal) => Promise<Source<C>>,
  options: UploadOptions,
  platform: UploadPlatform<C>,
  sizeBytes = 0,
): Upload {
  const config = parseOptions(options);
  const { sliceSizeBytes, singleRequestMaxBytes, integrity, overwrite, onConflict, retry, timeouts } = config;
  const { limiter, signal, signer, wire, onProgress } = config;
  const { transport, hasher, network, clock = systemClock, random = Math.random } = platform;
  /** By its name as it is now. */
  const path = (): string => platform.whenTaken()?.pathOf(config.path, state) ?? config.path;
  /** Aborted when all is over. */
  const life = new AbortController();
  const nowMs = (): number => clock.monotonicMs();
  const online = (): boolean => network?.online() ?? true;

  const exchange = createExchange({
    wire,
    target: {
      ...config,
      get path() {
        return path();
      },
    },
    transport,
    signer,
    clock,
    timeouts,
    traffic: trafficOf(limiter),
    life: life.signal,
  });
  const guard = createGuard(clock, timeouts.noProgressMs, life.signal);
  const recorder = createRecorder({ config, url: exchange.url, clock, guard });
  const tally = createTally();
  const job = {
    sizeBytes,
    sliceSizeBytes,
    singleMaxBytes: singleRequestMaxBytes,
    integrity,
    overwrite,
    onConflict,
    retry,
  };
  let state = initialState(job, { online: online(), seated: !limiter.seats });
  let ending = false;

  const look = (): UploadSnapshot =>
    viewUpload(state, tally, {
      requests: exchange.requests,
      signatures: exchange.signatures,
      concurrency: limiter.limit,
      resumable: recorder.resumable,
      nowMs: nowMs(),
    });
  const { notify, subscribe } = createNotifier(nowMs, look);
  const moved = (): void => {
    tally.advance(state, nowMs());
    notify(false);
  };

  const note = (event: UploadEvent): void => {
    const before = state;
    state = platform.whenTaken()?.transition(PLAIN, before, event) ?? transition(before, event);
    if (state === before) return;
    recorder.keep(state);
    tally.advance(state, nowMs());
    notify(isSwitched(before, state));
  };
  const settle = (): void => {
    if (ending) return;
    reconciler.reconcile();
    takeSeat();
    if (isOver(state) && reconciler.busy === 0) end(state);
  };
  const dispatch = (event: UploadEvent): void => {
    note(event);
    settle();
  };

  const seat = { enter: () => dispatch({ type: 'seated' }) };
  /** A place among those that share the limiter is held while there is something to do. */
  const takeSeat = (): void => {
    if (isOver(state) || !limiter.seats) return;
    if (state.pausedAtMs === undefined) {
      if (!state.seated) limiter.seats.join(seat);
    } else if (reconciler.busy === 0) {
      limiter.seats.leave(seat);
      note({ type: 'unseated' });
    }
  };

  const tasks = createTasks({
    config,
    clock,
    hasher,
    exchange,
    recorder,
    tally,
    guard,
    owner: seat,
    openSource,
    job: () => state.job,
    note,
    moved,
    online,
    random,
  });
  const reconciler = createReconciler<Command, UploadEvent>({
    clock,
    plan: () => plan(state, { concurrency: limiter.limit }, nowMs()),
    run: tasks.run,
    fail: tasks.fail,
    emit: (event) => (event ? dispatch(event) : settle()),
  });

  let resolve: (result: UploadResult) => void;
  let reject: (reason: unknown) => void;
  const done = new Promise<UploadResult>((...both) => {
    [resolve, reject] = both;
  });
  // Whoever does not look at `done` must not lose the process to it.
  done.catch(() => {});

  const end = async (over: Over): Promise<void> => {
    ending = true;
    const tidying = new AbortController();
    const tidy = async (): Promise<void> => {
      await recorder.close(over.phase === 'done').catch(() => {});
      await tasks.source?.close?.().catch(() => {});
    };
    await Promise.race([tidy(), clock.sleep(TIDY_MS, tidying.signal)]);
    tidying.abort();
    limiter.seats?.leave(seat);
    life.abort();
    notify(true);
    if (over.phase !== 'done') return reject(over.phase === 'failed' ? over.error : over.reason);
    const { location, instant, sha, reached, skipped = false } = over;
    const { resumedBytes } = reached;
    resolve({ ...location, path: path(), skipped, instant, resumedBytes, sentBytes: tally.sentBytes, sha1: sha });
  };

  const cancel = (): void => dispatch({ type: 'cancelled', reason: signal?.reason });
  signal?.addEventListener('abort', cancel, { signal: life.signal });
  const unsubscribe = [
    limiter.subscribe(settle),
    network?.subscribe(() => dispatch(online() ? { type: 'online' } : { type: 'offline', nowMs: nowMs() })),
  ];
  life.signal.addEventListener('abort', () => {
    for (const undo of unsubscribe) undo?.();
  });
  if (onProgress) subscribe(({ progress }) => onProgress(progress));
  // Nothing happens before the caller holds the handle.
  Promise.resolve().then(signal?.aborted ? cancel : settle);

  return {
    done,
    get state() {
      return look();
    },
    subscribe,
    pause: () => dispatch({ type: 'paused', nowMs: nowMs() }),
    resume: () => dispatch({ type: 'resumed' }),
  };
}

/** A change that nobody should hear of late: of phase, pause, network or place. */
function isSwitched(before: UploadState, after: UploadState): boolean {
  if (before.phase !== after.phase || isOver(before) || isOver(after)) return true;
  return (
    before.seated !== after.seated ||
    (before.pausedAtMs === undefined) !== (after.pausedAtMs === undefined) ||
    (before.probeAtMs === undefined) !== (after.probeAtMs === undefined)
  );
}
