import type { UploadProgress, UploadSnapshot } from '@cos-slice/node';
import { type Bar, GAP, renderBarLine } from './bar.ts';
import { type ProgressView, showLive, type Terminal } from './live-view.ts';
import { toLine } from './text.ts';
import { formatBytes, formatDuration, formatPart } from './units.ts';

/** Shows an upload until `end`: a bar that redraws itself on a terminal, plain lines elsewhere. */
export function showProgress(
  terminal: Terminal,
  name: string,
  read: () => UploadSnapshot,
  environment: NodeJS.ProcessEnv,
): ProgressView {
  const label = toLine(name);
  // Read each time: the upload measures its speed as it is looked at.
  const shown = {
    lines: (look: { readonly columns: number; readonly color: boolean }) => [renderLine(label, read(), look)],
    line: () => [label, ...renderFacts(read())].join(GAP),
  };
  return showLive(terminal, shown, environment);
}

/** One line of at most `columns`. */
export function renderLine(
  name: string,
  state: UploadSnapshot,
  look: { readonly columns: number; readonly color: boolean },
): string {
  const troubled = !state.online || state.progress.slices.retrying > 0;
  const mood = troubled ? 'troubled' : state.phase === 'hashing' ? 'preparing' : 'well';
  const bar: Bar = {
    name,
    mood,
    share: shareOf(state.progress),
    facts: renderFacts(state),
    terse: renderFacts(state, true),
  };
  return renderBarLine(bar, look);
}

/** What is known, most important first. */
function renderFacts(state: UploadSnapshot, terse = false): string[] {
  const { progress, resumable, online } = state;
  const waits = waitOf(state);
  const { phase, sizeBytes, slices, resumedBytes, bytesPerSecond, etaMs } = progress;
  const share = shareOf(progress);
  // 100% is for what is done.
  const percent = phase === 'done' ? 100 : Math.min(99, Math.floor(share * 100));
  const facts = [`${waits ?? (online ? phase : 'offline')} ${percent}%`, formatPart(share * sizeBytes, sizeBytes)];
  if (phase !== 'sending' && phase !== 'hashing') return facts;
  const moves = bytesPerSecond > 0 && waits === undefined;
  if (moves) facts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (etaMs !== undefined && moves) facts.push(`${formatDuration(etaMs)} left`);
  if (phase === 'hashing') return facts;
  const { stored, total, inFlight, retrying } = slices;
  facts.push(
    terse
      ? `${stored}/${total} ↑${inFlight}${retrying > 0 ? ` ↻${retrying}` : ''}`
      : `slices ${stored}/${total}, ${inFlight} in flight${retrying > 0 ? `, ${retrying} retrying` : ''}`,
  );
  if (resumedBytes > 0) facts.push(`resumed ${formatBytes(resumedBytes)}`);
  if (!resumable) facts.push('cannot resume');
  return facts;
}

/** What nothing moves for, or undefined. */
function waitOf({ online, waitingFor, progress: { slices } }: UploadSnapshot): string | undefined {
  if (waitingFor === 'network') return 'offline, waiting';
  // Some may be due while there is no place for them: what people see is that nothing goes out.
  if (waitingFor !== 'retry' && (slices.inFlight > 0 || slices.retrying === 0)) return undefined;
  return online ? 'waiting to retry' : 'offline, waiting to retry';
}

function shareOf(progress: UploadProgress): number {
  if (progress.sizeBytes === 0) return progress.phase === 'done' ? 1 : 0;
  return progress.phase === 'hashing' ? progress.hashedBytes / progress.sizeBytes : progress.fraction;
}
