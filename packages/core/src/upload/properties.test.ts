import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { ByteRange, UploadPart } from '../ports.ts';
import type { Answer, ObjectLocation } from '../protocol/operations.ts';
import { type Command, PAUSE_GRACE_MS, plan } from './plan.ts';
import { bytesIn, hasSlice } from './slices.ts';
import { initialState, isOver, type Job, type UploadEvent, type UploadState } from './state.ts';
import { transition } from './transition.ts';

/**
 * Generated histories: the real `transition` and `plan` against a model of a server that keeps what it is sent, under lost
 * requests, lost replies, refusals, lost sessions, pauses, outages and a moving window. Whatever happens, the rules hold.
 */

interface Machine {
  readonly transition: typeof transition;
  readonly plan: typeof plan;
}

interface History {
  readonly sizeBytes: number;
  readonly sliceSizeBytes: number;
  readonly serverSliceSizeBytes: number;
  readonly single: boolean;
  readonly serial: boolean;
  /** The server calls every unfinished upload the same. */
  readonly lenient: boolean;
  /** The server can discard one session and nothing else. */
  readonly exact: boolean;
  /** The server has our content under another path, and makes our object of it at once where init tells its SHA-1. */
  readonly known: boolean;
  readonly integrity: Job['integrity'];
  readonly overwrite: boolean;
  readonly onConflict: Job['onConflict'];
  /** What is at the path before. */
  readonly before:
    | 'nothing'
    | 'same-unfinished'
    | 'other-unfinished'
    | 'other-size'
    | 'present-ours'
    | 'present-other'
    | 'present-like-ours';
  readonly storedBefore: readonly boolean[];
  readonly record: 'none' | 'ours' | 'stale' | 'foreign';
  readonly steps: readonly Step[];
}

type Step =
  | { readonly do: 'answer' | 'lose-request' | 'lose-reply' | 'refuse' | 'expire' | 'reset'; readonly pick: number }
  | { readonly do: 'forget-session' | 'forget-slice' | 'late-reply'; readonly pick: number }
  | {
      readonly do: 'pause' | 'resume' | 'offline' | 'online' | 'tick' | 'long-tick' | 'stand' | 'sit' | 'others-finish';
    }
  | { readonly do: 'limit'; readonly limit: number };

const LOCATION: ObjectLocation = { accessUrl: 'http://x/o', sourceUrl: '', url: '', resourcePath: '' };
const OUR_SHA = 'a'.repeat(40);
const OTHER_SHA = 'b'.repeat(40);
const NOW = 1_000_000;
/** Work that asks nothing of the network. */
const LOCAL: readonly Command['type'][] = ['source', 'recall', 'hash'];

