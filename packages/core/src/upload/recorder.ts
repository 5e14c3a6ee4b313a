import { type CosSliceError, isCosSliceError } from '../errors.ts';
import type { Config } from '../options/options.ts';
import type { Clock, HashCheckpoint, ResumeRecord, ResumeStore, Source } from '../ports.ts';
import type { Guard, WorkName } from './guard.ts';
import { countProven, provenTags } from './proven.ts';
import type { ActiveState, Finishing, Job, Recalled, Sending } from './state.ts';

/** What no source is identified by. */
const NOBODYS = '';
/** Between two hash checkpoints, or tags of slices, put into the store. */
const CHECKPOINT_EVERY_MS = 2000;

/** How long a request waits for what a later run must know of it: the store may be slow, and is no reason to stand still. */
const SAVING_MS = 1000;

const STORAGE: WorkName = ['source-unreadable', 'the resume store'];

/** The wire of records that are older than the name of their wire. */
const FIRST_WIRE = 'cos-json';

/** What is remembered of an upload, for a later run to go on with. Pages load it apart from the upload itself. */
export interface Recorder {
  /** Another run could go on where this one ends. */
  readonly resumable: boolean;
  /**
   * Locks the destination, and finds out what an earlier run has left there.
   *
   * @param identify reads the source's identity
   * @throws CosSliceError `locked`, and what `identify` throws; nothing else of the store's
   */
  recall(identify: () => Promise<string | undefined>, job: Job, controller: AbortController): Promise<Recalled>;
  /** Saves what is worth it of a new state: that init or finish is about to be called, and a session as soon as it exists. */
  keep(state: ActiveState): void;
  /** The upload has failed: what is remembered of it must be true of a later run. */
  failed(reached: ActiveState, error: CosSliceError): void;
  checkpoint(checkpoint: HashCheckpoint): void;
  /** What was to be saved is, or the store takes too long. Never fails. */
  saved(): Promise<void>;
  /** Writes what is left to write, and unlocks the destination. */
  close(forget: boolean): Promise<void>;
}

/** What a recorder must know of the upload. */
export interface Recorded {
  readonly config: Config;
  /** The URL of the object. */
  url(): string;
  readonly clock: Clock;
  readonly guard: Guard;
  /** Once it is open. */
  source(): Pick<Source<unknown>, 'tellsChanges'> | undefined;
}

type Facts = Partial<
  Pick<
    ResumeRecord,
    'sliceSizeBytes' | 'session' | 'sha' | 'initCalled' | 'finishing' | 'hash' | 'name' | 'proven' | 'crc64'
  >
>;

