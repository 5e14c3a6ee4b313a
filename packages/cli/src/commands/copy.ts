import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type Client, copyDirectory, type Entry } from '@cos-slice/node';
import { type Batch, type BatchOptions, type Job, runBatch } from '../batch.ts';
import { CLIENT, find, JSON_LINES, readClientOptions, readClients } from '../clients.ts';
import type { Call, Command } from '../command.ts';
import { goOn } from '../command-line.ts';
import { DIRECTORY, type FlaggedOptions, readDirectoryOptions } from '../directory-flags.ts';
import { CommandError, EXIT, UsageError } from '../failure.ts';
import { type Flags, flagNames, readFlags, switchFlag, type Values } from '../flags.ts';
import { fileFor, getFile } from '../get-file.ts';
import { interruptible } from '../interrupt.ts';
import { asDirectory, nameOfBucket, nameOfPath, type Place, parsePlace, showPlace, wireOf } from '../place.ts';
import { print, printJson } from '../print.ts';
import { putFiles } from '../put-files.ts';
import { NETWORK_VARIABLES } from '../settings.ts';
import { givenFor, SIDE_FLAGS } from '../side-flags.ts';
import { toName } from '../text.ts';
import { checkAll, count } from '../units.ts';
import { UPLOAD } from '../upload-flags.ts';
import { directoryFor } from './get.ts';
import { uploadsOf } from './put.ts';

const { wire: _addressesSayIt, ...SERVER } = CLIENT;
const { integrity, sliceSize, concurrency, maxMemory, bandwidth, onConflict, resume, quiet } = UPLOAD;
const OWN = {
  skipExisting: switchFlag('--skip-existing', 'leave alone what is there, and be done'),
  ...DIRECTORY,
  ...{ integrity, sliceSize, concurrency, maxMemory, bandwidth, onConflict, resume, quiet },
  json: JSON_LINES,
} satisfies Flags;
const FLAGS = { ...OWN, ...SERVER, ...SIDE_FLAGS };

export const copy: Command = {
  name: 'copy',
  summary: 'copy between servers, and folders',
  description:
    'Copies a file, or a directory with all that is in it, between any two of: a folder of this machine, the JSON API, the XML API of COS, S3. Run the same command again to go on after an interruption, a crash or a failure: what has arrived is not sent again.',
  operands: [
    {
      usage: '<SRC>',
      doc: 'json://BUCKET/PATH, cos://BUCKET-APPID/PATH, s3://BUCKET/PATH, or a file or folder of this machine',
      completes: 'file',
    },
    {
      usage: '<DST>',
      doc: 'the same: a new name or, with a slash at its end, a directory that it comes into under its own; a bucket without a slash gets what is in SRC',
      completes: 'file',
    },
  ],
  flags: FLAGS,
  notes: [
    'Between two servers nothing is kept on this machine: what is read from the one goes out to the other, a slice at a time. Within one bucket, and with cos and s3 between buckets of one server and one account, the server itself copies.',
    'What is there already, of the same size and not older, or the same by its SHA-1 or MD5, is not sent again; what differs is replaced; nothing is deleted without --delete. Of a file that was half sent the other half is.',
    '--endpoint, --region, --secret-id and so on are for both sides; --from-... and --to-... for one.',
    'With --json: a line for each file, {"ok":true, "event", "path", "from", ...}, with "file" for what is of this machine, or {"ok":false, "code", "message", "path"}, and one at the end, {"ok", "event":"end", "path", "files", "bytes", "movedBytes", "skipped", "deleted", "problems", "failed", "durationMs"}; of one file that comes to this machine the line that get prints.',
  ],
  examples: [
    'cos-slice copy json://films/2024 s3://films/2024 --dry-run',
    'cos-slice copy s3://films cos://films-10055004 --from-endpoint https://s3.example',
    "cos-slice copy photos cos://backup-10055004/ --exclude '*.tmp'   # comes to photos/",
    'cos-slice copy s3://films/film.mp4 /srv/films/',
  ],
  variables: {
    ...NETWORK_VARIABLES,
    NO_COLOR: 'no colours',
    XDG_STATE_HOME: 'where unfinished uploads are remembered (default: ~/.local/state)',
  },
  run({ operands: [source = '', target = ''], given, argv, facts }) {
    let batch: Batch | undefined;
    facts.path = target;
    const say = (): string => {
      batch?.hide();
      const { transferred, resumable = true } = batch?.state() ?? {};
      return `interrupted${transferred ? `, ${count(transferred.files, 'file')} transferred` : ''}; ${goOn({ argv, given }, FLAGS, resumable)}`;
    };
    return interruptible({ given, facts }, { say }, async (signal) => {
      const [from, to, flags] = checkAll(
        () => parseEnd(source),
        () => parseEnd(target),
        () => readFlags(OWN, given),
      );
      const { dryRun, verbose, json } = flags;
      const options = readDirectoryOptions(given, flags.skipExisting);
      const shown = { target, dryRun, verbose, quiet: flags.quiet, json, signal, flagNames: flagNames(FLAGS) };
      const run = (direction: BatchOptions['direction'], job: Job): Promise<number> => {
        batch = runBatch({ ...shown, direction, jobs: [job] });
        return batch.done;
      };
      const work: Work = { given, flags, options, signal, run };
      if (from.place && to.place) return betweenServers(from.place, to, to.place, work);
      if (to.place) return fromHere(from.text, to, to.place, work);
      if (from.place) return toHere(from.place, to.text, work);
      throw new UsageError('both are of this machine: give json://, cos:// or s3:// for one of them, or use cp');
    });
  },
};