class ModelServer {
  session: { id: string; ours: boolean; sha?: string; sizeBytes: number; stored: Map<number, number> } | undefined;
  object: { sha?: string; sizeBytes: number; ours: boolean } | undefined;
  #sessions = 0;
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
    const { before, sizeBytes } = history;
    // Without a SHA-1 only the record tells that a session of the same size holds other content.
    if (before === 'same-unfinished')
      this.#open(this.#ourSha(), sizeBytes, this.#ourSha() !== undefined || history.record !== 'foreign');
    if (before === 'other-unfinished') this.#open(OTHER_SHA, sizeBytes, false);
    if (before === 'other-size') this.#open(undefined, sizeBytes + 1, false);
    if (before === 'present-ours') this.object = { sizeBytes, ours: true, sha: OUR_SHA };
    if (before === 'present-other') this.object = { sizeBytes: sizeBytes + 7, ours: false, sha: OTHER_SHA };
    if (before === 'present-like-ours') this.object = { sizeBytes, ours: false, sha: OTHER_SHA };
    if (this.session && before === 'same-unfinished') {
      history.storedBefore.forEach((stored, index) => {
        const range = this.#tile(index);
        if (stored && range.length > 0) this.session?.stored.set(range.offset, range.length);
      });
    }
  }

  /** Carries a request out. Checks what only the server can see. */
  answer(command: Command): Answer | CosSliceError {
    const { sizeBytes, serverSliceSizeBytes: sliceSizeBytes, serial, overwrite, exact, known } = this.#history;
    const sessionDelete = exact;
    switch (command.type) {
      case 'init': {
        if (this.object && !overwrite) return refused('exists', -177);
        if (this.session) {
          const same = this.session.sizeBytes === sizeBytes && this.session.sha === this.#ourSha();
          return same || this.#history.lenient
            ? { kind: 'unfinished' }
            : { kind: 'conflict', error: refused('conflict', -4020) };
        }
        if (known && command.hash) {
          this.object = { sizeBytes, ours: true, sha: OUR_SHA };
          return { kind: 'present', location: LOCATION };
        }
        const session = this.#open(this.#ourSha(), sizeBytes, true);
        return { kind: 'opened', session: session.id, sliceSizeBytes, serial, sessionDelete };
      }
      case 'list': {
        if (this.session) {
          const stored = [...this.session.stored].map(([offset, length]) => ({ offset, length }));
          const { id, sha } = this.session;
          return {
            kind: 'listed',
            session: id,
            sliceSizeBytes,
            serial,
            sessionDelete,
            stored: stored.reverse(),
            sizeBytes: this.session.sizeBytes,
            ...(sha === undefined ? {} : { sha }),
          };
        }
        if (!this.object) return { kind: 'absent' };
        return {
          kind: 'present',
          location: LOCATION,
          sizeBytes: this.object.sizeBytes,
          ...(this.object.sha === undefined ? {} : { sha: this.object.sha }),
        };
      }
      case 'send': {
        if (!command.session) {
          expect(command.range).toEqual({ offset: 0, length: sizeBytes });
          if (this.object && !overwrite) return refused('exists', -177);
          if (this.session) return { kind: 'conflict', error: refused('conflict', -4020) };
          this.object = { sizeBytes, ours: true, sha: OUR_SHA };
          return { kind: 'present', location: LOCATION };
        }
        if (command.session.id !== this.session?.id) return { kind: 'session-gone', error: refused('not-found', -197) };
        // Slices tile the file exactly.
        expect(command.range).toEqual(this.#tile(command.range.offset / sliceSizeBytes));
        this.session.stored.set(command.range.offset, command.range.length);
        return { kind: 'stored' };
      }
      case 'finish': {
        if (command.session.id !== this.session?.id) return { kind: 'session-gone', error: refused('not-found', -197) };
        let bytes = 0;
        for (const length of this.session.stored.values()) bytes += length;
        if (bytes !== sizeBytes) return { kind: 'incomplete', error: refused('bad-request', -5999) };
        if (this.session.sha !== command.session.sha) return refused('bad-request', -29094);
        if (this.session.sha !== undefined && !this.session.ours) return refused('integrity', -4016);
        this.object = { sizeBytes, ours: this.session.ours, ...(this.session.sha ? { sha: this.session.sha } : {}) };
        this.session = undefined;
        return { kind: 'present', location: LOCATION };
      }
      case 'discard':
        expect(command.exact, 'only a server that can is asked to remove one session').toBe(exact);
        if (this.session?.id === command.session) this.session = undefined;
        // One that cannot is not asked at all when something else is there.
        else if (!exact) return { kind: 'absent' };
        return { kind: 'discarded' };
      default:
        throw new Error(`not a request: ${command.type}`);
    }
  }

  forgetSession(): void {
    this.session = undefined;
  }

  /** Whoever else uploads to the path has stored everything. */
  othersFinish(): void {
    // A lenient server makes one upload of two: then they are no others.
    if (!this.session || this.session.ours || this.#history.lenient) return;
    const { sha, sizeBytes } = this.session;
    this.object = { sizeBytes, ours: false, ...(sha === undefined ? {} : { sha }) };
    this.session = undefined;
  }

  forgetSlice(pick: number): void {
    const offsets = [...(this.session?.stored.keys() ?? [])];
    const offset = offsets[pick % Math.max(1, offsets.length)];
    if (offset !== undefined) this.session?.stored.delete(offset);
  }

  #open(sha: string | undefined, sizeBytes: number, ours: boolean): NonNullable<ModelServer['session']> {
    this.#sessions += 1;
    this.session = {
      id: `session-${this.#sessions}`,
      ours,
      sizeBytes,
      stored: new Map(),
      ...(sha === undefined ? {} : { sha }),
    };
    return this.session;
  }

  #ourSha(): string | undefined {
    return this.#history.integrity === 'sha1' ? OUR_SHA : undefined;
  }

  #tile(index: number): ByteRange {
    const { sizeBytes, serverSliceSizeBytes } = this.#history;
    const offset = index * serverSliceSizeBytes;
    return { offset, length: Math.max(0, Math.min(serverSliceSizeBytes, sizeBytes - offset)) };
  }
}

