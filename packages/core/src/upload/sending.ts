import type { Stored } from '../protocol/operations.ts';
import { addSlice, hasSlice, nextMissing } from './slices.ts';
import { type ActiveSlice, type ActiveState, type Sending, UNTRIED, type UploadState } from './state.ts';
import { finishIfComplete, succeed } from './steps.ts';
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

export function onStored(state: Sending, index: number, { location, tag }: Stored): UploadState {
  if (hasSlice(state.stored, index)) return state;
  const stored = addSlice(state.stored, index);
  const active = state.active.filter((slice) => slice.index !== index);
  const tags = tag === undefined ? state.tags : addTag(state.tags ?? [], index, tag);
  const next = { ...state, stored, tags, active, cursor: nextMissing(stored, state.cursor) };
  // In the old style there is no finish: the slice that completes the object is answered with its address.
  return location && stored.count === stored.size ? succeed(next, { location }) : finishIfComplete(next);
}
