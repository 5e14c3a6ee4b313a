import { systemClock } from '../clock.ts';
import { createExchange } from '../exchange/exchange.ts';
import { trafficOf } from '../exchange/traffic.ts';
import { onAbort } from '../on-abort.ts';
import { parseOptionsFor, type UploadOptions } from '../options/options.ts';
import type { Platform, Source } from '../ports.ts';
import type { Wire } from '../protocol/wire.ts';
import type { Detours } from './detours.ts';
import { createGuard } from './guard.ts';
import { createNotifier } from './notifier.ts';
import { type Command, plan } from './plan.ts';
import { createReconciler } from './reconciler.ts';
import type { Recorded, Recorder } from './recorder.ts';
import { initialState, isOver, type Over, type UploadEvent, type UploadState } from './state.ts';
import { create, discard, fail, list, succeed } from './steps.ts';
import { createTally } from './tally.ts';
import { createTasks, type Tasks } from './tasks.ts';
import { transition } from './transition.ts';
import type { Upload, UploadResult, UploadSnapshot } from './upload.ts';
import { viewUpload } from './view.ts';
import type { WhenTaken } from './when-taken.ts';

/** Why what belongs to an upload ends. Made once: an error of its own for each would cost more than the rest. */
const OVER = new Error('over');

/** How long an upload that has ended waits for what closes, unlocks and forgets. */
const TIDY_MS = 5_000;

/** What most uploads do without: it is asked for when it comes to it, so that pages can load it then. */
export interface Late {
  /** The wire that is spoken when the options name none. */
  readonly wire: Wire;
  /** Absent: nothing is remembered. One that cannot be loaded is done without, unless that may be for want of a network. */
  readonly recorder?: ((recorded: Recorded) => Promise<Recorder>) | undefined;
  /** Asked again and again: undefined until it is there. It must be before the source is open, where `overwrite` is a word. */
  whenTaken(): WhenTaken | undefined;
  /** One that cannot be loaded is asked for again, as long as its failure has the remedy `backoff`; then it is done without. */
  readonly detours: () => Promise<{ readonly detours: Detours }>;
}

/**
 * Starts an upload. `createUpload` does so with everything at hand.
 *
 * @param openSource opens what is uploaded, when its turn has come; its failure is the upload's, but one whose remedy is
 *   `backoff` is tried again. It calls `moved` while it is right that it takes long.
 * @param sizeBytes of the source where it is known before, to be shown until then
 * @throws CosSliceError `invalid-options`, at once, with every issue
 */
export function startUpload<C>(
  openSource: (signal: AbortSignal, moved: () => void) => Promise<Source<C>>,
  options: UploadOptions,
  platform: Platform<C>,
  late: Late,
  sizeBytes = 0,
): Upload {
  const config = parseOptionsFor(options, late.wire);
  const { sliceSizeBytes, singleRequestMaxBytes, integrity, overwrite, onConflict, retry, timeouts } = config;
  const { limiter, signal, signer, wire, onProgress } = config;
  const { transport, hasher, network, clock = systemClock, random = Math.random } = platform;
  const whenTaken = (): WhenTaken | undefined => (typeof overwrite === 'string' ? late.whenTaken() : undefined);
  /** By its name as it is now. */
  const path = (): string => whenTaken()?.pathOf(config.path, state) ?? config.path;
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
    bandwidth: config.bandwidth,
    life: life.signal,
  });
  const guard = createGuard(clock, timeouts.noProgressMs, life.signal);
  let recorder: Recorder | undefined;
  let forgetful = !late.recorder;
  let detours: Detours | undefined;
  const tally = createTally();
  const job = {
    sizeBytes,
    sliceSizeBytes,
    singleMaxBytes: singleRequestMaxBytes,
    sizes: config.wire.traits,
    hidesSessions: !config.wire.traits.detectsUnfinished,
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
      resumable: recorder ? recorder.resumable : !forgetful,
      nowMs: nowMs(),
    });
  const { notify, subscribe } = createNotifier(nowMs, look);
  const moved = (): void => {
    tally.advance(state, nowMs());
    notify(false);
  };

  const decide = (before: UploadState, event: UploadEvent): UploadState => transition(before, event, detours);
  const plain = { transition: decide, list, create, discard, succeed, fail };
  const note = (event: UploadEvent): void => {
    const before = state;
    state = whenTaken()?.transition(plain, before, event) ?? decide(before, event);
    if (state === before) return;
    if (!isOver(state)) recorder?.keep(state);
    else if (state.phase === 'failed') recorder?.failed(state.reached, state.error);
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

  const tasks: Tasks<C> = createTasks({
    config,
    clock,
    hasher,
    exchange,
    tally,
    guard,
    owner: seat,
    openSource,
    recorder: () => recorder,
    async loadRecorder() {
      const wasOnline = online();
      try {
        recorder ??= await late.recorder?.({ config, url: exchange.url, clock, guard, source: () => tasks.source });
      } catch (error) {
        // Offline, when code cannot be loaded either, there is time for it.
        if (!wasOnline || !online()) throw error;
        forgetful = true;
      }
      return recorder;
    },
    async loadDetours() {
      detours ??= (await late.detours()).detours;
      return detours;
    },
    state: () => state,
    note,
    moved,
    online,
    random,
  });
  const reconciler = createReconciler<Command, UploadEvent>({
    clock,
    plan: () => [...plan(state, { concurrency: limiter.limit }, nowMs()), ...(detours?.plan(state) ?? [])],
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
      await recorder?.close(over.phase === 'done').catch(() => {});
      await tasks.source?.close?.().catch(() => {});
    };
    await Promise.race([tidy(), clock.sleep(TIDY_MS, tidying.signal)]);
    tidying.abort(OVER);
    limiter.seats?.leave(seat);
    life.abort(OVER);
    notify(true);
    if (over.phase !== 'done') return reject(over.phase === 'failed' ? over.error : over.reason);
    const { location, instant, sha, reached, skipped = false } = over;
    const { resumedBytes } = reached;
    resolve({ ...location, path: path(), skipped, instant, resumedBytes, sentBytes: tally.sentBytes, sha1: sha });
  };

  const cancel = (): void => dispatch({ type: 'cancelled', reason: signal?.reason });
  const unsubscribe = [
    signal && onAbort(signal, cancel),
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