function refused(
  code: 'integrity' | 'exists' | 'conflict' | 'not-found' | 'bad-request',
  wireCode: number,
): CosSliceError {
  return new CosSliceError(code, code, { wireCode });
}

/** Plays a history to its end and checks the rules at every step. */
function play(history: History, machine: Machine): UploadState {
  const server = new ModelServer(history);
  const job: Job = {
    sizeBytes: 0,
    sliceSizeBytes: history.sliceSizeBytes,
    singleMaxBytes: history.single ? history.sizeBytes : -1,
    integrity: history.integrity,
    overwrite: history.overwrite,
    onConflict: history.onConflict,
    retry: { attempts: 4, attemptsPerUpload: 30, baseDelayMs: 100, maxDelayMs: 1000 },
  };
  let state = initialState(job);
  let limit = 3;
  let online = true;
  let nowMs = NOW;
  let shown = 0;
  let run = -1;
  const running = new Map<string, Command>();
  /** Aborted, but the server may have had them already. */
  const late: { readonly command: Command; readonly reply: Answer }[] = [];
  let forgetful = false;
  /** Slices that the client knows to be stored in this run. */
  const acknowledged = new Set<number>();

  const dispatch = (event: UploadEvent): void => {
    const before = state;
    const bits = bitsOf(before);
    // Touching it throws.
    freeze(before);
    state = machine.transition(state, event);
    expect(bitsOf(before), 'a transition must not touch the old state').toBe(bits);
    if (isOver(before)) expect(state, 'an ended upload stays as it ended').toBe(before);
    if ('run' in state && state.run !== run) {
      run = state.run;
      shown = 0;
      acknowledged.clear();
    }
    if ('stored' in state) {
      const confirmed = bytesIn(state.layout, state.stored);
      expect(confirmed, 'progress never falls within a run').toBeGreaterThanOrEqual(shown);
      expect(confirmed, 'progress never exceeds the size').toBeLessThanOrEqual(history.sizeBytes);
      shown = confirmed;
      if (!forgetful && state.session && state.session.id === server.session?.id) {
        expect(state.stored.count, 'what counts as stored is stored').toBeLessThanOrEqual(server.session.stored.size);
      }
      for (const index of acknowledged) expect(hasSlice(state.stored, index), 'stored stays stored').toBe(true);
    }
  };

  /** What the driver does: aborts what is no longer planned, starts what is. */
  const reconcile = (): void => {
    for (let round = 0; ; round += 1) {
      expect(round).toBeLessThan(1000);
      const planned = machine.plan(state, { concurrency: limit }, nowMs);
      checkSwitches(planned);
      const keys = new Set(planned.map((command) => command.key));
      expect(keys.size, 'nothing is planned twice').toBe(planned.length);
      for (const [key, command] of running) {
        if (keys.has(key)) continue;
        running.delete(key);
        const heard = command.type === 'send' || command.type === 'finish' || command.type === 'init';
        const reply = heard && late.length % 3 < 2 ? server.answer(command) : undefined;
        if (reply && !(reply instanceof CosSliceError)) late.push({ command, reply });
        const slice = command.type === 'send' ? { slice: command.slice } : {};
        if ('run' in command) dispatch({ type: 'stopped', run: command.run, ...slice });
      }
      const next = planned.find((command) => !running.has(command.key) && command.type !== 'wait');
      if (!next) return;
      checkStart(next);
      running.set(next.key, next);
      if ('run' in next) {
        dispatch({ type: 'started', run: next.run, slice: next.type === 'send' ? next.slice : undefined });
      }
    }
  };

  const checkSwitches = (planned: readonly Command[]): void => {
    const work = planned.filter((command) => command.type !== 'wait');
    const fresh = work.filter((command) => !running.has(command.key));
    if (isOver(state) || !state.seated) return expect(planned, 'nothing runs').toEqual([]);
    const { pausedAtMs, probeAtMs } = state;
    if (pausedAtMs !== undefined) {
      expect(fresh, 'nothing starts').toEqual([]);
      if (nowMs >= pausedAtMs + PAUSE_GRACE_MS) expect(planned, 'nothing runs').toEqual([]);
    } else if (probeAtMs !== undefined && !fresh.some((command) => LOCAL.includes(command.type))) {
      if (work.length > fresh.length || nowMs < probeAtMs) expect(fresh, 'nothing starts').toEqual([]);
      expect(fresh.length, 'one request at a time looks whether the network is there').toBeLessThanOrEqual(1);
    }
  };

  const checkStart = (command: Command): void => {
    expect(isOver(state)).toBe(false);
    if (command.type === 'send') {
      const sends = [...running.values()].filter((one) => one.type === 'send');
      const allowed = history.serial && !history.single ? 1 : limit;
      expect(sends.length, 'in flight stays within the limit').toBeLessThan(allowed);
      expect(
        sends.some((one) => one.type === 'send' && one.slice === command.slice),
        'a slice is in flight once',
      ).toBe(false);
      expect(acknowledged.has(command.slice), 'a stored slice is not sent again').toBe(false);
      if ('stored' in state) expect(hasSlice(state.stored, command.slice), 'a listed slice is not sent').toBe(false);
    } else {
      expect(running.size, 'only slices run side by side').toBe(0);
    }
    if (command.type === 'finish' && 'stored' in state) {
      expect(state.stored.count, 'finish comes when everything is stored').toBe(state.stored.size);
    }
  };

  const complete = (
    command: Command,
    how: 'answer' | 'lose-request' | 'lose-reply' | 'refuse' | 'expire' | 'reset',
  ): void => {
    running.delete(command.key);
    if (command.type === 'wait') return;
    const slice = command.type === 'send' ? { slice: command.slice } : {};
    const failWith = (error: CosSliceError): void =>
      dispatch({ type: 'failed', run: command.run, error, nowMs, random: 0.5, online, ...slice });
    if (command.type === 'source') {
      const { sizeBytes, sliceSizeBytes } = history;
      return dispatch({ type: 'source-opened', run: command.run, sizeBytes, sliceSizeBytes });
    }
    if (command.type === 'recall') return dispatch(recalled(history, command.run));
    if (command.type === 'hash')
      return dispatch({ type: 'hashed', run: command.run, hash: { sha: OUR_SHA, parts: [] as UploadPart[] } });
    if (how === 'lose-request') return failWith(new CosSliceError('network', 'lost', { remedy: 'backoff' }));
    if (how === 'reset')
      return failWith(new CosSliceError('network', 'refused', { remedy: 'backoff', unreachable: true }));
    if (how === 'refuse') {
      return failWith(
        new CosSliceError('unavailable', 'busy', { remedy: 'backoff', wireCode: -71, retryAfterMs: 300 }),
      );
    }
    if (how === 'expire')
      return failWith(new CosSliceError('signature-expired', 'expired', { remedy: 'resign', wireCode: -59 }));
    const known = state;
    const reply = server.answer(command);
    if (how === 'lose-reply') return failWith(new CosSliceError('network', 'lost', { remedy: 'backoff' }));
    if (reply instanceof CosSliceError) return failWith(reply);
    if (reply.kind === 'stored' && command.type === 'send' && 'run' in known && known.run === command.run) {
      acknowledged.add(command.slice);
    }
    dispatch({ type: 'replied', run: command.run, reply, ...slice });
  };

  const pickRunning = (pick: number): Command | undefined => [...running.values()][pick % Math.max(1, running.size)];

  reconcile();
  for (const step of history.steps) {
    if (isOver(state)) break;
    switch (step.do) {
      case 'pause':
        dispatch({ type: 'paused', nowMs });
        break;
      case 'resume':
        dispatch({ type: 'resumed' });
        break;
      case 'offline':
        online = false;
        dispatch({ type: 'offline', nowMs });
        break;
      case 'online':
        online = true;
        dispatch({ type: 'online' });
        break;
      case 'stand':
        dispatch({ type: 'unseated' });
        break;
      case 'sit':
        dispatch({ type: 'seated' });
        break;
      case 'tick':
      case 'long-tick':
        nowMs += step.do === 'tick' ? 500 : 6000;
        break;
      case 'others-finish':
        server.othersFinish();
        break;
      case 'limit':
        limit = step.limit;
        break;
      case 'forget-session':
        server.forgetSession();
        break;
      case 'forget-slice':
        server.forgetSlice(step.pick);
        forgetful = true;
        break;
      case 'late-reply': {
        const [one] = late.splice(step.pick % Math.max(1, late.length), 1);
        if (one?.command.type === 'send') {
          dispatch({ type: 'replied', run: one.command.run, slice: one.command.slice, reply: one.reply });
        }
        break;
      }
      default: {
        const command = pickRunning(step.pick);
        if (command) complete(command, step.do);
      }
    }
    reconcile();
  }

  // From here on all is well: the upload comes to its end by itself.
  online = true;
  dispatch({ type: 'resumed' });
  dispatch({ type: 'online' });
  dispatch({ type: 'seated' });
  reconcile();
  for (let round = 0; !isOver(state); round += 1) {
    expect(round, 'an upload ends').toBeLessThan(400);
    const command = pickRunning(0);
    const planned = machine.plan(state, { concurrency: limit }, nowMs);
    expect(planned.length, 'there is always something to do or to wait for').toBeGreaterThan(0);
    if (command) complete(command, 'answer');
    else nowMs += 500;
    reconcile();
  }
  expect(running.size, 'nothing runs after the end').toBe(0);
  if (state.phase === 'done') {
    expect(server.object?.ours, 'done means that the server has our object').toBe(true);
    expect(server.object?.sizeBytes).toBe(history.sizeBytes);
    expect(state.reached.resumedBytes).toBeLessThanOrEqual(history.sizeBytes);
  }
  if (state.phase === 'failed') checkExcuse(state.error, history, server);
  return state;
}

