import type { CosSliceError } from '../errors.ts';
import type { Answer, Stored } from '../protocol/operations.ts';
import { addSlice, bytesIn, hasSlice, nextMissing } from './slices.ts';
import {
  type ActiveSlice,
  type ActiveState,
  type Finishing,
  type Sending,
  UNTRIED,
  type UploadState,
} from './state.ts';
import { clear, fail, finishIfComplete, list, loseSession, succeed } from './steps.ts';
import { addTag } from './tags.ts';

/** What becomes of an attempt: of a slice while slices are sent, else of the step's own work. */
export function noteTry(state: ActiveState, index: number | undefined, change: Partial<ActiveSlice>): ActiveState {
  if (state.phase !== 'sending') return { ...state, running: false, ...change };
  const active = state.active.map((one) => (one.index === index ? { ...one, running: false, ...change } : one));
  return { ...state, active };
}

/** Copied whole for every slice: what a copy has to add to its model costs many times as much. */
const FRESH: ActiveSlice = { ...UNTRIED, index: 0 };

export function onSliceStarted(state: Sending, index: number): UploadState {
  const { active, cursor, stored } = state;
  if (active.some((slice) => slice.index === index)) return noteTry(state, index, { running: true });
  if (index < cursor || index >= stored.size || hasSlice(stored, index)) return state;
  // Slices are started in order, but they may get their places out of order: the ones passed over become active too.
  const more: ActiveSlice[] = [];
  for (let at = cursor; at <= index; at = nextMissing(stored, at + 1)) {
    more.push({ ...FRESH, index: at, running: at === index });
  }
  return { ...state, active: [...active, ...more], cursor: nextMissing(stored, index + 1) };
}

export function onSendReply(state: Sending, index: number, reply: Answer): UploadState {
  switch (reply.kind) {
    case 'stored':
      return onStored(state, index, reply);
    case 'present':
      return succeed(state, reply);
    case 'session-gone':
      return onSessionGone(state, reply.error);
    case 'conflict':
      return clear(state, reply.error);
    default:
      return state;
  }
}

function onStored(state: Sending, index: number, { location, tag }: Stored): UploadState {
  if (hasSlice(state.stored, index)) return state;
  const stored = addSlice(state.stored, index);
  const active = state.active.filter((slice) => slice.index !== index);
  const tags = tag === undefined ? state.tags : addTag(state.tags ?? [], index, tag);
  const next = { ...state, stored, tags, active, cursor: nextMissing(stored, state.cursor) };
  // In the old style there is no finish: the slice that completes the object is answered with its address.
  return location && stored.count === stored.size ? succeed(next, { location }) : finishIfComplete(next);
}

function onSessionGone(state: Sending, error: CosSliceError): UploadState {
  const { layout, stored, active, session } = state;
  const storedBytes = bytesIn(layout, stored);
  const unheard = active.filter(({ attempt, brokenOff }) => attempt > 0 || brokenOff).length;
  // Every slice that is missing may have arrived, and the last of them may have completed the object: the list tells.
  if (!session || stored.count + unheard < stored.size) return loseSession(state, storedBytes, error);
  const { sliceSizeBytes } = layout;
  return list(state, { for: 'loss', session: session.id, sliceSizeBytes, storedBytes, error });
}

/** Times that finish may be refused although nothing is missing. */
const MAX_REFUSALS = 3;

export function onFinishReply(state: Finishing, reply: Answer): UploadState {
  switch (reply.kind) {
    case 'present':
      return succeed(state, reply);
    case 'conflict':
      return clear(state, reply.error);
    case 'session-gone':
      // Also what a server says that had finished, and whose answer was lost.
      return state.attempt > 0 || state.brokenOff
        ? lookAfterFinish(state, reply.error)
        : loseSession(state, state.job.sizeBytes, reply.error);
    case 'incomplete': {
      const refusals = state.refusals + 1;
      return refusals > MAX_REFUSALS ? fail(state, reply.error) : lookAfterFinish({ ...state, refusals }, reply.error);
    }
    default:
      return state;
  }
}

/** What has become of the upload: complete, lacking slices, or gone. */
export function lookAfterFinish(state: Finishing, error: CosSliceError): UploadState {
  const { session, layout, job } = state;
  const { sliceSizeBytes } = layout;
  return list(state, { for: 'finish', session: session.id, sliceSizeBytes, storedBytes: job.sizeBytes, error });
}
