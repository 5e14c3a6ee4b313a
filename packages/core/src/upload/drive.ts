import { CosSliceError, type ErrorCode, isCosSliceError } from '../errors.ts';
import { type Config, parseOptions, type UploadOptions } from '../options.ts';
import type { AttemptReport, Clock, HashCheckpoint, Platform, ResumeRecord, Source, WireResponse } from '../ports.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import type { Operation, Reply, Target, Wire } from '../protocol/operations.ts';
import { createSignatures, type Signatures } from '../signing/signatures.ts';
import { attemptRequest, createWatchdog, type Watchdog } from './attempt.ts';
import { type Command, plan } from './plan.ts';
import { ALMOST_DONE, createMeter, type Meter, readMeter, type UploadProgress } from './progress.ts';
import { bytesIn, hasSlice, type SliceSet, sliceCount } from './slices.ts';
import { type Done, initialState, isOver, type Job, transition, type UploadEvent, type UploadState } from './state.ts';
import {
  SLICE_IN_FLIGHT,
  SLICE_RESUMED,
  SLICE_RETRYING,
  SLICE_STORED,
  type Upload,
  type UploadPhase,
  type UploadResult,
  type UploadSnapshot,
} from './upload.ts';

const NOTIFY_EVERY_MS = 100;
/** Between two hash checkpoints put into the resume store. */
const CHECKPOINT_EVERY_MS = 2000;

/** Why a piece of work was aborted when the plan no longer had it. */
const NOT_PLANNED = Symbol('not planned');

interface Work {
  readonly controller: AbortController;
  /** Bytes of content that the attempt has put on the wire. */
  sentBytes: number;
}

/**
 * Starts an upload.
 *
 * @param openSource opens what is uploaded; its failure is the upload's
 * @throws CosSliceError `invalid-options`, at once, with every issue
 */
export function createUpload<C>(
  openSource: (signal: AbortSignal) => Promise<Source<C>>,
  options: UploadOptions,
  platform: Platform<C>,
): Upload {
  return new Drive(openSource, parseOptions(options), platform);
}

/**
 * Carries out the plan: starts what is planned and not running, aborts what is running and no longer planned, and turns every
 * outcome into an event. Decides nothing itself.
 */
class Drive<C> implements Upload {
  readonly done: Promise<UploadResult>;
  readonly #settle: { resolve(result: UploadResult): void; reject(reason: unknown): void };
  readonly #config: Config;
  readonly #platform: Platform<C>;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #wire: Wire = jsonApi;
  readonly #target: Target;
  readonly #signatures: Signatures;
  readonly #watchdog: Watchdog;
  readonly #storeKey: string;
  /** Aborted when the upload has ended. */
  readonly #life = new AbortController();
  readonly #listeners = new Set<(state: UploadSnapshot) => void>();
  readonly #work = new Map<string, Work>();
  readonly #cleanup: (() => void)[] = [];

  #source: Source<C> | undefined;
  #state: UploadState;
  /** Until the source is open there is nothing to plan. */
  #ready = false;
  #settled = false;
  #unlock: (() => Promise<void>) | undefined;
  #identity: string | undefined;
  #savedRun = -1;
  #saving: Promise<void> = Promise.resolve();
  #checkpointSavedAtMs = 0;

