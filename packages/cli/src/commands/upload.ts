import { basename } from 'node:path';
import { type UploadResult, uploadFile } from '@cos-slice/node';
import { EXIT, toFailure, UsageError } from '../failure.ts';
import { createProgressView } from '../progress-view.ts';
import { type AccountFlags, parseTarget, required, toSigner, withEnvironment } from '../settings.ts';
import { formatBytes, formatDuration, parseBytes, parseWhole } from '../units.ts';

export interface UploadFlags extends AccountFlags {
  readonly integrity?: string;
  readonly sliceSize?: string;
  readonly concurrency?: string;
  readonly overwrite?: boolean;
  readonly onConflict?: string;
  readonly attributes?: string;
  /** Commander's name for the absence of `--no-resume`. */
  readonly resume: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const MIB = 1024 * 1024;

/** @returns the exit code */
export async function upload(file: string, destination: string, flags: UploadFlags): Promise<number> {
  const startedAtMs = Date.now();
  const interrupt = new AbortController();
  const view = createProgressView(process.stderr);
  const onSignal = (): void => {
    // Whoever asks twice is in a hurry.
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort(new Error('interrupted'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  let path = destination;
  try {
    const { options, name } = readFlags(file, destination, flags);
    path = `${options.bucket}/${name}`;
    const running = uploadFile(file, { ...options, path: name, signal: interrupt.signal });
    if (!flags.quiet) running.subscribe((state) => view.show(state));
    const result = await running.done;
    view.end();
    const { sizeBytes } = running.state.progress;
    report(flags, { ...result, sizeBytes, durationMs: Date.now() - startedAtMs, path });
    return EXIT.done;
  } catch (error) {
    view.end();
    if (interrupt.signal.aborted) return reportInterrupt(flags, path);
    const { code, message, exitCode } = toFailure(error);
    if (flags.json) process.stdout.write(`${JSON.stringify({ ok: false, code, message, path })}\n`);
    process.stderr.write(`cos-slice: ${message}\n`);
    return exitCode;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function readFlags(file: string, destination: string, flags: UploadFlags) {
  const { bucket, path } = parseTarget(destination);
  const settings = withEnvironment(flags, process.env);
  const { endpoint, appId } = required(settings, ['endpoint', 'appId']);
  if (file === '-') throw new UsageError('FILE must be a file: the protocol wants the size before the first byte');
  return {
    name: path === '' || path.endsWith('/') ? `${path}${basename(file)}` : path,
    options: {
      endpoint,
      appId,
      bucket,
      signer: toSigner(settings, appId, bucket),
      overwrite: flags.overwrite === true,
      ...(flags.integrity === undefined
        ? {}
        : { integrity: choice('--integrity', flags.integrity, ['none', 'md5', 'sha1']) }),
      ...(flags.onConflict === undefined
        ? {}
        : { onConflict: choice('--on-conflict', flags.onConflict, ['error', 'restart']) }),
      ...(flags.sliceSize === undefined ? {} : { sliceSize: sliceSize(flags.sliceSize) }),
      ...(flags.concurrency === undefined
        ? {}
        : { concurrency: parseWhole('--concurrency', flags.concurrency, 1, 64) }),
      ...(flags.attributes === undefined ? {} : { attributes: flags.attributes }),
      ...(flags.resume ? {} : { resume: false as const }),
    },
  };
}

function sliceSize(text: string): number {
  const bytes = parseBytes('--slice-size', text);
  if (bytes < MIB / 16 || bytes > 16 * MIB) throw new UsageError(`--slice-size must be from 64k to 16m, got '${text}'`);
  return bytes;
}

function choice<T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined)
    throw new UsageError(`${flag} must be ${allowed.join(', ').replace(/, ([^,]*)$/, ' or $1')}, got '${value}'`);
  return found;
}

function report(
  flags: UploadFlags,
  result: UploadResult & { sizeBytes: number; durationMs: number; path: string },
): void {
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ ok: true, ...result })}\n`);
    return;
  }
  const { sizeBytes, durationMs, sentBytes, resumedBytes } = result;
  const speed = durationMs > 0 ? `, ${formatBytes((sentBytes / durationMs) * 1000)}/s` : '';
  const lines = [
    result.accessUrl || result.url || result.resourcePath,
    result.instant
      ? `${formatBytes(sizeBytes)}, the server had it already: nothing was sent`
      : `${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}${speed}`,
  ];
  if (resumedBytes > 0)
    lines.push(`resumed: ${formatBytes(resumedBytes)} were there, ${formatBytes(sentBytes)} were sent`);
  if (result.sha1) lines.push(`sha1 ${result.sha1}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

function reportInterrupt(flags: UploadFlags, path: string): number {
  const hint = flags.resume
    ? 'what was stored is kept: run the same command again to resume'
    : 'run the same command again';
  if (flags.json) process.stdout.write(`${JSON.stringify({ ok: false, code: 'interrupted', message: hint, path })}\n`);
  process.stderr.write(`cos-slice: interrupted; ${hint}\n`);
  return EXIT.interrupted;
}
