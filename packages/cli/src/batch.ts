import type { DirectoryEvent, DirectoryOptions, DirectoryTransfer } from '@cos-slice/node';
import { type BatchState, showBatch, sumOf } from './batch-view.ts';
import { EXIT, type FlagNames, reportFailure } from './failure.ts';
import type { ProgressView } from './live-view.ts';
import { print, printJson } from './print.ts';
import { toName } from './text.ts';
import { count, formatBytes, formatDuration } from './units.ts';

/** Something of many files: a directory, or several files that were named. */
export interface Job {
  /** What an entry is on this machine, and at BUCKET/PATH. */
  fileOf(path: string): string;
  placeOf(path: string): string;
  start(options: Pick<DirectoryOptions, 'signal' | 'onEntry' | 'count'>): Pick<DirectoryTransfer, 'done' | 'state'>;
}

export interface BatchOptions {
  readonly jobs: readonly Job[];
  /** `copy`: from one server to another; a job's `fileOf` says what is copied then. */
  readonly direction: 'put' | 'get' | 'copy';
  /** Where all of it goes, for the last line. */
  readonly target: string;
  readonly dryRun: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
  readonly flagNames: FlagNames;
  readonly signal: AbortSignal;
}

/** A batch that runs. */
export interface Batch {
  /** Resolves with the exit code; what has failed has been told. */
  readonly done: Promise<number>;
  state(): BatchState;
  /** Takes the view away. */
  hide(): void;
}

/** Jobs under way at once: each has many files. */
const JOBS_AT_ONCE = 4;

export function runBatch(options: BatchOptions): Batch {
  const { jobs, direction, target, dryRun, verbose, json, quiet, flagNames } = options;
  /** What is not of a server is a file of this machine. */
  const named = direction === 'copy' ? 'from' : 'file';
  const startedAtMs = performance.now();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const running: Pick<DirectoryTransfer, 'done' | 'state'>[] = [];
  const reported = new Set<unknown>();
  let exitCode: number = EXIT.done;
  let view: ProgressView | undefined;
  const state = (): BatchState =>
    sumOf(
      running.map((one) => one.state),
      jobs.length,
    );
  // Lines that are printed would be in its way.
  const isShown = !quiet && !dryRun && !(verbose && process.stdout.isTTY);

  const tell = (line: string): void => {
    if (view) view.above(line);
    else process.stderr.write(line);
  };
  const fail = (error: unknown, { path, file }: { readonly path?: string; readonly file?: string } = {}): void => {
    reported.add(error);
    const facts = { ...(path !== undefined && { path }), ...(file !== undefined && { [named]: file }) };
    const subject = direction === 'get' ? path : file;
    const report = { json, facts, flagNames, ...(subject !== undefined && { subject }), tell };
    exitCode = Math.max(exitCode, reportFailure(error, report));
  };
  const onEntry = (job: Job, event: DirectoryEvent): void => {
    const [path, file] = [job.placeOf(event.path), job.fileOf(event.path)];
    if (event.type === 'failed') return fail(event.error, { path, file });
    if (json) {
      const { type, path: _path, ...facts } = event;
      void printJson({ ok: true, event: type, path, [named]: file, ...facts });
    } else if (event.type === 'problem') {
      const message = inFlags(event.message, flagNames).replace(
        JSON.stringify(event.path),
        direction === 'get' ? path : file,
      );
      tell(`cos-slice: left out: ${toName(message)}\n`);
    } else if ((dryRun || verbose) && event.type !== 'skipped') {
      void print(toName(lineOf(direction, event.type, path, file)));
    }
  };
  const runJob = async (job: Job): Promise<void> => {
    const transfer = job.start({
      signal,
      onEntry: (event) => onEntry(job, event),
      count: isShown && process.stderr.isTTY,
    });
    running.push(transfer);
    try {
      await transfer.done;
    } catch (error) {
      if (options.signal.aborted) throw error;
      const isFirst = !stop.signal.aborted;
      stop.abort(error);
      // What has been told of an entry is the end of the whole, too.
      if (isFirst && !reported.has(error)) throw error;
    }
  };

  const run = async (): Promise<number> => {
    if (isShown) view = showBatch(process.stderr, direction, state, process.env);
    const waiting = [...jobs];
    const worker = async (): Promise<void> => {
      for (let job = waiting.shift(); job && !stop.signal.aborted; job = waiting.shift()) await runJob(job);
    };
    try {
      await Promise.all(Array.from({ length: JOBS_AT_ONCE }, worker));
    } finally {
      view?.end();
    }
    const durationMs = Math.round(performance.now() - startedAtMs);
    const sum = state();
    if (json) {
      const { transferred, skipped, created, deleted, problems, failed, movedBytes } = sum;
      const { files, bytes } = transferred;
      const counts = { files, bytes, movedBytes, skipped: skipped.files, created, deleted, problems, failed };
      await printJson({
        ok: exitCode === EXIT.done,
        event: 'end',
        path: target,
        ...counts,
        durationMs,
        ...(dryRun && { dryRun }),
      });
    } else {
      const advice = stop.signal.aborted && sum.failed > 0 ? ' (-k goes on with the others)' : '';
      await print(toName(`${target}: ${told(sum, durationMs, dryRun)}${advice}`));
    }
    return exitCode;
  };
  return { done: run(), state, hide: () => view?.end() };
}

function lineOf(
  direction: BatchOptions['direction'],
  type: DirectoryEvent['type'],
  path: string,
  file: string,
): string {
  const [from, to] = direction === 'get' ? [path, file] : [file, path];
  if (type === 'created') return `create ${to}`;
  return type === 'deleted' ? `delete ${to}` : `${from} -> ${to}`;
}

/** `12 files, 4.5 MiB in 3.1s, 1.5 MiB/s; 10 there already; 3 deleted` */
export function told(sum: BatchState, durationMs: number, dryRun: boolean): string {
  const { transferred, skipped, deleted, problems, failed, movedBytes } = sum;
  const amount = `${count(transferred.files, 'file')}, ${formatBytes(transferred.bytes)}`;
  // What a server copies by itself has none.
  const speed = movedBytes > 0 ? `, ${formatBytes((movedBytes / Math.max(1, durationMs)) * 1000)}/s` : '';
  const resumed = transferred.bytes - movedBytes;
  const parts = [
    transferred.files === 0
      ? failed > 0
        ? 'nothing transferred'
        : 'nothing to transfer'
      : dryRun
        ? `${amount} would be transferred`
        : `${amount} in ${formatDuration(durationMs)}${speed}`,
    ...(resumed > 0 && !dryRun && movedBytes > 0 && failed === 0 ? [`${formatBytes(resumed)} of them resumed`] : []),
    ...(skipped.files > 0 ? [`${skipped.files} there already`] : []),
    ...(deleted > 0 ? [`${deleted} ${dryRun ? 'would be deleted' : 'deleted'}`] : []),
    ...(problems > 0 ? [`${problems} left out`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ];
  return parts.join('; ');
}

/** The library's messages speak of options. */
function inFlags(message: string, flagNames: FlagNames): string {
  return message.replace(/\b[a-z]+[A-Z]\w*(?= would)/g, (word) => flagNames[word] ?? word);
}