/** One end of a copy: of a server where there is a place, else of this machine. */
interface End {
  readonly text: string;
  readonly place?: Place;
}

interface Work {
  readonly given: Call['given'];
  readonly flags: Values<typeof OWN>;
  readonly options: FlaggedOptions;
  readonly signal: AbortSignal;
  run(direction: BatchOptions['direction'], job: Job): Promise<number>;
}

/** @throws UsageError */
function parseEnd(text: string): End {
  if (text === '' || text === '-') throw new UsageError(`give a file, a folder or an address, got '${text}'`);
  return wireOf(text) === undefined ? { text } : { text, place: parsePlace(text) };
}

/** Where something of that name comes to: a bucket without a slash gets what is in a directory. */
function targetPath({ text }: End, { path }: Place, name: string, isDirectory: boolean): string {
  const isInto = text.endsWith('/') || (path === '' && !isDirectory);
  const to = isInto ? `${path}${name}` : path;
  return isDirectory ? asDirectory(to) : to;
}

async function betweenServers(source: Place, to: End, target: Place, work: Work): Promise<number> {
  const { given, options, signal, run } = work;
  const settings = uploadsOf(given);
  const [reading, writing] = checkAll(
    () => readClientOptions(givenFor('from', given), source.bucket),
    () => readClientOptions(givenFor('to', given), target.bucket, settings),
  );
  const client = readClients(givenFor('from', given), [showPlace(source)])(source.bucket);
  const found = source.path === '' ? { kind: 'directory', path: '' } : await find(client, source.path, signal);
  const isDirectory = found.kind === 'directory';
  const name = found.path === '' ? nameOfBucket(source.bucket) : nameOfPath(found.path);
  const path = targetPath(to, target, name, isDirectory);
  const reads = { ...reading, ...(settings.concurrency !== undefined && { concurrency: settings.concurrency }) };
  return run('copy', {
    fileOf: (at) => showPlace({ bucket: source.bucket, path: `${found.path}${at}` }),
    placeOf: (at) => showPlace({ bucket: target.bucket, path: `${path}${at}` }),
    start: (more) => copyDirectory(reads, writing, { ...options, ...more, from: found.path, to: path }),
  });
}