export function createRecorder(store: ResumeStore, { config, url, clock, guard, source }: Recorded): Recorder {
  const { integrity, attributes } = config;
  const overwrite = config.overwrite === true;
  const renames = config.overwrite === 'rename';
  const wire = config.wire.name;
  /** What the store knows the upload by: its path, and where it may get another one its content, too. */
  let key = '';
  let identity: string | undefined;
  let job: Job | undefined;
  let resumable = true;
  let unlock: (() => Promise<void>) | undefined;
  /** Ends when the lock is taken, or was given back because nobody waits for it any more. */
  let locking: Promise<unknown> = Promise.resolve();
  let savedRun = -1;
  let checkpoint: HashCheckpoint | undefined;
  let checkpointSavedAtMs = Number.NEGATIVE_INFINITY;
  /** The state that the record is of, once slices are sent, and how many of them it knows. */
  let sending: Sending | undefined;
  let savedCount = 0;
  let savedCrc64: string | undefined;
  /** Writes are carried out in order. */
  let writing: Promise<void> = Promise.resolve();

  /** Never fatal: without the record an upload is slower to resume, not wrong. */
  const write = (act: () => Promise<void>): void => {
    writing = writing
      .then(() => guard(STORAGE, new AbortController(), { run: act }))
      .catch(() => {
        resumable = false;
      });
  };
  const save = (facts: Facts): void => {
    if (identity === undefined || !job) return;
    const { sizeBytes, sliceSizeBytes } = job;
    const record: ResumeRecord = {
      version: 1,
      wire,
      identity,
      sizeBytes,
      sliceSizeBytes,
      savedAtMs: clock.nowMs(),
      overwrite,
      attributes,
      ...(integrity === 'crc64' && { integrity }),
      ...facts,
    };
    write(() => store.save(key, record));
  };

  /** A store that fails or hangs is done without. */
  const ask = async <T>(
    { signal }: AbortController,
    work: (signal: AbortSignal) => Promise<T>,
    late?: (result: T) => unknown,
  ): Promise<T | undefined> => {
    const attempt = new AbortController();
    const stop = (): void => attempt.abort(signal.reason);
    signal.addEventListener('abort', stop);
    try {
      return await guard(STORAGE, attempt, { run: () => work(attempt.signal), ...(late && { late }) });
    } catch (error) {
      signal.throwIfAborted();
      if (isCosSliceError(error, 'locked')) throw error;
      return undefined;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  };

  const lock = async (signal: AbortSignal): Promise<typeof unlock> => {
    const release = await store.lock?.(key, signal);
    if (!signal.aborted) return release;
    await release?.();
    return undefined;
  };

  /** What a record says that fits this upload. */
  const read = (record: ResumeRecord): Recalled => {
    const { session, sha, initCalled, finishing, hash, name } = record;
    const proven = keepsProofs() ? record.proven : undefined;
    if (!job || record.identity !== identity || record.sizeBytes !== job.sizeBytes) return { foreignSession: session };
    // A session keeps what it was opened with.
    const fits =
      (record.overwrite ?? false) === overwrite &&
      record.attributes === attributes &&
      (sha || integrity !== 'sha1') &&
      (record.integrity === 'crc64') === (integrity === 'crc64');
    if (session && !fits) return { foreignSession: session };
    checkpoint = record.sliceSizeBytes === job.sliceSizeBytes ? hash : undefined;
    return {
      session,
      sliceSizeBytes: record.sliceSizeBytes,
      sha,
      initCalled,
      finishing,
      checkpoint,
      name,
      proven,
      crc64: record.crc64,
    };
  };

  /** Tags are kept of slices that were compared on their way, as far as the source tells whether it is still the same. */
  const keepsProofs = (): boolean => integrity === 'md5' && source()?.tellsChanges === true;
  const saveSession = (state: Sending | Finishing): void => {
    const { layout, session, sha, step, name, crc64 } = state;
    if (!session) return;
    savedRun = state.run;
    savedCrc64 = crc64;
    savedCount = countProven(state);
    checkpointSavedAtMs = clock.monotonicMs();
    const facts = {
      sliceSizeBytes: layout.sliceSizeBytes,
      session: session.id,
      sha,
      finishing: step === 'finish',
      name,
      crc64,
    };
    save(state.tags && keepsProofs() ? { ...facts, proven: provenTags(state) } : facts);
  };

  return {
    get resumable() {
      return resumable;
    },
    async recall(identify, nextJob, controller) {
      job = nextJob;
      identity = await identify();
      resumable &&= identity !== undefined;
      key = url();
      if (renames) {
        // Nothing is remembered of a stream, and each has a name of its own.
        if (identity === undefined) return {};
        key += `#${identity}`;
      }
      // One that was asked for in vain, before a pause perhaps, would be in the way of the next.
      await ask(controller, () => locking);
      unlock ??= await ask(
        controller,
        (signal) => {
          const taken = lock(signal);
          locking = taken.catch(() => {});
          return taken;
        },
        (release) => release?.(),
      );
      const record = identity && (await ask(controller, () => store.load(key)));
      return record && (record.wire ?? FIRST_WIRE) === wire ? read(record) : {};
    },
    keep(state) {
      // Slices may have become smaller on the way.
      if (job) job = state.job;
      sending = state.step === 'send' && state.tags && keepsProofs() ? state : undefined;
      if (state.run === savedRun) {
        const isDue = clock.monotonicMs() - checkpointSavedAtMs >= CHECKPOINT_EVERY_MS;
        const isMore = sending && isDue && countProven(sending) > savedCount;
        if (isMore) saveSession(sending as Sending);
        // Finish makes an object, and a later run has to know what that must be.
        else if (state.step === 'finish' && state.crc64 !== savedCrc64) saveSession(state);
        return;
      }
      if ('layout' in state && state.session) {
        saveSession(state);
      } else if (state.step === 'init' && state.sha) {
        savedRun = state.run;
        save({ sha: state.sha, initCalled: true, hash: checkpoint, name: state.name });
      }
    },
    failed(reached, { code }) {
      const isChanged = code === 'source-changed';
      if (isChanged) resumable = false;
      if (code === 'integrity' && reached.step !== 'send' && identity !== undefined) {
        // The object is there, and is not what it should be: nobody goes on with it, or takes it for done.
        identity = NOBODYS;
        write(() => store.remove(key));
      }
      const session = sessionOf(reached);
      if (!identity || session === undefined) return;
      const { sha, name } = reached;
      if (isChanged) {
        // The session holds bytes of both: whoever comes next may remove it, and must not go on with it.
        identity = NOBODYS;
        save({ session: session.session, name });
      } else if (code === 'exists') {
        // An object that is found there later on was not made by this finish.
        save({ ...session, sha, finishing: false, name });
      }
    },
    checkpoint(next) {
      checkpoint = next;
      const nowMs = clock.monotonicMs();
      if (nowMs - checkpointSavedAtMs < CHECKPOINT_EVERY_MS) return;
      checkpointSavedAtMs = nowMs;
      save({ hash: next });
    },
    async saved() {
      const waiting = new AbortController();
      await Promise.race([writing, clock.sleep(SAVING_MS, waiting.signal)]);
      waiting.abort();
    },
    async close(forget) {
      if (!forget && identity !== NOBODYS && sending && countProven(sending) > savedCount) saveSession(sending);
      if (forget && identity !== undefined) write(() => store.remove(key));
      await writing;
      await locking;
      await unlock?.();
    },
  };
}

/** The session that an upload had when it failed, and its slice size. */
function sessionOf(reached: ActiveState): Pick<ResumeRecord, 'session' | 'sliceSizeBytes'> | undefined {
  if ('layout' in reached) {
    return reached.session && { session: reached.session.id, sliceSizeBytes: reached.layout.sliceSizeBytes };
  }
  if (reached.step !== 'list' || reached.why.for !== 'claim') return undefined;
  const { session, sliceSizeBytes } = reached.why;
  return session === undefined || sliceSizeBytes === undefined ? undefined : { session, sliceSizeBytes };
}
