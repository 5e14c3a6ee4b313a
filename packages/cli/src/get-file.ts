import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type Client, type Download, type DownloadResult, isCosSliceError } from '@cos-slice/node';
import { showDownload } from './download-view.ts';
import { CommandError, EXIT, UsageError } from './failure.ts';
import type { ProgressView } from './live-view.ts';
import { nameOfPath, type Place, showPlace } from './place.ts';
import { print, printJson } from './print.ts';
import { toName } from './text.ts';
import { formatBytes, formatDuration } from './units.ts';

export interface GetFileOptions {
  readonly overwrite: boolean;
  readonly skipExisting: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
  readonly signal: AbortSignal;
  /** It has begun. */
  onStart(download: Download, view: ProgressView | undefined): void;
}

/** Downloads one file, to `wanted` or, when that is a directory, into it; `-` is standard output. @returns the exit code */
export async function getFile(client: Client, place: Place, wanted: string, options: GetFileOptions): Promise<number> {
  const { overwrite, skipExisting, quiet, json, signal, onStart } = options;
  const startedAtMs = performance.now();
  const isPiped = wanted === '-';
  const name = nameOfPath(place.path);
  const file = isPiped ? wanted : await fileFor(wanted, name);
  if (skipExisting && !isPiped && (await isFile(file))) {
    await (json
      ? printJson({ ok: true, path: showPlace(place), file, skipped: true })
      : print(`${toName(file)} is there already: skipped`));
    return EXIT.done;
  }
  const download = client.download(place.path, isPiped ? standardOutput() : file, { signal, overwrite });
  // On a terminal that shows the content nothing else has a place.
  const isShown = !quiet && !(isPiped && process.stdout.isTTY);
  const view = isShown ? showDownload(process.stderr, name, () => download.state, process.env) : undefined;
  onStart(download, view);
  try {
    const result = await download.done;
    view?.end();
    const durationMs = Math.round(performance.now() - startedAtMs);
    if (!isPiped) await report({ path: showPlace(place), file, durationMs, ...result }, json);
  } catch (error) {
    const code = isPiped && !signal.aborted ? whyUnwritable(error) : undefined;
    if (code === undefined) throw error;
    // Whoever leaves early has what they wanted.
    if (code === 'EPIPE') return EXIT.done;
    const why = code === 'ENOSPC' ? 'the disk is full' : 'it cannot be written';
    throw new CommandError('target-unwritable', `standard output takes no more: ${why} (${code})`);
  } finally {
    view?.end();
  }
  return EXIT.done;
}

/** Into a directory it comes under its own name. */
export async function fileFor(wanted: string, name: string): Promise<string> {
  if (wanted === '') throw new UsageError('FILE must be a file or a directory, got nothing');
  const isDirectory = /[/\\]$/.test(wanted) || (await stat(wanted).catch(() => undefined))?.isDirectory() === true;
  return isDirectory ? join(wanted, name) : wanted;
}

async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isFile() === true;
}

/** The process's own is not to be ended, and not to be destroyed by a download that fails. */
function standardOutput(): Writable {
  return new Writable({
    write: (chunk, _encoding, done) => {
      process.stdout.write(chunk, (error) => done(error));
    },
  });
}

function whyUnwritable(error: unknown): string | undefined {
  if (!isCosSliceError(error, 'target-unwritable')) return undefined;
  return (error.cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown error';
}

interface Report extends DownloadResult {
  readonly path: string;
  readonly file: string;
  readonly durationMs: number;
}

async function report({ path, file, ...facts }: Report, json: boolean): Promise<void> {
  if (json) return printJson({ ok: true, path, file, skipped: false, ...facts });
  const { sizeBytes, resumedBytes, durationMs, sha1 } = facts;
  const receivedBytes = sizeBytes - resumedBytes;
  const speed = formatBytes((receivedBytes / Math.max(1, durationMs)) * 1000);
  await print(toName(file));
  await print(`${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}, ${speed}/s`);
  if (resumedBytes > 0) await print(`resumed ${formatBytes(resumedBytes)}, received ${formatBytes(receivedBytes)}`);
  if (sha1 !== undefined) await print(`sha1 ${sha1}`);
}