  #sentBytes = 0;
  #requests = 0;
  #hashedBytes = 0;
  #shownFraction = 0;
  #shownConfirmedBytes = 0;
  #resumed: SliceSet | undefined;
  #meter: Meter;
  #meterPhase: UploadPhase = 'opening';
  #notifiedAtMs = Number.NEGATIVE_INFINITY;
  #notifyTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(openSource: (signal: AbortSignal) => Promise<Source<C>>, config: Config, platform: Platform<C>) {
    const { endpoint, appId, bucket, path, signer } = config;
    this.#config = config;
    this.#platform = platform;
    this.#clock = platform.clock ?? systemClock;
    this.#random = platform.random ?? Math.random;
    this.#target = { endpoint, appId, bucket, path };
    this.#storeKey = `${endpoint}/${appId}/${bucket}/${path}`;
    const { connectMs, noProgressMs, responseMs } = config.timeouts;
    this.#watchdog = createWatchdog(this.#clock, Math.min(connectMs, noProgressMs, responseMs), this.#life.signal);
    this.#signatures = createSignatures(
      signer,
      { appId, bucket, path },
      {
        clock: this.#clock,
        life: this.#life.signal,
        timeoutMs: connectMs + responseMs,
      },
    );
    this.#meter = createMeter(this.#clock.nowMs());
    this.#state = initialState(this.#job(0));
    let settle: { resolve(result: UploadResult): void; reject(reason: unknown): void } | undefined;
    this.done = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    if (!settle) throw new Error('a promise runs its executor at once');
    this.#settle = settle;
    // Whoever does not look at `done` must not lose the process to it.
    this.done.catch(() => {});

    const { signal } = config;
    if (signal) {
      const cancel = (): void => this.#dispatch({ type: 'cancelled', reason: signal.reason });
      signal.addEventListener('abort', cancel, { once: true });
      this.#cleanup.push(() => signal.removeEventListener('abort', cancel));
    }
    const { network } = platform;
    if (network) {
      const look = (): void => this.#dispatch({ type: network.online() ? 'online' : 'offline' });
      this.#cleanup.push(network.subscribe(look));
    }
    this.#cleanup.push(config.limiter.subscribe(() => this.#reconcile()));
    this.#open(openSource);
  }

  get state(): UploadSnapshot {
    const state = this.#state;
    const open = !isOver(state);
    return {
      phase: state.phase,
      paused: open && state.paused,
      online: !open || state.online,
      progress: this.#progress(),
      sliceSizeBytes: 'layout' in state ? state.layout.sliceSizeBytes : state.job.sliceSizeBytes,
      ...('session' in state && state.session ? { session: state.session.id } : {}),
      ...(state.phase === 'failed' ? { error: state.error } : {}),
      sliceMap: () => this.#sliceMap(state),
    };
  }

  subscribe(listener: (state: UploadSnapshot) => void): () => void {
    // Wrapped, so that the same function may subscribe twice.
    const entry = (state: UploadSnapshot): void => listener(state);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  pause(): void {
    this.#dispatch({ type: 'paused' });
  }

  resume(): void {
    this.#dispatch({ type: 'resumed' });
  }

  // --- the loop

  async #open(openSource: (signal: AbortSignal) => Promise<Source<C>>): Promise<void> {
    // Nothing happens before the caller holds the handle.
    await Promise.resolve();
    const { signal } = this.#config;
    if (signal?.aborted) {
      this.#ready = true;
      return this.#dispatch({ type: 'cancelled', reason: signal.reason });
    }
    const before = this.#state;
    let job = this.#job(0);
    try {
      this.#source = await openSource(this.#life.signal);
      job = this.#job(this.#source.sizeBytes);
    } catch (error) {
      this.#ready = true;
      const reason = toError(error, BLAME.open);
      return this.#enter(isOver(this.#state) ? this.#state : { phase: 'failed', job: before.job, error: reason });
    }
    this.#ready = true;
    const state = this.#state;
    if (isOver(state)) return this.#reconcile();
    const { network } = this.#platform;
    this.#enter(initialState(job, { paused: state.paused, online: network?.online() ?? true }));
  }

  #job(sizeBytes: number): Job {
    const { sliceSizeBytes, singleRequestMaxBytes, integrity, overwrite, onConflict, retry } = this.#config;
    const single = sizeBytes <= singleRequestMaxBytes || sizeBytes === 0;
    return { sizeBytes, sliceSizeBytes, single, integrity, overwrite, onConflict, retry };
  }

  #dispatch(event: UploadEvent): void {
    this.#enter(transition(this.#state, event));
  }

  #enter(next: UploadState): void {
    this.#setState(next);
    this.#reconcile();
  }

  #setState(next: UploadState): void {
    const before = this.#state;
    this.#state = next;
    if (next === before) return;
    if (next.phase === 'sending') this.#resumed ??= next.stored;
    this.#remember(next);
    const visible =
      next.phase !== before.phase || isPaused(next) !== isPaused(before) || isOnline(next) !== isOnline(before);
    this.#notify(visible);
  }

  #reconcile(): void {
    if (!this.#ready || this.#settled) {
      // Cancelled while the source is being opened: opening is what has to stop.
      if (isOver(this.#state)) this.#life.abort(NOT_PLANNED);
      return;
    }
    const commands = plan(this.#state, { concurrency: this.#config.limiter.limit }, this.#clock.nowMs());
    const planned = new Set(commands.map((command) => command.key));
    for (const [key, work] of this.#work) {
      if (!planned.has(key) && !work.controller.signal.aborted) work.controller.abort(NOT_PLANNED);
    }
    for (const command of commands) {
      const running = this.#work.get(command.key);
      // Aborted and planned again: what comes after it waits until it can start, so that slices are read in order.
      if (running?.controller.signal.aborted) break;
      if (running === undefined) this.#start(command);
    }
    if (isOver(this.#state) && this.#work.size === 0) this.#end(this.#state);
  }

  #start(command: Command): void {
    const work: Work = { controller: new AbortController(), sentBytes: 0 };
    this.#work.set(command.key, work);
    this.#run(command, work)
      .catch((error): UploadEvent | undefined => {
        if (isStopped(work)) return stopped(command);
        return command.type === 'wait' ? undefined : this.#failure(command, toError(error, BLAME[command.type]));
      })
      .then((event) => {
        this.#work.delete(command.key);
        this.#sentBytes += work.sentBytes;
        if (event) this.#dispatch(event);
        else this.#reconcile();
      });
  }

  async #run(command: Command, work: Work): Promise<UploadEvent | undefined> {
    const { signal } = work.controller;
    switch (command.type) {
      case 'wait':
        await this.#clock.sleep(Math.max(0, command.untilMs - this.#clock.nowMs()), signal);
        return undefined;
      case 'recall':
        return this.#recall(command, signal);
      case 'hash':
        return this.#hash(command, signal);
      case 'send':
        return this.#send(command, work);
      case 'finish':
        await this.#openedSource.verify?.();
        return this.#request(command, work, this.#operation(command));
      default:
        return this.#request(command, work, this.#operation(command));
    }
  }

  #operation(command: Exclude<Command, { type: 'wait' | 'recall' | 'hash' | 'send' }>): Operation<C> {
    const { overwrite, attributes, sliceSizeBytes } = this.#config;
    const { sizeBytes } = this.#state.job;
    switch (command.type) {
      case 'init':
        return {
          op: 'init',
          sizeBytes,
          sliceSizeBytes,
          overwrite,
          ...(command.hash ?? {}),
          ...(attributes === undefined ? {} : { attributes }),
        };
      case 'finish': {
        const { id, sha } = command.session;
        return { op: 'finish', session: id, sizeBytes, ...(sha === undefined ? {} : { sha }) };
      }
      default:
        return { op: command.type };
    }
  }

  async #send(command: Command & { type: 'send' }, work: Work): Promise<UploadEvent> {
    const { signal } = work.controller;
    const { range, session, run, slice } = command;
    const { integrity, overwrite, attributes } = this.#config;
    const { hasher } = this.#platform;
    return this.#withPlace(command, work, async () => {
      // The plan stays what it is: a slice is in it whether it is about to start or has started.
      this.#setState(transition(this.#state, { type: 'started', run, slice }));
      signal.throwIfAborted();
      const source = this.#openedSource;
      const content = await source.slice(range, signal);
      try {
        // One request has no field for an MD5; its SHA-1 costs little and proves as much.
        const algorithm = session ? 'md5' : 'sha1';
        const wanted = session ? integrity === 'md5' : integrity !== 'none';
        const digest = wanted ? await hasher.digest(algorithm, content, signal) : undefined;
        if (session) {
          return await this.#exchange(command, work, {
            op: 'slice',
            session: session.id,
            range,
            content,
            ...(digest === undefined ? {} : { md5: digest }),
            ...(session.sha === undefined ? {} : { sha: session.sha }),
          });
        }
        await source.verify?.();
        return await this.#exchange(command, work, {
          op: 'single',
          sizeBytes: range.length,
          content,
          overwrite,
          ...(digest === undefined ? {} : { sha: digest }),
          ...(attributes === undefined ? {} : { attributes }),
        });
      } finally {
        source.release?.(content);
      }
    });
  }

  #request(command: Command & { run: number }, work: Work, operation: Operation<C>): Promise<UploadEvent> {
    return this.#withPlace(command, work, () => this.#exchange(command, work, operation));
  }

  /** Holds one of the client's places while `use` runs, and tells the window how it went. */
  async #withPlace(
    command: Command & { run: number },
    work: Work,
    use: () => Promise<UploadEvent>,
  ): Promise<UploadEvent> {
    const leave = await this.#config.limiter.acquire(work.controller.signal);
    let report: AttemptReport = { outcome: 'neutral', bytes: 0 };
    try {
      const event = await use();
      report = reportOf(event, command);
      return event;
    } catch (error) {
      if (!isStopped(work) && isCosSliceError(error)) report = { outcome: outcomeOf(error), bytes: 0 };
      throw error;
    } finally {
      leave(report);
    }
  }

  async #exchange(command: Command & { run: number }, work: Work, operation: Operation<C>): Promise<UploadEvent> {
    const { signal } = work.controller;
    const { timeouts } = this.#config;
    const { transport } = this.#platform;
    const signature =
      operation.op === 'discard' ? await this.#signatures.once(signal) : await this.#signatures.get(signal);
    const request = this.#wire.encode(operation, this.#target, signature);
    let response: WireResponse;
    try {
      response = await attemptRequest(transport, request, {
        timeouts,
        attempt: 'attempt' in command ? command.attempt : 0,
        clock: this.#clock,
        watchdog: this.#watchdog,
        controller: work.controller,
        onSent: (totalBytes) => {
          work.sentBytes = totalBytes;
          this.#notify(false);
        },
      });
    } finally {
      this.#requests += 1;
    }
    work.sentBytes = request.content?.sizeBytes ?? 0;
    const reply = this.#wire.decode(operation, response);
    if (reply.kind !== 'failed') return this.#success(command, operation, reply);
    if (reply.error.remedy === 'resign') this.#signatures.refused(signature, reply.error.serverDateMs);
    return this.#failure(command, reply.error);
  }

  #success(
    command: Command & { run: number },
    operation: Operation<C>,
    reply: Exclude<Reply, { kind: 'failed' }>,
  ): UploadEvent {
    const slice = command.type === 'send' ? { slice: command.slice } : {};
    if (operation.op === 'slice' && reply.kind === 'stored') this.#openedSource.stored?.(operation.range);
    // Answers get lost: what the list says is stored is stored.
    if (reply.kind === 'listed') for (const range of reply.stored) this.#openedSource.stored?.(range);
    return { type: 'replied', run: command.run, reply, ...slice };
  }

  #failure(command: Command & { run: number }, error: CosSliceError): UploadEvent {
    const slice = command.type === 'send' ? { slice: command.slice } : {};
    return { type: 'failed', run: command.run, error, nowMs: this.#clock.nowMs(), random: this.#random(), ...slice };
  }

  // --- what is remembered

  async #recall(command: Command & { run: number }, signal: AbortSignal): Promise<UploadEvent> {
    const { run } = command;
    const store = this.#config.resume;
    if (store === false) return { type: 'recalled', run };
    this.#unlock ??= await store.lock?.(this.#storeKey);
    signal.throwIfAborted();
    this.#identity = await this.#openedSource.identity(signal);
    if (this.#identity === undefined) return { type: 'recalled', run };
    const record = await store.load(this.#storeKey).catch(() => undefined);
    if (!record) return { type: 'recalled', run };
    const { session, sha, finishing, hash } = record;
    if (record.identity !== this.#identity || record.sizeBytes !== this.#openedSource.sizeBytes) {
      return { type: 'recalled', run, ...(session === undefined ? {} : { foreignSession: session }) };
    }
    const checkpoint = record.sliceSizeBytes === this.#config.sliceSizeBytes ? hash : undefined;
    return {
      type: 'recalled',
      run,
      finishing: finishing === true,
      ...(session === undefined ? {} : { session }),
      ...(sha === undefined ? {} : { sha }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    };
  }

  async #hash(command: Command & { type: 'hash' }, signal: AbortSignal): Promise<UploadEvent> {
    const { run, from } = command;
    const onCheckpoint = (checkpoint: HashCheckpoint): void => {
      this.#dispatch({ type: 'checkpointed', run, checkpoint });
      if (this.#clock.nowMs() - this.#checkpointSavedAtMs < CHECKPOINT_EVERY_MS) return;
      this.#checkpointSavedAtMs = this.#clock.nowMs();
      this.#save({ sliceSizeBytes: this.#config.sliceSizeBytes, hash: checkpoint });
    };
    const hash = await this.#platform.hasher.uploadParts(this.#openedSource, this.#config.sliceSizeBytes, {
      signal,
      onCheckpoint,
      onProgress: (hashedBytes) => {
        this.#hashedBytes = hashedBytes;
        this.#notify(false);
      },
      ...(from ? { from } : {}),
    });
    this.#hashedBytes = this.#openedSource.sizeBytes;
    return { type: 'hashed', run, hash };
  }

  /** Saves a session as soon as it exists, and that finish is about to be called. */
  #remember(state: UploadState): void {
    if ((state.phase !== 'sending' && state.phase !== 'finishing') || !state.session || state.run === this.#savedRun)
      return;
    this.#savedRun = state.run;
    this.#save({
      sliceSizeBytes: state.layout.sliceSizeBytes,
      session: state.session.id,
      ...(state.sha === undefined ? {} : { sha: state.sha }),
      ...(state.phase === 'finishing' ? { finishing: true } : {}),
    });
  }

  #save(facts: Pick<ResumeRecord, 'sliceSizeBytes' | 'session' | 'sha' | 'finishing' | 'hash'>): void {
    const store = this.#config.resume;
    const identity = this.#identity;
    if (store === false || identity === undefined) return;
    const { sizeBytes } = this.#openedSource;
    const record: ResumeRecord = { version: 1, identity, sizeBytes, savedAtMs: this.#clock.nowMs(), ...facts };
    // In order, and never fatal: without the record an upload is slower to resume, not wrong.
    this.#saving = this.#saving.then(() => store.save(this.#storeKey, record)).catch(() => {});
  }

  async #end(state: UploadState & { phase: 'done' | 'failed' | 'cancelled' }): Promise<void> {
    this.#settled = true;
    this.#life.abort(NOT_PLANNED);
    for (const undo of this.#cleanup) undo();
    await this.#saving;
    const store = this.#config.resume;
    if (store !== false && state.phase === 'done' && this.#identity !== undefined) {
      await store.remove(this.#storeKey).catch(() => {});
    }
    await this.#unlock?.().catch(() => {});
    await this.#source?.close?.().catch(() => {});
    this.#notify(true);
    if (state.phase === 'done') this.#settle.resolve(this.#result(state));
    else this.#settle.reject(state.phase === 'failed' ? state.error : state.reason);
  }

  #result(state: Done): UploadResult {
    return {
      ...state.location,
      instant: state.instant,
      resumedBytes: state.resumedBytes,
      sentBytes: this.#sentBytes,
      ...(state.sha === undefined ? {} : { sha1: state.sha }),
    };
  }

  get #openedSource(): Source<C> {
    if (!this.#source) throw new Error('the source is open before anything is planned');
    return this.#source;
  }

  // --- what is shown

  #progress(): UploadProgress {
    const state = this.#state;
    const { sizeBytes } = state.job;
    let inFlightBytes = 0;
    for (const work of this.#work.values()) inFlightBytes += work.sentBytes;
    const confirmed = state.phase === 'done' ? sizeBytes : 'stored' in state ? bytesIn(state.layout, state.stored) : 0;
    const resumedBytes = 'resumedBytes' in state ? state.resumedBytes : 0;
    this.#shownConfirmedBytes = Math.max(this.#shownConfirmedBytes, confirmed);
    const reached = sizeBytes === 0 ? 0 : Math.min(ALMOST_DONE, (confirmed + inFlightBytes) / sizeBytes);
    this.#shownFraction = state.phase === 'done' ? 1 : Math.max(this.#shownFraction, reached);

    const metered = state.phase === 'hashing' ? this.#hashedBytes : this.#shownFraction * sizeBytes;
    const nowMs = this.#clock.nowMs();
    if (state.phase !== this.#meterPhase) {
      this.#meterPhase = state.phase;
      this.#meter = createMeter(nowMs, metered);
    } else {
      this.#meter = readMeter(this.#meter, metered, nowMs);
    }
    const { bytesPerMs } = this.#meter;
    const active = state.phase === 'sending' ? state.active : [];
    return {
      phase: state.phase,
      sizeBytes,
      confirmedBytes: this.#shownConfirmedBytes,
      sentBytes: this.#sentBytes + inFlightBytes,
      resentBytes: Math.max(0, this.#sentBytes - (confirmed - resumedBytes)),
      resumedBytes,
      hashedBytes: this.#hashedBytes,
      fraction: this.#shownFraction,
      bytesPerSecond: Math.round(bytesPerMs * 1000),
      ...(bytesPerMs > 0 ? { etaMs: Math.round((sizeBytes - metered) / bytesPerMs) } : {}),
      slices: {
        total: 'stored' in state ? state.stored.size : sliceCount(state.job),
        stored: 'stored' in state ? state.stored.count : state.phase === 'done' ? sliceCount(state.job) : 0,
        inFlight: active.filter((slice) => slice.running).length,
        retrying: active.filter((slice) => !slice.running && slice.attempt > 0).length,
      },
      requests: this.#requests,
      signatures: this.#signatures.asked,
      concurrency: this.#config.limiter.limit,
    };
  }

  #sliceMap(state: UploadState): Uint8Array {
    if (!('stored' in state))
      return new Uint8Array(sliceCount(state.job)).fill(state.phase === 'done' ? SLICE_STORED : 0);
    const map = new Uint8Array(state.stored.size);
    const resumed = this.#resumed?.size === map.length ? this.#resumed : undefined;
    for (let index = 0; index < map.length; index += 1) {
      if (!hasSlice(state.stored, index)) continue;
      map[index] = resumed && hasSlice(resumed, index) ? SLICE_RESUMED : SLICE_STORED;
    }
    if (state.phase === 'sending') {
      for (const slice of state.active) {
        if (slice.running) map[slice.index] = SLICE_IN_FLIGHT;
        else if (slice.attempt > 0) map[slice.index] = SLICE_RETRYING;
      }
    }
    return map;
  }

  #notify(now: boolean): void {
    if (this.#listeners.size === 0 && !this.#config.onProgress) return;
    const waitMs = this.#notifiedAtMs + NOTIFY_EVERY_MS - this.#clock.nowMs();
    if (!now && waitMs > 0) {
      this.#notifyTimer ??= setTimeout(() => this.#notify(true), waitMs);
      return;
    }
    if (this.#notifyTimer !== undefined) clearTimeout(this.#notifyTimer);
    this.#notifyTimer = undefined;
    this.#notifiedAtMs = this.#clock.nowMs();
    const snapshot = this.state;
    const { onProgress } = this.#config;
    // A listener's fault is its own: it must neither stop the upload nor vanish.
    if (onProgress) guard(() => onProgress(snapshot.progress));
    for (const listener of this.#listeners) guard(() => listener(snapshot));
  }
}

function guard(call: () => void): void {
  try {
    call();
  } catch (error) {
    setTimeout(() => {
      throw error;
    }, 0);
  }
}

/** Aborted because it is no longer planned, and not because it took too long. */
function isStopped({ controller: { signal } }: Work): boolean {
  return signal.reason === NOT_PLANNED;
}

function stopped(command: Command): UploadEvent | undefined {
  if (command.type === 'wait') return undefined;
  return { type: 'stopped', run: command.run, ...(command.type === 'send' ? { slice: command.slice } : {}) };
}

function reportOf(event: UploadEvent, command: Command): AttemptReport {
  if (event.type === 'failed') return { outcome: outcomeOf(event.error), bytes: 0 };
  return command.type === 'send' ? { outcome: 'ok', bytes: command.range.length } : { outcome: 'neutral', bytes: 0 };
}

function outcomeOf(error: CosSliceError): AttemptReport['outcome'] {
  if (error.code === 'unavailable') return 'busy';
  return error.code === 'network' || error.code === 'timeout' ? 'failed' : 'neutral';
}

/** Where an error that has no code of its own came from. */
const BLAME = {
  open: ['source-unreadable', 'the source cannot be opened'],
  recall: ['source-unreadable', 'the source cannot be read'],
  hash: ['hashing-failed', 'hashing failed'],
  send: ['source-unreadable', 'the slice cannot be read and sent'],
  finish: ['bad-reply', 'finishing failed'],
  list: ['bad-reply', 'asking for the stored slices failed'],
  init: ['bad-reply', 'opening the upload failed'],
  discard: ['bad-reply', 'discarding the other upload failed'],
} as const satisfies Record<string, readonly [ErrorCode, string]>;

function toError(error: unknown, [code, what]: readonly [ErrorCode, string]): CosSliceError {
  if (isCosSliceError(error)) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new CosSliceError(code, `${what}: ${said.split('\n', 1)[0]}`, { cause: error });
}

function isPaused(state: UploadState): boolean {
  return !isOver(state) && state.paused;
}

function isOnline(state: UploadState): boolean {
  return isOver(state) || state.online;
}

/** The runtime's clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (delayMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      // Timers count in 31 bits.
      const timer = setTimeout(finish, Math.min(delayMs, 0x7fffffff));
      signal.addEventListener('abort', stop, { once: true });
      function finish(): void {
        signal.removeEventListener('abort', stop);
        resolve();
      }
      function stop(): void {
        clearTimeout(timer);
        reject(signal.reason);
      }
    }),
};