/** A failure needs a reason in the history. */
function checkExcuse(error: CosSliceError, history: History, server: ModelServer): void {
  const did = (...kinds: Step['do'][]): boolean => history.steps.some((step) => kinds.includes(step.do));
  const excuses: Partial<Record<CosSliceError['code'], boolean>> = {
    network: did('lose-request', 'lose-reply', 'reset'),
    unavailable: did('refuse'),
    'signature-expired': did('expire'),
    conflict: history.onConflict === 'error' || did('lose-reply', 'lose-request', 'reset'),
    exists: !history.overwrite && (history.before.startsWith('present') || server.object?.ours === false),
    'session-lost': did('forget-session'),
    'bad-request': did('forget-slice'),
    integrity: history.lenient && history.before === 'other-unfinished',
  };
  expect(excuses[error.code], `${error.code} without a cause`).toBe(true);
}

function recalled(history: History, run: number): UploadEvent {
  const sha = history.integrity === 'sha1' ? { sha: OUR_SHA } : {};
  switch (history.record) {
    case 'none':
      return { type: 'recalled', run };
    case 'ours':
      return {
        type: 'recalled',
        run,
        session: history.before === 'same-unfinished' ? 'session-1' : 'session-9',
        ...sha,
      };
    case 'stale':
      return { type: 'recalled', run, session: 'session-0', finishing: history.before === 'present-ours', ...sha };
    case 'foreign':
      return { type: 'recalled', run, foreignSession: 'session-1' };
  }
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
}

