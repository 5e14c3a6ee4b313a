import { CosSliceError, isCosSliceError } from '../errors.ts';
import type { Exchange, Outcome } from '../exchange/exchange.ts';
import { outcomeOf } from '../exchange/outcome.ts';
import { oneLine } from '../one-line.ts';
import type { Config } from '../options/options.ts';
import type { AttemptReport, ByteRange, Checksum, Clock, Crc64, Hasher, Source } from '../ports.ts';
import { sliceSizeFor } from '../protocol/wire.ts';
import type { Detours } from './detours.ts';
import { type Guard, READING, type WorkName } from './guard.ts';
import type { Command, Task } from './plan.ts';
import { NOT_PLANNED } from './reconciler.ts';
import type { Recorder } from './recorder.ts';
import type { UploadEvent, UploadState } from './state.ts';
import type { Sent, Tally } from './tally.ts';
import { isStraight } from './transition.ts';

export interface TasksOptions<C> {
  readonly config: Config;
  readonly clock: Clock;
  readonly hasher: Hasher<C>;
  readonly exchange: Exchange<C>;
  /** Once it is there: it is loaded when the upload recalls what an earlier run has left. */
  recorder(): Recorder | undefined;
  /** Undefined: nothing is remembered. */
  loadRecorder(): Promise<Recorder | undefined>;
  loadDetours(): Promise<Detours>;
  readonly tally: Tally;
  readonly guard: Guard;
  /** Whose requests the limiter is to be fair to. */
  readonly owner: object;
  openSource(signal: AbortSignal, moved: () => void): Promise<Source<C>>;
  state(): UploadState;
  /** Something has become known while a command is carried out. The plan stays what it is. */
  note(event: UploadEvent): void;
  /** What has been sent or hashed has grown. */
  moved(): void;
  online(): boolean;
  random(): number;
}

/** What the upload's commands do. */
export interface Tasks<C> {
  /** Once it is open. */
  readonly source: Source<C> | undefined;
  run(command: Command, controller: AbortController): Promise<UploadEvent | undefined>;
  fail(command: Command, cause: unknown): UploadEvent | undefined;
}

type Request = Extract<Task, { readonly type: 'init' | 'list' | 'discard' | 'send' | 'finish' }>;
type Send = Extract<Task, { readonly type: 'send' }>;

/** What local work is called when nothing comes of it. */
const OPENING: WorkName = ['source-unreadable', 'opening the source'];
const HASHING: WorkName = ['hashing-failed', 'hashing'];

/** A source that is read more slowly is taken to hang. */
const LEAST_BYTES_PER_MS = 1000;

