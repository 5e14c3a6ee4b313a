import { systemClock } from '../clock.ts';
import { CosSliceError, type ErrorCode, isCosSliceError } from '../errors.ts';
import { createExchange, type Exchange } from '../exchange/exchange.ts';
import { oneLine } from '../one-line.ts';
import { type Config, parseOptions, type UploadOptions } from '../options/options.ts';
import type { AttemptReport, Clock, Platform, ResumeRecord, Source } from '../ports.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import type { Answer, Operation } from '../protocol/operations.ts';
import { sliceSizeFor } from '../protocol/wire.ts';
import { type Command, plan, type Task } from './plan.ts';
import { type Meter, readMeter, type UploadProgress } from './progress.ts';
import { bytesIn, hasSlice, type Layout, type SliceSet, sliceCount } from './slices.ts';
import {
  type Cancelled,
  type Done,
  type Failed,
  initialState,
  isOver,
  type Job,
  transition,
  type UploadEvent,
  type UploadState,
} from './state.ts';
import {
  SLICE_IN_FLIGHT,
  SLICE_RESUMED,
  SLICE_RETRYING,
  SLICE_STORED,
  SLICE_WAITING,
  type Upload,
  type UploadResult,
  type UploadSnapshot,
} from './upload.ts';

const NOTIFY_EVERY_MS = 100;
/** Between two hash checkpoints put into the resume store. */
const CHECKPOINT_EVERY_MS = 2000;
/** Just below the end: shown until finish has succeeded. */
const ALMOST_DONE = 0.999;

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
  #resolve!: (result: UploadResult) => void;
  #reject!: (reason: unknown) => void;
  readonly #config: Config;
  readonly #platform: Platform<C>;
  readonly #clock: Clock;
  readonly #exchange: Exchange<C>;
  /** Aborted when the upload has ended. */
  readonly #life = new AbortController();
  readonly #listeners = new Set<(state: UploadSnapshot) => void>();
  readonly #work = new Map<string, Work>();

  /** Open before anything is planned. */
  #source!: Source<C>;
  #state: UploadState;
  #ready = false;
  #settled = false;
  #unlock: (() => Promise<void>) | undefined;
  #identity: string | undefined;
  #savedRun = -1;
  #resumable: boolean;
  #saving: Promise<void> = Promise.resolve();
  #checkpointSavedAtMs = Number.NEGATIVE_INFINITY;

  #sentBytes = 0;
  #hashedBytes = 0;
  #shownFraction = 0;
  #shownConfirmedBytes = 0;
  #resumed: SliceSet | undefined;
  /** What an upload that failed or was cancelled had come to. */
  #reached: UploadState | undefined;
  #meter: Meter | undefined;
  #notifiedAtMs = Number.NEGATIVE_INFINITY;
  #notifyTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(openSource: (signal: AbortSignal) => Promise<Source<C>>, config: Config, platform: Platform<C>) {
    const { wire, signer, timeouts, signal, limiter, onProgress } = config;
    const { transport, clock = systemClock, network } = platform;
    const life = this.#life.signal;
    this.#config = config;
    this.#platform = platform;
    this.#clock = clock;
    this.#resumable = config.resume !== false;
    this.#exchange = createExchange({ wire, target: config, transport, signer, clock, timeouts, life });
    this.#state = initialState(this.#job(0));
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever does not look at `done` must not lose the process to it.
    this.done.catch(() => {});

    if (onProgress) this.subscribe(({ progress }) => onProgress(progress));
    signal?.addEventListener('abort', () => this.#cancel(), { signal: life });
    const unsubscribe = [
      limiter.subscribe(() => this.#reconcile()),
      network?.subscribe(() => this.#dispatch({ type: network.online() ? 'online' : 'offline' })),
    ];
    life.addEventListener('abort', () => {
      for (const undo of unsubscribe) undo?.();
    });
    this.#open(openSource);
  }

  get state(): UploadSnapshot {
    const state = this.#state;
    const { paused, online } = isOver(state) ? { paused: false, online: true } : state;
    return {
      phase: state.phase,
      paused,
      online,
      resumable: this.#resumable,
      progress: this.#progress(),
      sliceSizeBytes: layoutOf(this.#reached ?? state).sliceSizeBytes,
      session: 'session' in state ? state.session?.id : undefined,
      error: state.phase === 'failed' ? state.error : undefined,
      sliceMap: () => this.#sliceMap(this.#reached ?? state, state),
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

  #cancel(): void {
    this.#dispatch({ type: 'cancelled', reason: this.#config.signal?.reason });
  }

  // --- the loop

  async #open(openSource: (signal: AbortSignal) => Promise<Source<C>>): Promise<void> {
    // Nothing happens before the caller holds the handle.
    await Promise.resolve();
    if (this.#config.signal?.aborted) this.#cancel();
    let error: CosSliceError | undefined;
    try {
      if (!isOver(this.#state)) this.#source = await openSource(this.#life.signal);
    } catch (cause) {
      error = toError(cause, 'open');
    }
    this.#ready = true;
    const state = this.#state;
    if (isOver(state)) return this.#reconcile();
    if (error) return this.#enter({ phase: 'failed', job: state.job, error });
    const online = this.#platform.network?.online() ?? true;
    this.#enter(initialState(this.#job(this.#source.sizeBytes), { paused: state.paused, online }));
  }

  #job(sizeBytes: number): Job {
    const { wire, singleRequestMaxBytes, integrity, overwrite, onConflict, retry } = this.#config;
    const sliceSizeBytes = sliceSizeFor(wire.traits, sizeBytes, this.#config.sliceSizeBytes);
    const single = sizeBytes <= singleRequestMaxBytes;
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
    if (next.phase === 'failed' || next.phase === 'cancelled') this.#reached = before;
    this.#remember(next);
    const switched =
      !isOver(next) && !isOver(before) && (next.paused !== before.paused || next.online !== before.online);
    this.#notify(switched || next.phase !== before.phase);
  }

  #reconcile(): void {
    const state = this.#state;
    if (!this.#ready || this.#settled) {
      // Cancelled while the source is being opened: opening is what has to stop.
      if (isOver(state)) this.#life.abort(NOT_PLANNED);
      return;
    }
    const commands = plan(state, { concurrency: this.#config.limiter.limit }, this.#clock.monotonicMs());
    const planned = new Set(commands.map((command) => command.key));
    for (const [key, { controller }] of this.#work) {
      if (!planned.has(key) && !controller.signal.aborted) controller.abort(NOT_PLANNED);
    }
    for (const command of commands) {
      const running = this.#work.get(command.key);
      // Aborted and planned again: what comes after it waits until it can start, so that slices are read in order.
      if (running?.controller.signal.aborted) break;
      if (!running) this.#start(command);
    }
    if (isOver(state) && this.#work.size === 0) this.#end(state);
  }

  async #start(command: Command): Promise<void> {
    const work: Work = { controller: new AbortController(), sentBytes: 0 };
    const { signal } = work.controller;
    this.#work.set(command.key, work);
    let event: UploadEvent | undefined;
    try {
      if (command.type === 'wait')
        await this.#clock.sleep(Math.max(0, command.untilMs - this.#clock.monotonicMs()), signal);
      else event = await this.#run(command, work);
    } catch (cause) {
      // Whatever was thrown on the way out, the reason is why it ended.
      if (command.type !== 'wait') event = this.#failure(command, work, signal.aborted ? signal.reason : cause);
    }
    this.#work.delete(command.key);
    this.#sentBytes += work.sentBytes;
    if (event) this.#dispatch(event);
    else this.#reconcile();
  }

  #run(task: Task, work: Work): Promise<UploadEvent> {
    const { signal } = work.controller;
    if (task.type === 'recall') return this.#recall(task.run, signal);
    if (task.type === 'hash') return this.#hash(task, signal);
    return this.#request(task, work);
  }

  #failure(task: Task, work: Work, cause: unknown): UploadEvent {
    const origin = { run: task.run, slice: sliceOf(task) };
    if (isStopped(work)) return { type: 'stopped', ...origin };
    const { random = Math.random } = this.#platform;
    const error = toError(cause, task.type);
    return { type: 'failed', ...origin, error, nowMs: this.#clock.monotonicMs(), random: random() };
  }

  /** Makes one request in one of the client's places, and tells the window how it went. */
  async #request(task: Request, work: Work): Promise<UploadEvent> {
    if (task.type === 'finish') await this.#source.verify?.(work.controller.signal);
    const leave = await this.#config.limiter.acquire(work.controller.signal);
    let report: AttemptReport = { outcome: 'neutral', bytes: 0 };
    try {
      let reply: Answer;
      if (task.type === 'send') {
        reply = await this.#send(task, work);
        report = { outcome: 'ok', bytes: task.range.length };
        if (reply.kind === 'stored') this.#source.stored?.(task.range);
      } else {
        reply = await this.#ask(task, work, this.#operation(task));
        // Answers get lost: what the list says is stored is stored.
        if (reply.kind === 'listed') for (const range of reply.stored) this.#source.stored?.(range);
      }
      return { type: 'replied', run: task.run, slice: sliceOf(task), reply };
    } catch (error) {
      if (!isStopped(work) && isCosSliceError(error)) report = { outcome: outcomeOf(error), bytes: 0 };
      throw error;
    } finally {
      leave(report);
    }
  }

  #operation(task: Exclude<Request, { type: 'send' }>): Operation<C> {
    const { overwrite, attributes } = this.#config;
    const { sizeBytes, sliceSizeBytes } = this.#state.job;
    if (task.type === 'init') return { op: 'init', sizeBytes, sliceSizeBytes, overwrite, attributes, ...task.hash };
    if (task.type !== 'finish') return { op: task.type };
    const { id, sha } = task.session;
    return { op: 'finish', session: id, sizeBytes, sha };
  }

  async #send(task: Task & { type: 'send' }, work: Work): Promise<Answer> {
    const { range, session, run, slice } = task;
    const { signal } = work.controller;
    const { integrity, overwrite, attributes } = this.#config;
    const { hasher } = this.#platform;
    const source = this.#source;
    // The plan stays what it is: a slice is in it whether it is about to start or has started.
    this.#setState(transition(this.#state, { type: 'started', run, slice }));
    signal.throwIfAborted();
    const content = await source.slice(range, signal);
    try {
      if (session) {
        const md5 = integrity === 'md5' ? await hasher.digest('md5', content, signal) : undefined;
        const { id, sha } = session;
        return await this.#ask(task, work, { op: 'slice', session: id, index: slice, range, content, md5, sha });
      }
      // One request has no field for an MD5; its SHA-1 costs little and proves as much.
      const sha = integrity === 'none' ? undefined : await hasher.digest('sha1', content, signal);
      if (sha) this.#setState(transition(this.#state, { type: 'hashed', run, hash: { sha, parts: [] } }));
      await source.verify?.(signal);
      const sizeBytes = range.length;
      return await this.#ask(task, work, { op: 'single', sizeBytes, content, overwrite, attributes, sha });
    } finally {
      source.release?.(content);
    }
  }

  async #ask({ attempt }: Task, work: Work, operation: Operation<C>): Promise<Answer> {
    const { controller } = work;
    const onSent = (totalBytes: number): void => {
      work.sentBytes = totalBytes;
      this.#notify(false);
    };
    const { reply } = await this.#exchange.run(operation, { attempt, controller, onSent });
    return reply;
  }

  // --- what is remembered

  async #recall(run: number, signal: AbortSignal): Promise<UploadEvent> {
    const { resume, wire, integrity, overwrite, attributes } = this.#config;
    const { sliceSizeBytes } = this.#state.job;
    const nothing = { type: 'recalled', run } as const;
    if (!resume) return nothing;
    this.#unlock ??= await resume.lock?.(this.#exchange.url, signal);
    signal.throwIfAborted();
    this.#identity = await this.#source.identity(signal);
    this.#resumable = this.#identity !== undefined;
    const record = this.#identity && (await resume.load(this.#exchange.url).catch(() => undefined));
    if (!record || (record.wire ?? jsonApi.name) !== wire.name) return nothing;
    const { session, sha, finishing, hash } = record;
    const same = record.identity === this.#identity && record.sizeBytes === this.#source.sizeBytes;
    // A session keeps what it was opened with.
    const fits =
      (record.overwrite ?? false) === overwrite && record.attributes === attributes && (sha || integrity !== 'sha1');
    if (!same || (session && !fits)) return { ...nothing, foreignSession: session };
    const checkpoint = record.sliceSizeBytes === sliceSizeBytes ? hash : undefined;
    return { ...nothing, session, sha, finishing, checkpoint };
  }

  async #hash({ run, from }: Task & { type: 'hash' }, signal: AbortSignal): Promise<UploadEvent> {
    const { sliceSizeBytes } = this.#state.job;
    const hash = await this.#platform.hasher.uploadParts(this.#source, sliceSizeBytes, {
      signal,
      from,
      onCheckpoint: (checkpoint) => {
        this.#dispatch({ type: 'checkpointed', run, checkpoint });
        const nowMs = this.#clock.monotonicMs();
        if (nowMs - this.#checkpointSavedAtMs < CHECKPOINT_EVERY_MS) return;
        this.#checkpointSavedAtMs = nowMs;
        this.#save({ sliceSizeBytes, hash: checkpoint });
      },
      onProgress: (hashedBytes) => {
        this.#hashedBytes = hashedBytes;
        this.#notify(false);
      },
    });
    this.#hashedBytes = this.#source.sizeBytes;
    return { type: 'hashed', run, hash };
  }

  /** Saves a session as soon as it exists, and that finish is about to be called. */
  #remember(state: UploadState): void {
    if (!('session' in state) || !state.session || state.run === this.#savedRun) return;
    const { layout, session, sha, phase } = state;
    this.#savedRun = state.run;
    const { sliceSizeBytes } = layout;
    this.#save({ sliceSizeBytes, session: session.id, sha, finishing: phase === 'finishing' });
  }

  /** Without facts, forgets. In order, and never fatal: without the record an upload is slower to resume, not wrong. */
  #save(facts?: Pick<ResumeRecord, 'sliceSizeBytes' | 'session' | 'sha' | 'finishing' | 'hash'>): void {
    const { wire, resume, overwrite, attributes } = this.#config;
    const identity = this.#identity;
    if (!resume || identity === undefined) return;
    const { sizeBytes } = this.#source;
    const savedAtMs = this.#clock.nowMs();
    this.#saving = this.#saving
      .then(() =>
        facts
          ? resume.save(this.#exchange.url, {
              version: 1,
              wire: wire.name,
              identity,
              sizeBytes,
              savedAtMs,
              overwrite,
              attributes,
              ...facts,
            })
          : resume.remove(this.#exchange.url),
      )
      .catch(() => {
        this.#resumable &&= facts === undefined;
      });
  }

  async #end(state: Done | Failed | Cancelled): Promise<void> {
    this.#settled = true;
    this.#life.abort(NOT_PLANNED);
    if (state.phase === 'done') this.#save();
    await this.#saving;
    await this.#unlock?.().catch(() => {});
    await this.#source?.close?.().catch(() => {});
    this.#notify(true);
    if (state.phase !== 'done') return this.#reject(state.phase === 'failed' ? state.error : state.reason);
    const { location, instant, resumedBytes, sha } = state;
    this.#resolve({ ...location, instant, resumedBytes, sentBytes: this.#sentBytes, sha1: sha });
  }

  // --- what is shown

  #progress(): UploadProgress {
    const state = this.#state;
    const { phase, job } = state;
    const { sizeBytes } = job;
    const done = phase === 'done';
    let inFlightBytes = 0;
    for (const work of this.#work.values()) inFlightBytes += work.sentBytes;
    const reached = this.#reached ?? state;
    const total = sliceCount(layoutOf(reached));
    const stored = 'stored' in reached ? reached.stored.count : done ? total : 0;
    const confirmed = 'stored' in reached ? bytesIn(reached.layout, reached.stored) : done ? sizeBytes : 0;
    const resumedBytes = 'resumedBytes' in reached ? reached.resumedBytes : 0;
    this.#shownConfirmedBytes = Math.max(this.#shownConfirmedBytes, confirmed);
    const fraction = Math.min(ALMOST_DONE, (confirmed + inFlightBytes) / sizeBytes || 0);
    this.#shownFraction = done ? 1 : Math.max(this.#shownFraction, fraction);

    const metered = phase === 'hashing' ? this.#hashedBytes : this.#shownFraction * sizeBytes;
    this.#meter = readMeter(this.#meter, phase, metered, this.#clock.monotonicMs());
    const { bytesPerMs } = this.#meter;
    const active = phase === 'sending' ? state.active : [];
    return {
      phase,
      sizeBytes,
      confirmedBytes: this.#shownConfirmedBytes,
      sentBytes: this.#sentBytes + inFlightBytes,
      resentBytes: Math.max(0, this.#sentBytes - (confirmed - resumedBytes)),
      resumedBytes,
      hashedBytes: this.#hashedBytes,
      fraction: this.#shownFraction,
      bytesPerSecond: Math.round(bytesPerMs * 1000),
      etaMs: bytesPerMs > 0 ? Math.round((sizeBytes - metered) / bytesPerMs) : undefined,
      slices: {
        total,
        stored,
        inFlight: active.filter((slice) => slice.running).length,
        retrying: active.filter((slice) => !slice.running && slice.attempt > 0).length,
      },
      requests: this.#exchange.requests,
      signatures: this.#exchange.signatures,
      concurrency: this.#config.limiter.limit,
    };
  }

  #sliceMap(state: UploadState, now: UploadState): Uint8Array {
    const total = sliceCount(layoutOf(state));
    const map = new Uint8Array(total).fill(state.phase === 'done' ? SLICE_STORED : SLICE_WAITING);
    if (!('stored' in state)) return map;
    const resumed = this.#resumed?.size === total ? this.#resumed : undefined;
    for (let index = 0; index < total; index += 1) {
      if (hasSlice(state.stored, index))
        map[index] = resumed && hasSlice(resumed, index) ? SLICE_RESUMED : SLICE_STORED;
    }
    for (const { index, running, attempt } of now.phase === 'sending' ? now.active : []) {
      if (running) map[index] = SLICE_IN_FLIGHT;
      else if (attempt > 0) map[index] = SLICE_RETRYING;
    }
    return map;
  }

  #notify(now: boolean): void {
    if (this.#listeners.size === 0) return;
    const nowMs = this.#clock.monotonicMs();
    const waitMs = this.#notifiedAtMs + NOTIFY_EVERY_MS - nowMs;
    if (!now && waitMs > 0) {
      this.#notifyTimer ??= setTimeout(() => this.#notify(true), waitMs);
      return;
    }
    clearTimeout(this.#notifyTimer);
    this.#notifyTimer = undefined;
    this.#notifiedAtMs = nowMs;
    const snapshot = this.state;
    for (const listener of this.#listeners) {
      try {
        listener(snapshot);
      } catch (error) {
        // A listener's fault is its own: it must neither stop the upload nor vanish.
        setTimeout(() => {
          throw error;
        }, 0);
      }
    }
  }
}

