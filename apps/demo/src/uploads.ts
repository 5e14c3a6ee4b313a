import {
  SLICE_RESUMED,
  SLICE_STORED,
  type UploadProgress,
  type UploadResult,
  type UploadSnapshot,
} from '@cos-slice/browser';
import { tally } from './slice-grid.ts';
import type { DemoFile, DemoUppy } from './uppy-types.ts';

/** A file on its way, or just arrived. */
export interface Entry {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly state: UploadSnapshot;
  /** One byte per slice, `SLICE_*`. */
  readonly map: Uint8Array;
  /** The server has forgotten slices: the map shows what it has now, while what was confirmed once does not fall. */
  readonly isBehind: boolean;
  /** As Uppy shows it beside. */
  readonly percent: number;
  readonly instant: boolean;
}

/** Sums over all files since the page was opened. */
export interface Totals {
  readonly slices: number;
  readonly storedSlices: number;
  readonly confirmedBytes: number;
  readonly sentBytes: number;
  readonly resentBytes: number;
  readonly requests: number;
  readonly signatures: number;
}

export interface Uploads {
  /** Those on their way, and until others take their places, those that have arrived. */
  entries(): readonly Entry[];
  totals(): Totals;
  /** Places of the window, over all files. */
  window(): number;
  isBusy(): boolean;
}

const NOTHING: Totals = {
  slices: 0,
  storedSlices: 0,
  confirmedBytes: 0,
  sentBytes: 0,
  resentBytes: 0,
  requests: 0,
  signatures: 0,
};
/** With more slices than this, a map is made less often. */
const MANY_SLICES = 50_000;
const MANY_EVERY_MS = 500;

/** Follows every upload of an Uppy. */
export function followUploads(uppy: DemoUppy, onChange: () => void): Uploads {
  const entries: Entry[] = [];
  const entryOf = (id: string): Entry | undefined => entries.find((entry) => entry.id === id);
  /** Nothing was under way when the latest uploads were started: what is left from before makes room. */
  let isNewStart = false;
  /** Latest progress of each file, also of those that have gone. */
  const latest = new Map<string, UploadProgress>();
  /** What earlier uploads of the same files had counted: each counts from zero. */
  let earlier = NOTHING;
  const mapMadeAtMs = new Map<string, number>();
  const behind = new Set<string>();
  let window = 0;

  const isOver = ({ state }: Entry): boolean => ['done', 'failed', 'cancelled'].includes(state.phase);

  function mapOf(id: string, state: UploadSnapshot): Uint8Array {
    const before = entryOf(id)?.map;
    // A finished upload has no map of its own any more: what was resumed stays so.
    if (state.phase === 'done' && before) return before.map((was) => (was === SLICE_RESUMED ? was : SLICE_STORED));
    const often = state.progress.slices.total < MANY_SLICES;
    if (before && !often && performance.now() - (mapMadeAtMs.get(id) ?? 0) < MANY_EVERY_MS) return before;
    mapMadeAtMs.set(id, performance.now());
    const map = state.sliceMap();
    const counts = tally(map);
    const stored = (counts[SLICE_STORED] ?? 0) + (counts[SLICE_RESUMED] ?? 0);
    if (state.phase === 'sending' && stored < state.progress.slices.stored) behind.add(id);
    else behind.delete(id);
    return map;
  }

  function put(entry: Entry): void {
    const known = entries.findIndex(({ id }) => id === entry.id);
    if (known < 0 && isNewStart) {
      entries.length = 0;
      isNewStart = false;
    }
    const at = known < 0 ? entries.findIndex(isOver) : known;
    entries.splice(at < 0 ? entries.length : at, 1, entry);
  }

  uppy.on('upload', () => {
    isNewStart = entries.every(isOver);
  });
  uppy.on('cos-slice:state', (file, state) => {
    // The last word of an upload that was cancelled comes after its file has gone.
    if (!uppy.getFile(file.id)) return;
    const known = latest.get(file.id);
    if (known && state.progress.requests < known.requests) earlier = add(earlier, countsOf(known));
    latest.set(file.id, state.progress);
    window = state.progress.concurrency;
    const map = mapOf(file.id, state);
    const { sizeBytes } = state.progress;
    put({
      id: file.id,
      name: file.name,
      sizeBytes,
      state,
      map,
      isBehind: behind.has(file.id),
      percent: 0,
      instant: false,
    });
    onChange();
  });
  uppy.on('upload-progress', onChange);
  uppy.on('upload-success', (file, { body }) => {
    const entry = file && entryOf(file.id);
    if (entry && (body as UploadResult | undefined)?.instant) put({ ...entry, instant: true });
    onChange();
  });
  uppy.on('file-removed', ({ id }: DemoFile) => {
    const at = entries.findIndex((entry) => entry.id === id && entry.state.phase !== 'done');
    if (at >= 0) entries.splice(at, 1);
    // What it cost stays counted; its slices are not on their way any more.
    const known = latest.get(id);
    if (!known || known.phase === 'done') return onChange();
    earlier = add(earlier, countsOf(known));
    latest.delete(id);
    onChange();
  });

  return {
    entries: () =>
      entries.map((entry) => ({ ...entry, percent: uppy.getFile(entry.id)?.progress.percentage ?? entry.percent })),
    totals: () => [...latest.values()].reduce((sums, progress) => add(sums, countsOf(progress, true)), earlier),
    window: () => window,
    isBusy: () => entries.some((entry) => !isOver(entry)),
  };
}

/** @param current false for an upload that another one has followed: if it did not end well, what it stored counts there */
function countsOf(progress: UploadProgress, current = false): Totals {
  const { sentBytes, resentBytes, requests, signatures, confirmedBytes, slices, phase } = progress;
  const counts = { ...NOTHING, sentBytes, resentBytes, requests, signatures };
  if (!current && phase !== 'done') return counts;
  return { ...counts, slices: slices.total, storedSlices: slices.stored, confirmedBytes };
}

function add(one: Totals, other: Totals): Totals {
  return Object.fromEntries(
    (Object.keys(NOTHING) as (keyof Totals)[]).map((name) => [name, one[name] + other[name]]),
  ) as unknown as Totals;
}
