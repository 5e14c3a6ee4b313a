import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Client, ClientOptions, DirectoryOptions, UploadToOptions } from '@cos-slice/node';
import { type Batch, type Job, runBatch } from '../batch.ts';
import { CLIENT, JSON_LINES, readClients } from '../clients.ts';
import type { Call, Command } from '../command.ts';
import { goOn } from '../command-line.ts';
import { DIRECTORY, readDirectoryOptions, refuseDirectoryFlags } from '../directory-flags.ts';
import { CommandError, UsageError } from '../failure.ts';
import { type Flags, flagNames, nameOf, readFlags } from '../flags.ts';
import { interruptible } from '../interrupt.ts';
import { asDirectory, isDirectory, type Place, parsePlace, showPlace } from '../place.ts';
import { type NamedFile, putFiles } from '../put-files.ts';
import { NETWORK_VARIABLES } from '../settings.ts';
import { checkAll, count } from '../units.ts';
import { readOverwrite, UPLOAD } from '../upload-flags.ts';
import { upload } from './upload.ts';

const OWN = { ...UPLOAD, ...DIRECTORY, json: JSON_LINES } satisfies Flags;
const FLAGS = { ...OWN, ...CLIENT };

export const put: Command = {
  name: 'put',
  summary: 'upload files and directories',
  description:
    'Uploads files, and directories with all that is in them. Run the same command again to go on after an interruption, a crash or a failure: what has arrived is not sent again.',
  operands: [
    { usage: '<FILE...>', doc: 'files and directories, or one of them; - is standard input', completes: 'file' },
    {
      usage: '<BUCKET/PATH>',
      doc: 'where to: a new name or, with a slash at its end, a directory that they come into under their own',
    },
  ],
  flags: FLAGS,
  notes: [
    'A directory is brought up to date: what is not at the target, or has changed, is sent; nothing is deleted without --delete. Links, sockets and names that cannot be are left out and told.',
    'One file goes as with cos-slice upload, which has the same flags.',
    'With --json: a line for each file, {"ok":true, "event", "path", "file", ...} or {"ok":false, "code", "message", "path", "file"}, and one at the end, {"ok", "event":"end", "path", "files", "bytes", "movedBytes", "skipped", "deleted", "problems", "failed", "durationMs"}; of one file the line that upload prints.',
  ],
  examples: [
    'cos-slice put film.mp4 poster.jpg films/2024/',
    'cos-slice put photos backup/                       # comes to backup/photos/',
    "cos-slice put photos backup/2024 --exclude '*.tmp' # its content comes to backup/2024/",
    'cos-slice put site web/ --delete --dry-run',
    'cos-slice put photos backup/ --bandwidth 2m        # 2 MiB a second in all',
    'tar cz site | cos-slice put - backup/site.tar.gz',
  ],
  variables: {
    ...NETWORK_VARIABLES,
    NO_COLOR: 'no colours',
    XDG_STATE_HOME: 'where unfinished uploads are remembered (default: ~/.local/state)',
  },
  async run(call) {
    const { operands, given, facts } = call;
    const target = operands.at(-1) ?? '';
    const files = operands.slice(0, -1);
    const [only] = files;
    const isDirectoryGiven = await anyDirectory(files);
    if (!isDirectoryGiven) refuseDirectoryFlags(given);
    if (files.length === 1 && !isDirectoryGiven && given.dryRun !== true) {
      return upload.run({ ...call, operands: [only ?? '', /\//.test(target) ? target : `${target}/`] });
    }
    let batch: Batch | undefined;
    facts.path = target;
    const say = (): string => {
      batch?.hide();
      const { transferred, resumable = true } = batch?.state() ?? {};
      return `interrupted${transferred ? `, ${count(transferred.files, 'file')} transferred` : ''}; ${goOn(call, FLAGS, resumable)}`;
    };
    return interruptible(call, { say }, async (signal) => {
      const [place, clients, flags, overwrite] = checkAll(
        () => parsePlace(target),
        () => readClients(given, [target], uploadsOf(given)),
        () => readFlags(OWN, given),
        () => readOverwrite(given),
      );
      const directory = readDirectoryOptions(given, overwrite === 'skip');
      if (isDirectoryGiven) refuseFileFlags(given);
      const { include: _include, exclude: _exclude, compare: _compare, dryRun, verbose, quiet, json } = flags;
      const jobs = await planJobs(files, place, clients(place.bucket), { directory, overwrite, given });
      batch = runBatch({
        ...{ jobs, direction: 'put', target: showPlace(place), dryRun, verbose, quiet, json, signal },
        flagNames: flagNames(FLAGS),
      });
      return batch.done;
    });
  },
};

async function anyDirectory(files: readonly string[]): Promise<boolean> {
  const found = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
  return found.some((one) => one?.isDirectory());
}

/** What all uploads of the client go by. */
export function uploadsOf(given: Call['given']): Partial<ClientOptions> {
  const { integrity, sliceSize, concurrency, maxMemory, bandwidth, onConflict, resume } = readFlags(UPLOAD, given);
  return {
    ...(integrity !== undefined && { integrity }),
    ...(sliceSize !== undefined && { sliceSize }),
    ...(concurrency !== undefined && { concurrency }),
    ...(maxMemory !== undefined && { maxMemory }),
    ...(bandwidth !== undefined && { bandwidth }),
    ...(onConflict !== undefined && { onConflict }),
    ...(resume ? {} : { resume: false }),
  };
}

/** @throws UsageError */
function refuseFileFlags(given: Call['given']): void {
  for (const name of ['attributes', 'rename'] as const) {
    if (given[name] === undefined) continue;
    throw new UsageError(`${nameOf(UPLOAD[name])} is for files: leave it out where a directory is uploaded`);
  }
}

interface Plan {
  readonly directory: DirectoryOptions;
  readonly overwrite: boolean | 'skip' | 'rename';
  readonly given: Call['given'];
}

/** The files that were named make one job, each directory another one. @throws UsageError, CommandError */
async function planJobs(
  sources: readonly string[],
  place: Place,
  client: Client,
  { directory, overwrite, given }: Plan,
): Promise<Job[]> {
  const { bucket, path: wanted } = place;
  if (sources.length > 1 && !isDirectory(wanted)) {
    throw new UsageError(`several files go into a directory: end ${showPlace(place)} with a slash`);
  }
  const files: NamedFile[] = [];
  const jobs: Job[] = [];
  const taken = new Map<string, string>();
  for (const source of sources) {
    if (source === '-') throw new UsageError('- goes alone: give standard input a command of its own');
    const facts = await stat(source).catch((error: NodeJS.ErrnoException) => {
      throw new CommandError(
        'source-unreadable',
        `${source} cannot be read (${error.code}): check its path and permissions`,
      );
    });
    const to = isDirectory(wanted) ? `${wanted}${basename(resolve(source))}` : wanted;
    const twin = taken.get(to);
    if (twin !== undefined)
      throw new UsageError(`${twin} and ${source} would both be ${showPlace({ bucket, path: to })}`);
    taken.set(to, source);
    if (facts.isDirectory()) jobs.push(directoryJob(client, bucket, source, asDirectory(to), { directory, given }));
    else if (facts.isFile()) files.push({ file: source, path: to, sizeBytes: facts.size });
    else
      throw new CommandError('source-unreadable', `${source} is not a regular file: save what it yields to one first`);
  }
  if (files.length === 0) return jobs;
  const { attributes, mayGrow } = readFlags(UPLOAD, given);
  const own = { overwrite, mayGrow, ...(attributes !== undefined && { attributes }) };
  return [filesJob(client, bucket, files, { ...directory, upload: own }), ...jobs];
}

function filesJob(
  client: Client,
  bucket: string,
  files: readonly NamedFile[],
  options: DirectoryOptions & { readonly upload: UploadToOptions },
): Job {
  let running: ReturnType<typeof putFiles> | undefined;
  return {
    fileOf: (path) => running?.fileOf(path) ?? path,
    placeOf: (path) => showPlace({ bucket, path }),
    start(more) {
      running = putFiles(client, files, { ...options, ...more });
      return running;
    },
  };
}

function directoryJob(
  client: Client,
  bucket: string,
  source: string,
  to: string,
  { directory, given }: Pick<Plan, 'directory' | 'given'>,
): Job {
  const { mayGrow } = readFlags(UPLOAD, given);
  return {
    fileOf: (path) => join(source, path),
    placeOf: (path) => showPlace({ bucket, path: `${to}${path}` }),
    start: (options) => client.uploadDirectory(source, { ...directory, ...options, to, mayGrow }),
  };
}