type Request = Exclude<Task, { type: 'recall' | 'hash' }>;

function sliceOf(task: Task): number | undefined {
  return task.type === 'send' ? task.slice : undefined;
}

/** How the file is cut, or would be if the server agrees. */
function layoutOf(state: UploadState): Layout {
  return 'layout' in state ? state.layout : state.job;
}

/** Aborted because it is no longer planned, and not because it took too long. */
function isStopped({ controller }: Work): boolean {
  return controller.signal.reason === NOT_PLANNED;
}

function outcomeOf({ code, stale }: CosSliceError): AttemptReport['outcome'] {
  if (stale) return 'neutral';
  // A signature that expires on the way is a sign that too much is on the way.
  if (code === 'unavailable' || code === 'signature-expired') return 'busy';
  return code === 'network' || code === 'timeout' ? 'failed' : 'neutral';
}

/** Where an error that has no code of its own came from. */
const BLAME: { readonly [step in Task['type'] | 'open']?: readonly [ErrorCode, string] } = {
  open: ['source-unreadable', 'the source cannot be opened'],
  recall: ['source-unreadable', 'the source cannot be read'],
  hash: ['hashing-failed', 'hashing failed'],
  send: ['source-unreadable', 'the slice cannot be read and sent'],
};

function toError(cause: unknown, step: Task['type'] | 'open'): CosSliceError {
  if (isCosSliceError(cause)) return cause;
  const [code, what] = BLAME[step] ?? ['bad-reply', `the ${step} request failed`];
  return new CosSliceError(code, `${what}: ${oneLine(cause)}`, { cause });
}
