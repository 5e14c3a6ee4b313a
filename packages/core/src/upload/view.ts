import { readMeter, type UploadProgress } from './progress.ts';
import { bytesIn, hasSlice, type Layout, sliceCount } from './slices.ts';
import { type ActiveState, isOver, type UploadState } from './state.ts';
import type { Counts } from './tally.ts';
import { metered } from './tally.ts';
import {
  SLICE_IN_FLIGHT,
  SLICE_RESUMED,
  SLICE_RETRYING,
  SLICE_STORED,
  SLICE_WAITING,
  type UploadSnapshot,
  type Wait,
} from './upload.ts';

/** What is known beside the state and the counts. */
export interface Circumstances {
  readonly requests: number;
  readonly signatures: number;
  readonly concurrency: number;
  readonly resumable: boolean;
  readonly nowMs: number;
}

/** How an upload looks to those outside. Pure: looking changes nothing. */
export function viewUpload(state: UploadState, counts: Counts, circumstances: Circumstances): UploadSnapshot {
  const reached = isOver(state) ? state.reached : state;
  const live = isOver(state) ? undefined : state;
  return {
    phase: state.phase,
    paused: live?.pausedAtMs !== undefined,
    online: live?.probeAtMs === undefined,
    waitingFor: live && waitOf(live, circumstances.nowMs),
    progress: viewProgress(state, reached, counts, circumstances),
    sliceSizeBytes: layoutOf(reached).sliceSizeBytes,
    session: 'session' in reached && typeof reached.session === 'object' ? reached.session.id : undefined,
    resumable: circumstances.resumable,
    error: state.phase === 'failed' ? state.error : undefined,
    sliceMap: () => sliceMap(state, reached),
  };
}

function waitOf(state: ActiveState, nowMs: number): Wait | undefined {
  if (state.pausedAtMs !== undefined) return undefined;
  if (!state.seated) return 'place';
  if (state.probeAtMs !== undefined) return 'network';
  const waits =
    state.phase === 'sending'
      ? state.active.length > 0 && state.active.every((one) => !one.running && one.retryAtMs > nowMs)
      : state.retryAtMs > nowMs;
  return waits ? 'retry' : undefined;
}

function viewProgress(
  state: UploadState,
  reached: ActiveState,
  counts: Counts,
  { requests, signatures, concurrency, nowMs }: Circumstances,
): UploadProgress {
  const { sizeBytes } = state.job;
  const { sentBytes, spentBytes, hashedBytes, confirmedBytes, fraction } = counts;
  const { resumedBytes } = reached;
  const layout = layoutOf(reached);
  const total = sliceCount(layout);
  const confirmed = state.phase === 'done' ? sizeBytes : 'stored' in reached ? bytesIn(layout, reached.stored) : 0;
  // As many as the bytes beside them stand for, also while a session that was lost is made up for.
  const stored = Math.ceil(confirmedBytes / layout.sliceSizeBytes);
  const active = state.phase === 'sending' ? state.active : [];
  const doneBytes = metered(state, counts);
  const { bytesPerMs } = readMeter(counts.meter, state.phase, doneBytes, nowMs);
  return {
    phase: state.phase,
    sizeBytes,
    confirmedBytes,
    sentBytes,
    resentBytes: Math.max(0, spentBytes - (confirmed - resumedBytes)),
    resumedBytes,
    hashedBytes,
    fraction,
    bytesPerSecond: Math.round(bytesPerMs * 1000),
    etaMs: bytesPerMs > 0 ? Math.round((sizeBytes - doneBytes) / bytesPerMs) : undefined,
    slices: {
      total,
      stored: state.phase === 'done' ? total : stored,
      inFlight: active.filter((slice) => slice.running).length,
      retrying: active.filter((slice) => !slice.running && slice.attempt > 0).length,
    },
    requests,
    signatures,
    concurrency,
  };
}

/** How the file is cut, or would be if the server agrees. */
function layoutOf(state: ActiveState): Layout {
  return 'layout' in state ? state.layout : state.job;
}

function sliceMap(state: UploadState, reached: ActiveState): Uint8Array {
  const total = sliceCount(layoutOf(reached));
  const map = new Uint8Array(total).fill(state.phase === 'done' ? SLICE_STORED : SLICE_WAITING);
  if (!('stored' in reached)) return map;
  const resumed = reached.resumed?.size === total ? reached.resumed : undefined;
  for (let index = 0; index < total; index += 1) {
    if (hasSlice(reached.stored, index)) {
      map[index] = resumed && hasSlice(resumed, index) ? SLICE_RESUMED : SLICE_STORED;
    }
  }
  for (const { index, running, attempt } of state.phase === 'sending' ? state.active : []) {
    if (running) map[index] = SLICE_IN_FLIGHT;
    else if (attempt > 0) map[index] = SLICE_RETRYING;
  }
  return map;
}
