import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  CosSliceError,
  isCosSliceError,
  type Upload,
  type UploadFileOptions,
  type UploadResult,
  uploadFile,
} from '@cos-slice/node';
import { bucketsOf, JSON_ONE } from '../clients.ts';
import type { Call, Command } from '../command.ts';
import { goOn } from '../command-line.ts';
import { readConnection } from '../connection.ts';
import { EXIT, UsageError } from '../failure.ts';
import { readFlags } from '../flags.ts';
import { interruptible } from '../interrupt.ts';
import type { ProgressView } from '../live-view.ts';
import { type Place, parsePlace, showPlace } from '../place.ts';
import { showProgress } from '../progress-view.ts';
import { CONNECTION, NETWORK_VARIABLES } from '../settings.ts';
import { toLine } from '../text.ts';
import { checkAll, formatBytes, formatDuration } from '../units.ts';
import { checkUpload, readOverwrite, UPLOAD } from '../upload-flags.ts';

const OWN = { ...UPLOAD, json: JSON_ONE };

export const upload: Command = {
  name: 'upload',
  summary: 'upload a file, or resume',
  description:
    'Uploads a file in slices. Run the same command again to resume after an interruption, a crash or a failure.',
  operands: [
    {
      usage: '<FILE>',
      doc: 'the file to upload: a path, a file: URL for a name that is not UTF-8, or -, standard input',
      completes: 'file',
    },
    { usage: '<BUCKET/PATH>', doc: "where to; a path that ends in / gets the file's name" },
  ],
  flags: { ...CONNECTION, ...OWN },
  notes: [
    '--sign-url gets POST {"appId","bucket","path","effect","nowSec"} and answers {"signature":"..."}; of cos and s3 {"requests":[...]}, and answers {"signed":[...]}. --credentials-url answers {"secretId","secretKey","token","expiresAtSec"}, or as STS does.',
    'With --json: {"ok":true, "path", "skipped", "accessUrl", "sizeBytes", "sentBytes", "resumedBytes", "durationMs", ...} or {"ok":false, "code", "message", "path", ...}',
  ],
  examples: [
    'cos-slice upload film.mp4 films/2024/film.mp4 --endpoint https://sh.file.myqcloud.com/files/v2 --app-id 10055004',
    'cos-slice upload disk.img backup/ --integrity sha1 --slice-size 3MiB --json',
    'cos-slice upload notes.txt docs/notes.txt --sign-url https://example.com/sign --overwrite',
  ],
  variables: {
    ...NETWORK_VARIABLES,
    NO_COLOR: 'no colours',
    XDG_STATE_HOME: 'where unfinished uploads are remembered (default: ~/.local/state)',
  },
  async run({ operands: [file = '', destination = ''], given, argv, facts }) {
    const startedAtMs = performance.now();
    let running: Upload | undefined;
    let view: ProgressView | undefined;
    let isRemembered = true;
    // Standard input never is.
    const own = file === '-' ? { ...given, resume: false } : given;
    const again = (): string => goOn({ argv, given: own }, upload.flags, isRemembered, ['to resume', 'to start over']);
    const say = (): string => {
      view?.end();
      const percent = Math.floor((running?.state.progress.fraction ?? 0) * 100);
      return `interrupted at ${percent}%; ${again()}`;
    };
    facts.path = destination;
    return interruptible({ given, facts }, { say, isIdle: () => running === undefined }, async (signal) => {
      const { source, bucket, options, json, quiet } = readCommand(file, destination, given);
      facts.path = showPlace({ bucket, path: options.path });
      await checkFile(source);
      const started = start(source, { ...options, signal }, keepsName(destination));
      running = started;
      started.subscribe(({ phase, resumable }) => {
        // One whose file has changed cannot be gone on with, though it is remembered.
        if (phase !== 'failed') isRemembered = resumable;
      });
      if (!quiet) view = showProgress(process.stderr, basename(options.path), () => started.state, process.env);
      try {
        const result = await started.done.finally(() => view?.end());
        const { sizeBytes } = started.state.progress;
        const durationMs = Math.round(performance.now() - startedAtMs);
        report(
          { ...result, path: showPlace({ bucket, path: result.path }), sizeBytes, durationMs },
          String(facts.path),
          json,
        );
        return EXIT.done;
      } catch (error) {
        // What has arrived would be in the way of the next run, which knows nothing of it.
        const { confirmedBytes } = started.state.progress;
        if (!isRemembered && confirmedBytes > 0 && !signal.aborted) facts.advice = again();
        throw error;
      }
    });
  },
};

interface Read {
  readonly source: Given;
  readonly bucket: string;
  readonly options: UploadFileOptions;
  readonly json: boolean;
  readonly quiet: boolean;
}

