import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { CosSliceError, type Upload, type UploadFileOptions, type UploadResult, uploadFile } from '@cos-slice/node';
import { withoutSecrets } from '../command-line.ts';
import { CommandError, EXIT, endAtOnce, reportFailure, UsageError } from '../failure.ts';
import { type ProgressView, showProgress } from '../progress-view.ts';
import { type AccountFlags, parseTarget, uploadSettings } from '../settings.ts';
import { toLine } from '../text.ts';
import { checkAll, formatBytes, formatDuration, parseChoice, parseSliceSize, parseWhole } from '../units.ts';

export interface UploadFlags extends AccountFlags {
  readonly integrity?: string;
  readonly sliceSize?: string;
  readonly concurrency?: string;
  readonly overwrite?: boolean;
  readonly onConflict?: string;
  readonly attributes?: string;
  readonly proxy?: string;
  readonly mayGrow?: boolean;
  /** Commander's name for the absence of `--no-resume`. */
  readonly resume: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

interface Report extends UploadResult {
  /** BUCKET/PATH, as the command line has it. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly durationMs: number;
}

const MAX_CONCURRENCY = 64;

/**
 * Uploads a file and reports how it went.
 *
 * @param argv the whole command, to say what to run again
 * @returns the exit code
 */
export async function upload(
  file: string,
  destination: string,
  flags: UploadFlags,
  argv: readonly string[],
): Promise<number> {
  const startedAtMs = performance.now();
  const interrupt = new AbortController();
  const onSignal = (): void => {
    // Whoever asks twice does not want to wait.
    if (interrupt.signal.aborted) {
      view?.end();
      endAtOnce(interruption(argv, percent, resumable()), flags.json === true, { path });
    }
    percent = Math.floor((running?.state.progress.fraction ?? 0) * 100);
    interrupt.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  let path = destination;
  let running: Upload | undefined;
  let view: ProgressView | undefined;
  let percent = 0;
  const resumable = (): boolean => flags.resume && running?.state.resumable !== false;
  try {
    const options = readFlags(file, destination, flags);
    path = `${options.bucket}/${options.path}`;
    await checkFile(file);
    const started = uploadFile(file, { ...options, signal: interrupt.signal });
    running = started;
    if (!flags.quiet) view = showProgress(process.stderr, basename(file), () => started.state, process.env);
    const result = await started.done.finally(() => view?.end());
    const { sizeBytes } = started.state.progress;
    const durationMs = Math.round(performance.now() - startedAtMs);
    report({ path, sizeBytes, durationMs, ...result }, flags.json === true);
    return EXIT.done;
  } catch (error) {
    const failure = interrupt.signal.aborted ? interruption(argv, percent, resumable()) : error;
    return reportFailure(failure, flags.json === true, { path });
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function readFlags(file: string, destination: string, flags: UploadFlags): UploadFileOptions {
  const given = <T>(text: string | undefined, parse: (text: string) => T) =>
    text === undefined ? undefined : parse(text);
  const [, target, { signerFor, ...settings }, sliceSize, concurrency, integrity, onConflict] = checkAll(
    () => {
      if (file === '-') throw new UsageError('FILE must be a file, not standard input: its size is sent first');
    },
    () => parseTarget(destination),
    () => uploadSettings(flags, process.env),
    () => given(flags.sliceSize, (text) => parseSliceSize('--slice-size', text)),
    () => given(flags.concurrency, (text) => parseWhole('--concurrency', text, 1, MAX_CONCURRENCY)),
    () => given(flags.integrity, (text) => parseChoice('--integrity', text, ['none', 'md5', 'sha1'] as const)),
    () => given(flags.onConflict, (text) => parseChoice('--on-conflict', text, ['error', 'restart'] as const)),
  );
  const { bucket, path } = target;
  return {
    ...settings,
    bucket,
    path: path === '' || path.endsWith('/') ? `${path}${basename(file)}` : path,
    signer: signerFor(bucket),
    overwrite: flags.overwrite === true,
    ...(sliceSize === undefined ? {} : { sliceSize }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(integrity === undefined ? {} : { integrity }),
    ...(onConflict === undefined ? {} : { onConflict }),
    ...(flags.proxy === undefined ? {} : { proxy: flags.proxy }),
    ...(flags.mayGrow ? { mayGrow: true } : {}),
    ...(flags.attributes === undefined ? {} : { attributes: flags.attributes }),
    ...(flags.resume ? {} : { resume: false as const }),
  };
}

/** Opening a pipe would wait for someone to write to it. What is missing or unreadable is noticed when it is opened. */
async function checkFile(file: string): Promise<void> {
  const facts = await stat(file).catch(() => undefined);
  if (facts === undefined || facts.isFile()) return;
  const what = facts.isDirectory()
    ? 'a directory: give one file'
    : 'not a regular file: save what it yields to one first';
  throw new CosSliceError('source-unreadable', `${file} is ${what}`);
}

function report(result: Report, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ ok: true, ...result })}\n`);
    return;
  }
  const { sizeBytes, durationMs, sentBytes, resumedBytes, instant, sha1 } = result;
  const speed = formatBytes((sentBytes / Math.max(1, durationMs)) * 1000);
  const lines = [
    result.accessUrl || result.url || result.resourcePath || result.path,
    instant
      ? `${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}: the server had this content, nothing was sent`
      : `${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}, ${speed}/s`,
  ];
  if (resumedBytes > 0 || (sentBytes !== sizeBytes && !instant)) {
    lines.push(`resumed ${formatBytes(resumedBytes)}, sent ${formatBytes(sentBytes)}`);
  }
  if (sha1 !== undefined) lines.push(`sha1 ${sha1}`);
  process.stdout.write(`${lines.map(toLine).join('\n')}\n`);
}

function interruption(argv: readonly string[], percent: number, resumable: boolean): CommandError {
  const [command = '', ...words] = argv;
  // What was not remembered, or could not be, is in the way unless it is given up.
  const next = resumable || words.includes('--on-conflict') ? argv : [command, '--on-conflict', 'restart', ...words];
  const forgotten = words.includes('--no-resume')
    ? ''
    : 'nothing is remembered (the state folder cannot be written: see XDG_STATE_HOME), ';
  const again = `${resumable ? 'to resume' : `${forgotten}to start over`}, run: ${withoutSecrets(next)}`;
  return new CommandError('interrupted', `interrupted at ${percent}%; ${again}`, EXIT.interrupted);
}
