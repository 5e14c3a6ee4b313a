import { hasSlice } from './slices.ts';
import type { Finishing, Sending } from './state.ts';
import { tagAt } from './tags.ts';

/** Slices that are stored and need not be compared. */
export function countProven(state: Sending | Finishing): number {
  return state.stored.count - unprovenOf(state).length;
}

/** Tags of slices in order, empty for those that are not stored or still have to be compared. */
export function provenTags(state: Sending | Finishing): string[] {
  const { stored, tags } = state;
  const unproven = new Set(unprovenOf(state).map(({ index }) => index));
  return Array.from({ length: stored.size }, (_, index) =>
    hasSlice(stored, index) && !unproven.has(index) ? (tags && tagAt(tags, index)) || '' : '',
  );
}

function unprovenOf(state: Sending | Finishing) {
  return ('unproven' in state && state.unproven) || [];
}
