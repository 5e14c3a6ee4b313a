import { join } from 'node:path';
import type { Client, ClientOptions, Download } from '@cos-slice/node';
import { type Batch, type Job, runBatch } from '../batch.ts';
import { CLIENT, find, JSON_LINES, readClients } from '../clients.ts';
import type { Call, Command } from '../command.ts';
import { runAgain } from '../command-line.ts';
import { DIRECTORY, readDirectoryOptions, refuseDirectoryFlags } from '../directory-flags.ts';
import { CommandError, UsageError } from '../failure.ts';
import { type Flags, flagNames, readFlags, switchFlag } from '../flags.ts';
import { getFile } from '../get-file.ts';
import { interruptible } from '../interrupt.ts';
import type { ProgressView } from '../live-view.ts';
import { isDirectory, nameOfBucket, nameOfPath, type Place, parsePlace, showPlace } from '../place.ts';
import { NETWORK_VARIABLES } from '../settings.ts';
import { checkAll, count } from '../units.ts';
import { BANDWIDTH, CONCURRENCY, QUIET } from '../upload-flags.ts';

const OWN = {
  overwrite: switchFlag('--overwrite', 'replace a file that is there'),
  skipExisting: switchFlag('--skip-existing', 'leave alone what is there, and be done'),
  ...DIRECTORY,
  concurrency: CONCURRENCY,
  bandwidth: BANDWIDTH,
  quiet: QUIET,
  json: JSON_LINES,
} satisfies Flags;

const FLAGS = { ...OWN, ...CLIENT };

export const get: Command = {
  name: 'get',
  summary: 'download a file or a directory',
  description:
    'Downloads a file, several parts of a large one at once, or a directory with all that is in it. Run the same command again to go on after an interruption, a crash or a failure: what has come is not sent again.',
  operands: [
    { usage: '<BUCKET[/PATH]>', doc: 'the file, the directory or the bucket to download' },
    {
      usage: '[FILE]',
      doc: 'where to: a new name or, with a slash at its end, a directory that it comes into under its own, as it does here without; - is standard output',
      completes: 'file',
    },
  ],
  flags: FLAGS,
  notes: [
    'What comes of a file is kept in FILE.part until all of it is there and is what the server has; only then it gets its name. A file that has changed on the server is downloaded anew.',
    'A directory is brought up to date: what is not here, or has changed, is downloaded; nothing is deleted without --delete. Files get the time that they have on the server.',
    'With --json, of a file: {"ok":true, "path", "file", "skipped", "sizeBytes", "resumedBytes", "durationMs", "sha1"} or {"ok":false, "code", "message", "path", ...}; of a directory a line for each file and one at the end, as put has them.',
  ],
  examples: [
    'cos-slice get films/2024/film.mp4',
    'cos-slice get films/2024/film.mp4 /srv/films/ --json',
    'cos-slice get backup/site.tar.gz - | tar xz',
    "cos-slice get films/2024 /srv/ --include '*.mp4'    # comes to /srv/2024/",
  ],
  variables: { ...NETWORK_VARIABLES, NO_COLOR: 'no colours' },
  run({ operands: [target = '', wanted = '.'], given, argv, facts }) {
    const isPiped = wanted === '-';
    let download: Download | undefined;
    let view: ProgressView | undefined;
    let batch: Batch | undefined;
    const say = (): string => {
      view?.end();
      batch?.hide();
      const percent = Math.floor((download?.state.progress.fraction ?? 0) * 100);
      const far = batch ? `, ${count(batch.state().transferred.files, 'file')} transferred` : ` at ${percent}%`;
      return `interrupted${far}; ${runAgain(isPiped ? 'to start over' : 'to resume', argv, FLAGS)}`;
    };
    facts.path = target;
    return interruptible({ given, facts }, { say }, async (signal) => {
      const [place, clients, flags] = checkAll(
        () => parsePlace(target),
        () => readClients(given, [target], pacedBy(given)),
        () => readFlags(OWN, given),
      );
      const { overwrite, skipExisting, quiet, json, dryRun, verbose } = flags;
      if (overwrite && skipExisting) throw new UsageError('give only one of --overwrite or --skip-existing');
      if (json && isPiped) throw new UsageError('--json and - exclude each other: both go to standard output');
      const client = clients(place.bucket);
      const { kind, path } = isDirectory(place.path)
        ? { ...place, kind: 'directory' }
        : await find(client, place.path, signal);
      if (kind === 'file') {
        refuseDirectoryFlags(given);
        if (dryRun) throw new UsageError('--dry-run is for directories, and this is a file');
        const onStart = (one: Download, shown: ProgressView | undefined): void => {
          download = one;
          view = shown;
        };
        return getFile(client, place, wanted, { overwrite, skipExisting, quiet, json, signal, onStart });
      }
      const source = { bucket: place.bucket, path };
      const directory = directoryFor(wanted, source);
      const options = readDirectoryOptions(given, skipExisting);
      batch = runBatch({
        ...{ direction: 'get', target: directory, dryRun, verbose, quiet, json, signal },
        jobs: [directoryJob(client, source, directory, options)],
        flagNames: flagNames(FLAGS),
      });
      return batch.done;
    });
  },
};

function pacedBy(given: Call['given']): Partial<ClientOptions> {
  const { concurrency, bandwidth } = readFlags({ concurrency: CONCURRENCY, bandwidth: BANDWIDTH }, given);
  return { ...(concurrency !== undefined && { concurrency }), ...(bandwidth !== undefined && { bandwidth }) };
}

/** Not by whether it is there: another run has to come to the same place. */
export function directoryFor(wanted: string, { bucket, path }: Place): string {
  if (wanted === '') throw new UsageError('FILE must be a directory, got nothing');
  if (wanted === '-') {
    throw new CommandError(
      'wrong-kind',
      `${showPlace({ bucket, path })} is a directory: it cannot go to standard output`,
    );
  }
  const isInto = /(^|[/\\])\.{0,2}$/.test(wanted);
  return isInto ? join(wanted, path === '' ? nameOfBucket(bucket) : nameOfPath(path)) : wanted;
}

function directoryJob(
  client: Client,
  { bucket, path: from }: Place,
  directory: string,
  options: ReturnType<typeof readDirectoryOptions>,
): Job {
  return {
    fileOf: (path) => join(directory, path),
    placeOf: (path) => showPlace({ bucket, path: `${from}${path}` }),
    start: (more) => client.downloadDirectory(from, directory, { ...options, ...more }),
  };
}