async function fromHere(source: string, to: End, target: Place, work: Work): Promise<number> {
  const { given, flags, options, signal, run } = work;
  const client = readClients(givenFor('to', given), [to.text], uploadsOf(given))(target.bucket);
  const facts = await stat(source).catch((error: NodeJS.ErrnoException) => {
    const why = `${source} cannot be read (${error.code}): check its path and permissions`;
    throw new CommandError('source-unreadable', why);
  });
  if (!facts.isDirectory() && !facts.isFile()) {
    throw new CommandError('source-unreadable', `${source} is not a regular file: save what it yields to one first`);
  }
  const path = targetPath(to, target, basename(resolve(source)), facts.isDirectory());
  const placeOf = (at: string): string => showPlace({ bucket: target.bucket, path: at });
  if (facts.isDirectory()) {
    return run('put', {
      fileOf: (at) => join(source, at),
      placeOf: (at) => placeOf(`${path}${at}`),
      start: (more) => client.uploadDirectory(source, { ...options, ...more, to: path }),
    });
  }
  if (options.skip === 'unchanged' && (await isThere(client, path, facts, signal))) {
    return tellSkipped(placeOf(path), source, flags.json);
  }
  const file = { file: source, path, sizeBytes: facts.size };
  const upload = { overwrite: flags.skipExisting ? ('skip' as const) : true };
  return run('put', {
    fileOf: () => source,
    placeOf,
    start: (more) => putFiles(client, [file], { ...options, ...more, upload }),
  });
}

/** Whether a file is there, of the same size and not older. */
async function isThere(
  client: Client,
  path: string,
  { size, mtime }: { readonly size: number; readonly mtime: Date },
  signal: AbortSignal,
): Promise<boolean> {
  const entry = await client.stat(path, { signal }).catch(() => undefined);
  signal.throwIfAborted();
  if (entry?.kind !== 'file' || entry.sizeBytes !== size) return false;
  return entry.modifiedAt === undefined || Math.floor(mtime.getTime() / 1000) * 1000 <= entry.modifiedAt.getTime();
}

const BUCKET: Entry = { kind: 'directory', path: '', name: '', attributes: '' };

async function toHere(source: Place, target: string, work: Work): Promise<number> {
  const { given, flags, options, signal, run } = work;
  const { skipExisting, quiet, json } = flags;
  const settings = uploadsOf(given);
  const client = readClients(givenFor('from', given), [showPlace(source)], settings)(source.bucket);
  const entry = source.path === '' ? BUCKET : await find(client, source.path, signal);
  const { path } = entry;
  const placeOf = (at: string): string => showPlace({ bucket: source.bucket, path: at });
  if (entry.kind === 'file') {
    const file = await fileFor(target, entry.name);
    const here = await stat(file).catch(() => undefined);
    // What has come is younger than what it has come from.
    const isSame = here?.size === entry.sizeBytes && here.mtimeMs >= (entry.modifiedAt?.getTime() ?? 0);
    if (options.skip === 'unchanged' && isSame) return tellSkipped(placeOf(path), file, json);
    if (flags.dryRun) {
      if (json) await printJson({ ok: true, event: 'transferred', path: placeOf(path), file, dryRun: true });
      else await print(toName(`${placeOf(path)} -> ${file}`));
      return EXIT.done;
    }
    const place = { bucket: source.bucket, path };
    return getFile(client, place, file, { overwrite: true, skipExisting, quiet, json, signal, onStart() {} });
  }
  const directory = directoryFor(target, { bucket: source.bucket, path });
  return run('get', {
    fileOf: (at) => join(directory, at),
    placeOf: (at) => placeOf(`${path}${at}`),
    start: (more) => client.downloadDirectory(path, directory, { ...options, ...more }),
  });
}

async function tellSkipped(path: string, file: string, json: boolean): Promise<number> {
  if (json) await printJson({ ok: true, event: 'skipped', path, file });
  else await print(`${toName(path)} is there already: skipped`);
  return EXIT.done;
}