/** The bits of its slices, which cannot be frozen. */
function bitsOf(state: UploadState): string {
  return 'stored' in state ? state.stored.pages.map((page) => page?.subarray(0, 8)).join('|') : '';
}

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('answer' as const), pick: fc.nat(20) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'lose-request' as const,
        'lose-reply' as const,
        'refuse' as const,
        'expire' as const,
        'reset' as const,
      ),
      pick: fc.nat(20),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'forget-session' as const,
        'forget-slice' as const,
        'late-reply' as const,
        'late-reply' as const,
      ),
      pick: fc.nat(20),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'pause' as const,
        'resume' as const,
        'resume' as const,
        'offline' as const,
        'online' as const,
        'online' as const,
        'tick' as const,
        'tick' as const,
        'long-tick' as const,
        'others-finish' as const,
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('stand' as const, 'sit' as const, 'sit' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), limit: fc.integer({ min: 1, max: 6 }) }) },
);

const historyArbitrary: fc.Arbitrary<History> = fc
  .record({
    sizeBytes: fc.integer({ min: 0, max: 300 }),
    sliceSizeBytes: fc.constantFrom(16, 64),
    serverSliceSizeBytes: fc.constantFrom(16, 20, 64),
    single: fc.boolean(),
    serial: fc.boolean(),
    lenient: fc.boolean(),
    exact: fc.boolean(),
    known: fc.boolean(),
    integrity: fc.constantFrom('none', 'md5', 'sha1'),
    overwrite: fc.boolean(),
    onConflict: fc.constantFrom('error', 'restart'),
    before: fc.constantFrom(
      'nothing',
      'nothing',
      'same-unfinished',
      'same-unfinished',
      'other-unfinished',
      'other-size',
      'present-ours',
      'present-other',
      'present-like-ours',
    ),
    storedBefore: fc.array(fc.boolean(), { maxLength: 20 }),
    record: fc.constantFrom('none', 'ours', 'stale', 'foreign'),
    steps: fc.array(stepArbitrary, { maxLength: 80, size: 'max' }),
  })
  .map((history) => ({ ...history, single: history.sizeBytes === 0 || (history.single && history.sizeBytes <= 64) }));

