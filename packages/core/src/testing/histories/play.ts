import { CosSliceError } from '../../errors.ts';
import type { UploadPart } from '../../ports.ts';
import type { Answer } from '../../protocol/operations.ts';
import { type Command, PAUSE_GRACE_MS, type plan } from '../../upload/plan.ts';
import { bytesIn, hasSlice } from '../../upload/slices.ts';
import { initialState, isOver, type Job, type UploadEvent, type UploadState } from '../../upload/state.ts';
import type { History, Step } from './history.ts';
import { ModelServer, OUR_SHA } from './model-server.ts';
import { rule } from './rule.ts';

export interface Machine {
  readonly transition: (state: UploadState, event: UploadEvent) => UploadState;
  readonly plan: typeof plan;
}

const NOW = 1_000_000;
/** Work that asks nothing of the network. */
const LOCAL: readonly Command['type'][] = ['source', 'recall', 'hash'];
/** Plays a history to its end and checks the rules at every step. */
export function play(history: History, machine: Machine): UploadState {
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
    rule('a transition does not touch the old state', bitsOf(before) === bits);
    if (isOver(before)) rule('an ended upload stays as it ended', state === before);
    if ('run' in state && state.run !== run) {
      run = state.run;
      shown = 0;
      acknowledged.clear();
    }
    if ('stored' in state) {
      const confirmed = bytesIn(state.layout, state.stored);
      rule('progress never falls within a run', confirmed >= shown);
      rule('progress never exceeds the size', confirmed <= history.sizeBytes);
      shown = confirmed;
      if (!forgetful && state.session && state.session.id === server.session?.id) {
        rule('what counts as stored is stored', state.stored.count <= server.session.stored.size);
      }
      for (const index of acknowledged) rule('stored stays stored', hasSlice(state.stored, index));
    }
  };

  /** What the driver does: aborts what is no longer planned, starts what is. */
  const reconcile = (): void => {
    for (let round = 0; ; round += 1) {
      rule('plans come to rest', round < 1000);
      const planned = machine.plan(state, { concurrency: limit }, nowMs);
      checkSwitches(planned);
      const keys = new Set(planned.map((command) => command.key));
      rule('nothing is planned twice', keys.size === planned.length);
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
    if (isOver(state) || !state.seated) return rule('nothing runs', planned.length === 0);
    const { pausedAtMs, probeAtMs } = state;
    if (pausedAtMs !== undefined) {
      rule('nothing starts', fresh.length === 0);
      if (nowMs >= pausedAtMs + PAUSE_GRACE_MS) rule('nothing runs', planned.length === 0);
    } else if (probeAtMs !== undefined && !fresh.some((command) => LOCAL.includes(command.type))) {
      if (work.length > fresh.length || nowMs < probeAtMs) rule('nothing starts', fresh.length === 0);
      rule('one request at a time looks whether the network is there', fresh.length <= 1);
    }
  };

  const checkStart = (command: Command): void => {
    rule('nothing starts after the end', !isOver(state));
    if (command.type === 'send') {
      const sends = [...running.values()].filter((one) => one.type === 'send');
      const allowed = history.serial && !history.single ? 1 : limit;
      rule('in flight stays within the limit', sends.length < allowed);
      rule('a slice is in flight once', !sends.some((one) => one.type === 'send' && one.slice === command.slice));
      rule('a stored slice is not sent again', !acknowledged.has(command.slice));
      if ('stored' in state) rule('a listed slice is not sent', !hasSlice(state.stored, command.slice));
    } else {
      rule('only slices run side by side', running.size === 0);
    }
    if (command.type === 'finish' && 'stored' in state) {
      rule('finish comes when everything is stored', state.stored.count === state.stored.size);
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
    rule('an upload ends', round < 400);
    const command = pickRunning(0);
    const planned = machine.plan(state, { concurrency: limit }, nowMs);
    rule('there is always something to do or to wait for', planned.length > 0);
    if (command) complete(command, 'answer');
    else nowMs += 500;
    reconcile();
  }
  rule('nothing runs after the end', running.size === 0);
  if (state.phase === 'done') {
    rule('done means that the server has our object', server.object?.ours === true);
    rule('what is done has its size', server.object?.sizeBytes === history.sizeBytes);
    rule('no more is resumed than there is', state.reached.resumedBytes <= history.sizeBytes);
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
  rule(`a failure (${error.code}) has a cause`, excuses[error.code] === true);
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
  return 'stored' in state ? state.stored.pages.map((page) => page?.slice(0, 2)).join('|') : '';
}
