import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type Download, type DownloadResult, isCosSliceError } from '@cos-slice/node';
import { CLIENT, JSON_ONE, readClients } from '../clients.ts';
import type { Command } from '../command.ts';
import { runAgain } from '../command-line.ts';
import { showDownload } from '../download-view.ts';
import { CommandError, EXIT, UsageError } from '../failure.ts';
import { type Flags, readFlags, switchFlag } from '../flags.ts';
import { interruptible } from '../interrupt.ts';
import type { ProgressView } from '../live-view.ts';
import { nameOfPath, parsePath, showPlace } from '../place.ts';
import { print, printJson } from '../print.ts';
import { NETWORK_VARIABLES } from '../settings.ts';
import { toName } from '../text.ts';
import { checkAll, formatBytes, formatDuration } from '../units.ts';
import { CONCURRENCY, QUIET } from '../upload-flags.ts';

const OWN = {
  overwrite: switchFlag('--overwrite', 'replace a file that is there'),
  concurrency: CONCURRENCY,
  quiet: QUIET,
  json: JSON_ONE,
} as const satisfies Flags;

const FLAGS = { ...OWN, ...CLIENT };

export const get: Command = {
  name: 'get',
  summary: 'download a file, or resume',
  description:
    'Downloads a file, several parts of a large one at once. Run the same command again to resume after an interruption, a crash or a failure.',
  operands: [
    { usage: '<BUCKET/PATH>', doc: 'the file to download' },
    {
      usage: '[FILE]',
      doc: 'where to; a directory, or nothing, keeps its name; - is standard output',
      completes: 'file',
    },
  ],
  flags: FLAGS,
  notes: [
    'What comes is kept in FILE.part until all of it is there and is what the server has; only then it gets its name. A file that has changed on the server is downloaded anew.',
    'With --json: {"ok":true, "path", "file", "sizeBytes", "resumedBytes", "durationMs", "sha1"} or {"ok":false, "code", "message", "path", ...}',
  ],
  examples: [
    'cos-slice get films/2024/film.mp4',
    'cos-slice get films/2024/film.mp4 /srv/films/ --json',
    'cos-slice get backup/site.tar.gz - | tar xz',
  ],
  variables: { ...NETWORK_VARIABLES, NO_COLOR: 'no colours' },
  run({ operands: [target = '', wanted = '.'], given, argv, facts }) {
    const startedAtMs = performance.now();
    const isPiped = wanted === '-';
    let running: Download | undefined;
    let view: ProgressView | undefined;
    const say = (): string => {
      view?.end();
      const percent = Math.floor((running?.state.progress.fraction ?? 0) * 100);
      return `interrupted at ${percent}%; ${runAgain(isPiped ? 'to start over' : 'to resume', argv, FLAGS)}`;
    };
    facts.path = target;
    return interruptible({ given, facts }, { say }, async (signal) => {
      const [place, clients, { overwrite, quiet, json }] = checkAll(
        () => parsePath(target),
        () => {
          const { concurrency } = readFlags({ concurrency: CONCURRENCY }, given);
          return readClients(given, concurrency === undefined ? {} : { concurrency });
        },
        () => readFlags(OWN, given),
      );
      if (json && isPiped) throw new UsageError('--json and - exclude each other: both go to standard output');
      const file = isPiped ? wanted : await fileFor(wanted, nameOfPath(place.path));
      const to = isPiped ? standardOutput() : file;
      const download = clients(place.bucket).download(place.path, to, { signal, overwrite });
      running = download;
      // On a terminal that shows the content nothing else has a place.
      const isShown = !quiet && !(isPiped && process.stdout.isTTY);
      if (isShown) view = showDownload(process.stderr, nameOfPath(place.path), () => download.state, process.env);
      try {
        const result = await download.done;
        const durationMs = Math.round(performance.now() - startedAtMs);
        const facts = { path: showPlace(place), file, durationMs, ...result };
        view?.end();
        if (!isPiped) await report(facts, json);
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
    });
  },
};

/** Into a directory it comes under its own name. */
async function fileFor(wanted: string, name: string): Promise<string> {
  if (wanted === '') throw new UsageError('FILE must be a file or a directory, got nothing');
  const isDirectory = /[/\\]$/.test(wanted) || (await stat(wanted).catch(() => undefined))?.isDirectory() === true;
  return isDirectory ? join(wanted, name) : wanted;
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
  if (json) return printJson({ ok: true, path, file, ...facts });
  const { sizeBytes, resumedBytes, durationMs, sha1 } = facts;
  const receivedBytes = sizeBytes - resumedBytes;
  const speed = formatBytes((receivedBytes / Math.max(1, durationMs)) * 1000);
  await print(toName(file));
  await print(`${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}, ${speed}/s`);
  if (resumedBytes > 0) await print(`resumed ${formatBytes(resumedBytes)}, received ${formatBytes(receivedBytes)}`);
  if (sha1 !== undefined) await print(`sha1 ${sha1}`);
}
