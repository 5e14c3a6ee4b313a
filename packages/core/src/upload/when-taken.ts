import type { CosSliceError } from '../errors.ts';
import type { HashCheckpoint } from '../ports.ts';
import type { Answer } from '../protocol/operations.ts';
import type { ActiveState, Listing, UploadEvent, UploadState, Why } from './state.ts';

/** What an upload does without any of this; handed in, so that pages can load this file when it is needed. */
export interface Plain {
  transition(state: UploadState, event: UploadEvent): UploadState;
  list(state: ActiveState, why: Why): UploadState;
  create(state: ActiveState, checkpoint?: HashCheckpoint): UploadState;
  discard(state: ActiveState, session: string, exact: boolean, ousted: CosSliceError): UploadState;
  succeed(state: ActiveState, reply: Extract<Answer, { readonly kind: 'present' }>): UploadState;
  fail(state: ActiveState, error: CosSliceError): UploadState;
}

/** What uploads do that leave alone what is at their path (`overwrite: 'skip'`), or take another name (`'rename'`). */
export interface WhenTaken {
  /** As `transition`, which decides all that is not about a path that is taken. Pure and total as well. */
  transition(plain: Plain, state: UploadState, event: UploadEvent): UploadState;
  /** Where the upload goes: its path, or that with ` (1)`, ` (2)`, ... before the extension. */
  pathOf(path: string, state: UploadState): string;
}

/** The last name that is tried is the one with ` (16384)`. */
const MAX_NAME = 16_384;
/** As many others may take the free name at once. Where more are refused, as below a file, no name will do. */
const MAX_REFUSED = 64;

export const whenTaken: WhenTaken = {
  transition(plain, before, event) {
    const state = event.type === 'recalled' && 'name' in before ? { ...before, name: event.name ?? 0 } : before;
    if ('step' in state && isLooking(state) && isAnswer(state, event)) return onLook(plain, state, event.reply);
    const next = plain.transition(state, event);
    const { overwrite } = next.job;
    if ('ousted' in state && state.ousted) {
      // Gone, or not to be removed: either way there is an end of it.
      const isOver = next.phase !== 'cancelled' && !('step' in next && next.step === 'discard');
      return isOver ? onTaken(plain, state, state.ousted) : next;
    }
    if (next.phase === 'failed' && before.phase !== 'failed') return onFailed(plain, next.reached, next.error);
    const begins = 'step' in state && (state.step === 'source' || state.step === 'recall');
    if (overwrite !== 'skip' || !begins || !('step' in next) || !BEGINNINGS.includes(next.step)) return next;
    return plain.list(next, { for: 'look', checkpoint: 'checkpoint' in next ? next.checkpoint : undefined });
  },
  pathOf(path, state) {
    const { name } = 'reached' in state ? state.reached : state;
    return name === 0 ? path : path.replace(/([^/])((\.tar)?\.[^./]+)?$/, `$1 (${name})$2`);
  },
};

/** Steps that ask for something to be made. */
const BEGINNINGS: readonly string[] = ['hash', 'init', 'send'];

/** What other uploads to the same path may fail this one with. */
const OTHERS: readonly string[] = ['conflict', 'session-lost'];

type Look = Extract<Why, { readonly for: 'look' | 'name' }>;
type Looking = Listing & { readonly why: Look };
type Heard = UploadEvent & { readonly type: 'replied' };

function isAnswer(state: Looking, event: UploadEvent): event is Heard {
  return event.type === 'replied' && event.run === state.run;
}

function isLooking(state: ActiveState): state is Looking {
  return state.step === 'list' && (state.why.for === 'look' || state.why.for === 'name');
}

/** What is at the path, or at one that is tried, has become known. */
function onLook(plain: Plain, before: Looking, reply: Answer): UploadState {
  const state = { ...before, contacted: true, failures: 0, probeAtMs: undefined };
  const { why } = state;
  if (why.for === 'look') {
    if (reply.kind === 'present') {
      return { ...plain.succeed({ ...state, sha: undefined }, reply), skipped: true } as UploadState;
    }
    return why.error ? plain.fail(state, why.error) : plain.create(state, why.checkpoint);
  }
  return reply.kind === 'absent'
    ? tryNext(plain, state, { ...why, free: state.name })
    : tryNext(plain, state, { ...why, taken: state.name });
}

function onFailed(plain: Plain, state: ActiveState, error: CosSliceError): UploadState {
  const { overwrite, hidesSessions } = state.job;
  // Another upload that is under way there will have the name; one of the same length shows by taking our session away.
  const isTaken = error.code === 'exists' || (overwrite === 'rename' && OTHERS.includes(error.code));
  if (typeof overwrite !== 'string' || !isTaken || isLooking(state)) return plain.fail(state, error);
  const session = hidesSessions ? sessionOf(state) : undefined;
  return session === undefined ? onTaken(plain, state, error) : plain.discard(state, session, true, error);
}

/** The session of an upload whose name is found to be taken: it is of no use under another one. */
function sessionOf(state: ActiveState): string | undefined {
  if ('layout' in state) return state.session?.id;
  return state.step === 'list' && state.why.for === 'claim' ? state.why.session : undefined;
}

function onTaken(plain: Plain, state: ActiveState, error: CosSliceError): UploadState {
  // It may have come there while this upload was under way; what it is, the list tells.
  if (state.job.overwrite === 'skip') return plain.list(state, { for: 'look', error });
  const namesRefused = (state.namesRefused ?? 0) + 1;
  if (namesRefused > MAX_REFUSED) return plain.fail(state, error);
  return tryNext(plain, { ...state, namesRefused }, { for: 'name', taken: state.name, error });
}

/**
 * Between a name that is taken and one that is free lies the first free one, where they are taken in order: so the way there is
 * doubled until one is free, and then halved.
 */
function tryNext(plain: Plain, before: ActiveState, why: Extract<Look, { readonly for: 'name' }>): UploadState {
  const { taken, free } = why;
  const state = { ...before, rounds: 0 };
  if (free !== undefined && free - taken <= 1) return plain.create({ ...state, ...NEW, name: free });
  const name = free === undefined ? Math.max(1, 2 * taken) : Math.floor((taken + free) / 2);
  return name <= MAX_NAME ? plain.list({ ...state, name }, why) : plain.fail(state, why.error);
}

/** Nothing that is known of the upload at another name is true here. */
const NEW = {
  initCalled: false,
  foreignSession: undefined,
  cleared: false,
  lostAtBytes: -1,
  refusals: 0,
  resumedBytes: 0,
  resumed: undefined,
} as const;