function readCommand(file: string, destination: string, given: Call['given']): Read {
  const proxy = typeof given.proxy === 'string' ? given.proxy : undefined;
  const [source, { bucket, path }, connection, flags, overwrite] = checkAll(
    () => toSource(file),
    () => parseDestination(destination),
    () => readConnection(given, proxy, bucketsOf([destination])),
    () => readFlags(OWN, given),
    () => readOverwrite(given),
  );
  const { json, quiet, resume, overwrite: _one, skipExisting: _other, rename: _third, ...rest } = flags;
  const reach = connection(bucket);
  checkUpload(rest, reach);
  const options: UploadFileOptions = {
    ...reach.options,
    path: keepsName(destination) ? `${path}${ownName(source)}` : path,
    overwrite,
    ...onlyGiven(rest),
    ...(resume ? {} : { resume: false }),
  };
  return { source, bucket, options, json, quiet };
}

/** A file, or standard input. */
type Given = string | URL | typeof process.stdin;

type OnlyGiven<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

function onlyGiven<T extends object>(values: T): OnlyGiven<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as OnlyGiven<T>;
}

/** @throws UsageError for a bucket without a path, even an empty one */
function parseDestination(text: string): Place {
  const place = parsePlace(text);
  if (place.path !== '' || text.endsWith('/')) return place;
  throw new UsageError(`the destination must be BUCKET/PATH (or BUCKET/ to keep the file's name), got '${text}'`);
}

/** `BUCKET/`, `BUCKET/dir/` */
function keepsName(destination: string): boolean {
  return destination.endsWith('/');
}

function toSource(file: string): Given {
  if (file === '-') {
    if (process.stdin.isTTY) throw new UsageError('FILE is -, and nothing is piped in: give a file');
    return process.stdin;
  }
  return file.startsWith('file://') && URL.canParse(file) ? new URL(file) : file;
}

/** @throws UsageError for names that are not UTF-8 */
function ownName(source: Given): string {
  if (typeof source === 'string') return basename(source);
  if (!(source instanceof URL)) throw new UsageError('standard input has no name: give BUCKET/PATH, with a name');
  try {
    return decodeURIComponent(basename(source.pathname));
  } catch {
    throw new UsageError("the file's name is not UTF-8: give BUCKET/PATH, with a name of its own");
  }
}

/** Starts it, and says where a name that cannot be used comes from. */
function start(source: Given, options: UploadFileOptions, ownName: boolean): Upload {
  try {
    return uploadFile(source, options);
  } catch (error) {
    const { issues = [] } = isCosSliceError(error, 'invalid-options') ? error : {};
    if (!ownName || !issues.some(({ option }) => option === 'path')) throw error;
    const told = issues.map(({ option, message }) => {
      const hint = option === 'path' ? "; the file's own name is part of it: give BUCKET/PATH with another" : '';
      return { option, message: `${message}${hint}` };
    });
    throw new CosSliceError('invalid-options', 'invalid options', { cause: error, issues: told });
  }
}

/** Opening a pipe would wait for someone to write to it. What is missing or unreadable is noticed when it is opened. */
async function checkFile(source: Given): Promise<void> {
  if (typeof source !== 'string') return;
  const facts = await stat(source).catch(() => undefined);
  if (facts === undefined || facts.isFile()) return;
  const what = facts.isDirectory()
    ? 'a directory: give one file'
    : 'not a regular file: save what it yields to one first';
  throw new CosSliceError('source-unreadable', `${source} is ${what}`);
}

interface Report extends UploadResult {
  /** BUCKET/PATH, as the command line has it. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly durationMs: number;
}

function report(result: Report, asked: string, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ ok: true, ...result })}\n`);
    return;
  }
  const { sizeBytes, durationMs, sentBytes, resumedBytes, instant, sha1 } = result;
  const speed = formatBytes((sentBytes / Math.max(1, durationMs)) * 1000);
  const lines = [
    result.accessUrl || result.url || result.resourcePath || result.path,
    result.skipped
      ? 'there is an object at this path already: skipped'
      : instant
        ? `${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}: the server had this content, nothing was sent`
        : `${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}, ${speed}/s`,
  ];
  if (resumedBytes > 0 || (sentBytes !== sizeBytes && !instant && !result.skipped)) {
    lines.push(`resumed ${formatBytes(resumedBytes)}, sent ${formatBytes(sentBytes)}`);
  }
  if (result.path !== asked) lines.splice(1, 0, `renamed to ${result.path}`);
  if (sha1 !== undefined) lines.push(`sha1 ${sha1}`);
  process.stdout.write(`${lines.map(toLine).join('\n')}\n`);
}