export function createTasks<C>(options: TasksOptions<C>): Tasks<C> {
  const { config, clock, hasher, exchange, tally, guard, note } = options;
  const { integrity, attributes, limiter, wire } = config;
  const overwrite = config.overwrite === true;
  const mark = options.random().toString(36).slice(2);
  const crc64Name = integrity === 'crc64' ? wire.traits.crc64 : undefined;
  let source: Source<C> | undefined;

  /** Nothing but opening it is planned before it is open. */
  const opened = (): Source<C> => {
    if (!source) throw new CosSliceError('source-unreadable', 'the source is not open');
    return source;
  };

  const open = async ({ run }: Task, controller: AbortController): Promise<UploadEvent> => {
    source ??= await guard(OPENING, controller, {
      run: (moved) => options.openSource(controller.signal, moved),
      late: (opened) => opened.close?.(),
    });
    const { sizeBytes } = source;
    const sliceSizeBytes = sliceSizeFor(wire.traits, sizeBytes, config.sliceSizeBytes);
    return { type: 'source-opened', run, sizeBytes, sliceSizeBytes };
  };

  const wait = async (untilMs: number, { signal }: AbortController): Promise<undefined> =>
    void (await clock.sleep(Math.max(0, untilMs - clock.monotonicMs()), signal));

  const recall = async ({ run }: Task, controller: AbortController): Promise<UploadEvent> => {
    const { signal } = controller;
    const identify = (): Promise<string | undefined> =>
      guard(READING, controller, { run: () => opened().identity(signal) });
    const recorder = await options.loadRecorder();
    signal.throwIfAborted();
    return { type: 'recalled', run, ...(await recorder?.recall(identify, options.state().job, controller)) };
  };

  const hash = async (
    { run, from, attempt }: Extract<Task, { type: 'hash' }>,
    controller: AbortController,
  ): Promise<UploadEvent> => {
    const content = opened();
    const result = await guard(HASHING, controller, {
      run: (moved) =>
        hasher.uploadParts(content, options.state().job.sliceSizeBytes, {
          signal: controller.signal,
          from,
          attempt,
          onCheckpoint(checkpoint) {
            note({ type: 'checkpointed', run, checkpoint });
            options.recorder()?.checkpoint(checkpoint);
          },
          onProgress(hashedBytes) {
            moved();
            tally.hashed(hashedBytes);
            options.moved();
          },
        }),
    });
    tally.hashed(content.sizeBytes);
    return { type: 'hashed', run, hash: result };
  };

  /** Checks that the source is still what it was, which may take as long as reading it all. */
  const verify = async (controller: AbortController): Promise<void> => {
    const content = opened();
    const extraMs = content.sizeBytes / LEAST_BYTES_PER_MS;
    await guard(READING, controller, { run: async () => content.verify?.(controller.signal), extraMs });
  };

  const digest = (algorithm: 'md5' | 'sha1' | Crc64, slice: C, controller: AbortController): Promise<string> =>
    guard(HASHING, controller, {
      run: () => hasher.digest(algorithm, slice, controller.signal),
      // What is not in memory has to be read for it.
      extraMs: options.state().job.sliceSizeBytes / LEAST_BYTES_PER_MS,
    });

  const read = (range: ByteRange, controller: AbortController): Promise<C> => {
    const content = opened();
    return guard(READING, controller, {
      run: () => content.slice(range, controller.signal),
      late: (unwanted) => content.release?.(unwanted),
      extraMs: content.unhurried ? Number.POSITIVE_INFINITY : 0,
    });
  };

  /** Of slices, by offset. */
  const crc64s = new Map<number, Checksum>();
  /** What is sent along with content, or compared with what is there. */
  const sum = async (
    range: ByteRange,
    content: C,
    controller: AbortController,
  ): Promise<{ readonly md5?: string; readonly crc64?: string }> => {
    if (integrity === 'md5') return { md5: await digest('md5', content, controller) };
    if (!crc64Name) return {};
    const crc64 = await digest(crc64Name, content, controller);
    crc64s.set(range.offset, { sizeBytes: range.length, digest: crc64 });
    return { crc64 };
  };

  const send = async (task: Send, controller: AbortController): Promise<Outcome> => {
    const { range, session, run, slice: index, attempt } = task;
    const content = opened();
    const sent: Sent = { bytes: 0, buffered: 0, sinceMs: undefined };
    const onSent = (totalBytes: number): void => {
      if (totalBytes === sent.bytes) return;
      tally.sent(sent, totalBytes, clock.monotonicMs());
      options.moved();
    };
    const slice = await read(range, controller);
    try {
      if (session) {
        const { id, sha } = session;
        const sums = await sum(range, slice, controller);
        const { sizeBytes } = content;
        const operation = { op: 'slice', session: id, index, range, sizeBytes, content: slice, ...sums, sha } as const;
        return await exchange.run(operation, { attempt, controller, onSent });
      }
      // Where one request has no field for an MD5, its SHA-1 costs little and proves as much.
      const takesSha = wire.traits.integrity.includes('sha1');
      const sha = takesSha && integrity !== 'none' ? await digest('sha1', slice, controller) : undefined;
      const sums = sha ? {} : await sum(range, slice, controller);
      if (sha) note({ type: 'hashed', run, hash: { sha, parts: [] } });
      await verify(controller);
      const { length: sizeBytes } = range;
      const operation = { op: 'single', sizeBytes, content: slice, overwrite, attributes, mark, sha, ...sums } as const;
      return await exchange.run(operation, { attempt, controller, onSent });
    } finally {
      content.release?.(slice);
      tally.ended(sent);
    }
  };

  const ask = (task: Request, controller: AbortController): Promise<Outcome> => {
    const state = options.state();
    const { sizeBytes, sliceSizeBytes } = state.job;
    const crc64 = 'crc64' in state ? state.crc64 : undefined;
    const context = { attempt: task.attempt, controller };
    switch (task.type) {
      case 'send':
        return send(task, controller);
      case 'discard':
        return options
          .loadDetours()
          .then(({ discard }) =>
            discard(task, (operation, beforeSend) => exchange.run(operation, { ...context, beforeSend })),
          );
      case 'init':
        return exchange.run(
          {
            op: 'init',
            sizeBytes,
            sliceSizeBytes,
            overwrite,
            attributes,
            mark,
            crc64: crc64Name && true,
            ...task.hash,
          },
          context,
        );
      case 'list':
        return exchange.run({ op: 'list', session: task.session, sliceSizeBytes: task.sliceSizeBytes, crc64 }, context);
      case 'finish': {
        const { id, sha } = task.session;
        return exchange.run({ op: 'finish', session: id, sizeBytes, sha, tags: task.tags, overwrite, crc64 }, context);
      }
    }
  };

  /** Where the code for detours will never come, the upload does without. */
  const prepare = async (): Promise<Detours | undefined> => {
    try {
      return await options.loadDetours();
    } catch (error) {
      if (isCosSliceError(error) && error.remedy !== 'none') throw error;
      return undefined;
    }
  };

  const isFirstOfSession = (task: Request): boolean => {
    const state = options.state();
    return task.type === 'send' && !!task.session && 'stored' in state && state.stored.count === 0;
  };

  /** Makes one request in one of the limiter's places, and tells the limiter how it went. */
  const request = async (task: Request, controller: AbortController): Promise<UploadEvent> => {
    const { signal } = controller;
    const { run } = task;
    const slice = sliceOf(task);
    if (task.type === 'finish') {
      await verify(controller);
      if (crc64Name) {
        const { sizeBytes } = options.state().job;
        note({ type: 'summed', run, crc64: await hasher.combine(crc64Name, crc64s, sizeBytes) });
      }
    }
    // What makes an object is on record before it is sent, and a session before there is anything in it: a later run would take
    // either for somebody else's.
    if (task.type === 'finish' || task.type === 'init' || isFirstOfSession(task)) await options.recorder()?.saved();
    // Before anything of the slice is read, and until its request has ended.
    const heldBytes = task.type === 'send' ? (opened().heldBytes?.(task.range) ?? task.range.length) : 0;
    const leave = await limiter.acquire(signal, options.owner, heldBytes);
    let report: AttemptReport = { outcome: 'neutral', bytes: 0 };
    try {
      note({ type: 'started', run, slice });
      signal.throwIfAborted();
      const { reply, slow } = await ask(task, controller);
      const content = opened();
      if (!isStraight(task.type, reply)) (await prepare())?.heed(content, options.state(), reply);
      if (task.type === 'send') report = { outcome: slow ? 'busy' : 'ok', bytes: task.range.length };
      if (task.type === 'send' && reply.kind === 'stored') content.stored?.(task.range);
      return { type: 'replied', run, slice, reply };
    } catch (error) {
      if (isCosSliceError(error) && (error.code === 'exists' || error.httpStatus === 413)) {
        await options.loadDetours().catch(() => {});
      }
      if (signal.reason !== NOT_PLANNED && isCosSliceError(error)) report = { outcome: outcomeOf(error), bytes: 0 };
      throw error;
    } finally {
      leave(report);
    }
  };

  return {
    get source() {
      return source;
    },
    run(command, controller) {
      switch (command.type) {
        case 'wait':
          return wait(command.untilMs, controller);
        case 'source':
          return open(command, controller);
        case 'recall':
          return recall(command, controller);
        case 'hash':
          return hash(command, controller);
        case 'compare':
          return options
            .loadDetours()
            .then(({ compare }) => compare(command, controller, { ...options, source: opened(), read, digest, sum }));
        default:
          return request(command, controller);
      }
    },
    fail(command, cause) {
      if (command.type === 'wait') return undefined;
      const { run } = command;
      const slice = sliceOf(command);
      if (cause === NOT_PLANNED) return { type: 'stopped', run, slice };
      const what = `the ${command.type} request failed`;
      const error = isCosSliceError(cause)
        ? cause
        : new CosSliceError('bad-reply', `${what}: ${oneLine(cause)}`, { cause });
      const nowMs = clock.monotonicMs();
      return { type: 'failed', run, slice, error, nowMs, random: options.random(), online: options.online() };
    },
  };
}

function sliceOf(task: Task): number | undefined {
  return task.type === 'send' ? task.slice : undefined;
}