function check(machine: Machine, numRuns: number): void {
  fc.assert(
    fc.property(historyArbitrary, (history) => {
      play(history, machine);
    }),
    { numRuns, seed: Number(process.env.SEED ?? 20161) },
  );
}

describe('every history of an upload', () => {
  test('keeps the rules of the state machine', () => {
    check({ transition, plan }, 3000);
  });

  test('is total: events that make no sense change nothing and never throw', () => {
    const junk: fc.Arbitrary<UploadEvent> = fc.oneof(
      fc.record({ type: fc.constant('started' as const), run: fc.nat(3), slice: fc.integer({ min: -1, max: 30 }) }),
      fc.record({ type: fc.constant('stopped' as const), run: fc.nat(3), slice: fc.integer({ min: -1, max: 30 }) }),
      fc.record({
        type: fc.constant('replied' as const),
        run: fc.nat(3),
        slice: fc.integer({ min: -1, max: 30 }),
        reply: fc.constantFrom<Answer>(
          { kind: 'stored' },
          { kind: 'absent' },
          { kind: 'unfinished' },
          { kind: 'discarded' },
          { kind: 'present', location: LOCATION },
          { kind: 'opened', session: 's', sliceSizeBytes: 16, serial: false, sessionDelete: false },
          { kind: 'session-gone', error: refused('not-found', -197) },
          { kind: 'incomplete', error: refused('bad-request', -5999) },
        ),
      }),
      fc.record({
        type: fc.constant('hashed' as const),
        run: fc.nat(3),
        hash: fc.constant({ sha: OUR_SHA, parts: [] }),
      }),
      fc.record({
        type: fc.constant('source-opened' as const),
        run: fc.nat(3),
        sizeBytes: fc.constant(200),
        sliceSizeBytes: fc.constant(16),
      }),
      fc.record({ type: fc.constant('recalled' as const), run: fc.nat(3) }),
      fc.record({ type: fc.constantFrom('paused' as const, 'offline' as const), nowMs: fc.constant(NOW) }),
      fc.record({
        type: fc.constantFrom('resumed' as const, 'online' as const, 'seated' as const, 'unseated' as const),
      }),
    );
    fc.assert(
      fc.property(
        fc.array(junk, { maxLength: 40 }),
        fc.constantFrom('none' as const, 'sha1' as const),
        (events, integrity) => {
          const job: Job = {
            sizeBytes: 200,
            sliceSizeBytes: 16,
            singleMaxBytes: -1,
            integrity,
            overwrite: false,
            onConflict: 'error',
            retry: { attempts: 3, attemptsPerUpload: 9, baseDelayMs: 1, maxDelayMs: 1 },
          };
          let state = initialState(job);
          for (const event of events) {
            state = transition(state, event);
            const commands = plan(state, { concurrency: 2 }, NOW);
            expect(commands.every((one) => one.type !== 'send' || one.range.length > 0)).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('the rules notice', () => {
  const sends = (commands: Command[]): Command[] => commands.filter((command) => command.type === 'send');
  const mutants: Record<string, Machine> = {
    'a plan that ignores the limit': {
      transition,
      plan: (state, limits, nowMs) => plan(state, { concurrency: limits.concurrency + 1 }, nowMs),
    },
    'a plan that ignores serial uploads': {
      transition,
      plan: (state, limits, nowMs) =>
        plan(
          state.phase === 'sending' && state.session
            ? { ...state, session: { ...state.session, serial: false } }
            : state,
          limits,
          nowMs,
        ),
    },
    'a plan that goes on while paused': {
      transition,
      plan: (state, limits, nowMs) => plan(isOver(state) ? state : { ...state, pausedAtMs: undefined }, limits, nowMs),
    },
    'a plan that goes on while offline': {
      transition,
      plan: (state, limits, nowMs) => plan(isOver(state) ? state : { ...state, probeAtMs: undefined }, limits, nowMs),
    },
    'a plan that starts at the first slice again': {
      transition,
      plan: (state, limits, nowMs) =>
        plan(state.phase === 'sending' ? { ...state, cursor: 0, active: [] } : state, limits, nowMs),
    },
    'a plan that skips the last slice': {
      transition,
      plan: (state, limits, nowMs) =>
        plan(state, limits, nowMs).filter(
          (one) => one.type !== 'send' || state.phase !== 'sending' || one.slice < state.stored.size - 1,
        ),
    },
    'a plan with ranges that overlap': {
      transition,
      plan: (state, limits, nowMs) =>
        plan(state, limits, nowMs).map((one) =>
          one.type === 'send' && one.slice > 0
            ? { ...one, range: { ...one.range, offset: one.range.offset - 1 } }
            : one,
        ),
    },
    'a plan that forgets what is in flight': {
      transition,
      plan: (state, limits, nowMs) => {
        const commands = plan(state, limits, nowMs);
        return sends(commands).length > 1 ? commands.slice(1) : commands;
      },
    },
    'a plan that does not wake up': {
      transition,
      plan: (state, limits, nowMs) => plan(state, limits, nowMs).filter((one) => one.type !== 'wait'),
    },
    'a transition that finishes early': {
      plan,
      transition: (state, event) => {
        const next = transition(state, event);
        if (next.phase !== 'sending' || !next.session || next.stored.count !== next.stored.size - 1) return next;
        const { active: _active, cursor: _cursor, session, ...rest } = next;
        return { ...rest, session, phase: 'finishing', step: 'finish' };
      },
    },
    'a transition that forgets that a slice was stored': {
      plan,
      transition: (state, event) => {
        const next = transition(state, event);
        return state.phase === 'sending' && next.phase === 'sending' && event.type === 'replied'
          ? { ...next, stored: state.stored }
          : next;
      },
    },
    'a transition that takes a stored slice for a waiting one': {
      plan,
      transition: (state, event) => {
        const next = transition(state, event);
        return state.phase === 'sending' && next.phase === 'sending' && event.type === 'replied'
          ? { ...next, active: state.active }
          : next;
      },
    },
    'a transition that believes replies to an earlier run': {
      plan,
      transition: (state, event) =>
        transition(state, 'run' in event && 'run' in state ? { ...event, run: state.run } : event),
    },
    'a transition that ends twice': {
      plan,
      transition: (state, event) => (isOver(state) ? { ...state } : transition(state, event)),
    },
    'a transition that gives up at the first failure': {
      plan,
      transition: (state, event) =>
        event.type === 'failed'
          ? transition(state, { ...event, error: new CosSliceError('integrity', 'no') })
          : transition(state, event),
    },
    'a transition that never gives up a session': {
      plan,
      transition: (state, event) =>
        event.type === 'replied' && event.reply.kind === 'session-gone' && state.phase === 'sending'
          ? state
          : transition(state, event),
    },
    'a transition that takes other content for its own': {
      plan,
      transition: (state, event) => {
        if (event.type !== 'replied' || event.reply.kind !== 'listed') return transition(state, event);
        const { sha: _sha, sizeBytes: _sizeBytes, ...reply } = event.reply;
        return transition(state, { ...event, reply });
      },
    },
    'a transition that adopts a session of other content': {
      plan,
      transition: (state, event) => {
        if (event.type !== 'recalled') return transition(state, event);
        const { foreignSession: _foreign, ...rest } = event;
        return transition(state, rest);
      },
    },
  };

  test.each(Object.entries(mutants))('%s', (_name, machine) => {
    expect(() => check(machine, 1500)).toThrow();
  });
});
