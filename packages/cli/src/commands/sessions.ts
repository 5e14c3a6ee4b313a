import { createUnfinishedUploads, type UnfinishedUpload, type UnfinishedUploads } from '@cos-slice/node';
import { ask, canAsk } from '../ask.ts';
import { bucketsOf, CLIENT, JSON_LINES } from '../clients.ts';
import type { Command } from '../command.ts';
import { runAgain } from '../command-line.ts';
import { type Connection, readConnection } from '../connection.ts';
import { forEach } from '../each.ts';
import { CommandError, EXIT, UsageError } from '../failure.ts';
import { type Flags, nameOf, readFlags, switchFlag, textFlag, type Values } from '../flags.ts';
import { interruptible } from '../interrupt.ts';
import { isDirectory, type Place, parsePlace, showPlace } from '../place.ts';
import { isRead, print, printJson } from '../print.ts';
import { NETWORK_VARIABLES } from '../settings.ts';
import { toName } from '../text.ts';
import { checkAll, count, formatAge, formatBytes, formatTime, parseAge } from '../units.ts';

const ACTIONS = ['ls', 'rm'];

const OWN = {
  olderThan: {
    usage: '--older-than <AGE>',
    doc: 'only those begun before that: 30m, 12h or 7d ago',
    read: (given, name): number => (given === undefined ? 0 : parseAge(name, String(given))),
  },
  session: textFlag('--session <ID>', 'only this one'),
  long: switchFlag('-l, --long', 'with what the server has of each: one more request for each'),
  force: switchFlag('-f, --force', 'do not ask'),
  dryRun: switchFlag('-n, --dry-run', 'only say what would be given up'),
  json: JSON_LINES,
} as const satisfies Flags;

const FLAGS = { ...OWN, ...CLIENT };

export const sessions: Command = {
  name: 'sessions',
  summary: 'list or give up unfinished uploads',
  description:
    'Lists uploads that were begun and have not ended, or gives them up. What a server holds of them takes space, and costs, until then.',
  operands: [
    { usage: '<ACTION>', doc: 'ls lists, rm gives up', completes: ACTIONS },
    {
      usage: '<BUCKET[/PATH]>',
      doc: 'of a path; with a slash at its end, or of a bucket, of all below; with a * at its end, of what begins like that',
    },
  ],
  flags: FLAGS,
  notes: [
    'The JSON API tells of one path only: give the whole of it. It does not tell when an upload was begun.',
    'rm asks on a terminal. Where nobody can be asked it wants -f. What is remembered here of an upload, to resume it, goes as well; objects stay.',
    'With --json: {"ok":true, "path", "session", "startedAt", "ageSec", ...}, of rm also "removed" and "remembered", or {"ok":false, "code", "message", "path", ...} for each.',
  ],
  examples: [
    'cos-slice sessions ls s3://films',
    'cos-slice sessions ls -l cos://films-10055004/2024/',
    'cos-slice sessions rm s3://films --older-than 7d',
    'cos-slice sessions rm films/2024/film.mp4 -f',
  ],
  variables: { ...NETWORK_VARIABLES, XDG_STATE_HOME: 'where unfinished uploads are remembered' },
  run({ operands: [action = '', target = ''], given, argv, facts }) {
    facts.path = target;
    const say = (): string => `interrupted; ${runAgain('to go on', argv, FLAGS)}`;
    return interruptible({ given, facts }, { say }, async (signal) => {
      const [, place, connection, flags] = checkAll(
        () => checkAction(action),
        () => parsePlace(target),
        () => readConnection(given, typeof given.proxy === 'string' ? given.proxy : undefined, bucketsOf([target])),
        () => readFlags(OWN, given),
      );
      const { force, dryRun, json } = flags;
      if (action === 'rm' && !force && !dryRun && !canAsk()) {
        throw new UsageError('rm asks, and there is no terminal to ask on: give -f to give up uploads without it');
      }
      const uploads = uploadsAt(connection, place, given.proxy);
      const wanted = wantedOf(uploads, place, connection(place.bucket).wire, flags, signal);
      if (action === 'ls' || dryRun) {
        let isEmpty = true;
        for await (const one of wanted) {
          isEmpty = false;
          await show(one, place, flags, flags.long ? await uploads.look(one, { signal }) : undefined);
          if (!isRead()) break;
        }
        // Beside what is read by programs: silence could as well be a wrong path.
        if (isEmpty && !json) process.stderr.write('nothing is unfinished there\n');
        return EXIT.done;
      }
      const found: UnfinishedUpload[] = [];
      for await (const one of wanted) found.push(one);
      if (!force && found.length > 0) await confirm(found, place, signal);
      const exitCode = await forEach(found, { given, flags: FLAGS, nameOf: nameIn(place) }, async (one) => {
        const remembered = await uploads.discard(one, { signal });
        const path = nameIn(place)(one);
        if (json) await printJson({ ok: true, ...factsOf(one, path), removed: true, remembered });
        else await print(`${toName(path)} given up${remembered ? ', and forgotten here' : ''}`);
      });
      if (!json) await print(found.length === 0 ? 'nothing is unfinished there' : `${told(found)} given up`);
      return exitCode;
    });
  },
};

function checkAction(action: string): void {
  if (!ACTIONS.includes(action)) throw new UsageError(`say ls or rm, got '${action}'`);
}

function uploadsAt(connection: Connection, { bucket }: Place, proxy: unknown): UnfinishedUploads {
  const { options } = connection(bucket, false);
  return createUnfinishedUploads({ ...options, ...(typeof proxy === 'string' && { proxy }) });
}

async function* wantedOf(
  uploads: UnfinishedUploads,
  { bucket, path }: Place,
  wire: string,
  { olderThan, session }: Values<typeof OWN>,
  signal: AbortSignal,
): AsyncGenerator<UnfinishedUpload, void, undefined> {
  const isPrefix = path.endsWith('*');
  if (wire === 'json') {
    if (isPrefix || isDirectory(path)) {
      throw new UsageError(`the JSON API tells of one path only: give ${bucket}/PATH, as it was uploaded to`);
    }
    if (olderThan > 0) throw new UsageError(`${nameOf(OWN.olderThan)} needs cos or s3: the JSON API tells no times`);
  }
  const isExact = !isPrefix && !isDirectory(path);
  for await (const one of uploads.list(isPrefix ? path.slice(0, -1) : path, { signal })) {
    if (isExact && one.path !== path) continue;
    if (session !== undefined && one.session !== session) continue;
    // What has no time is not known to be old.
    if (olderThan > 0 && !(ageMs(one) > olderThan)) continue;
    yield one;
  }
}

function ageMs({ startedAt }: UnfinishedUpload): number {
  return startedAt === undefined ? Number.NaN : Date.now() - startedAt.getTime();
}

const nameIn =
  ({ bucket }: Place) =>
  ({ path }: UnfinishedUpload): string =>
    showPlace({ bucket, path });

function factsOf(one: UnfinishedUpload, path: string): object {
  const { session, startedAt } = one;
  return { path, session, ...(startedAt && { startedAt, ageSec: Math.floor(ageMs(one) / 1000) }) };
}

async function show(
  one: UnfinishedUpload,
  place: Place,
  { json, long }: Values<typeof OWN>,
  content: Awaited<ReturnType<UnfinishedUploads['look']>>,
): Promise<void> {
  const path = nameIn(place)(one);
  if (json) return printJson({ ok: true, ...factsOf(one, path), ...content });
  const stored = content ? `${formatBytes(content.storedBytes)} in ${count(content.slices, 'part')}` : 'gone';
  const age = Number.isNaN(ageMs(one)) ? '-' : formatAge(ageMs(one));
  const columns = [formatTime(one.startedAt), age.padStart(4), ...(long ? [stored.padStart(22)] : [])];
  await print([...columns, toName(path), one.session].join('  '));
}

async function confirm(found: readonly UnfinishedUpload[], place: Place, signal: AbortSignal): Promise<void> {
  const ages = found.map(ageMs).filter((age) => !Number.isNaN(age));
  const since = begunAgo(ages);
  const where = toName(showPlace(place));
  if (await ask(`give up ${told(found)} at ${where}${since}?`, signal)) return;
  throw new CommandError('declined', `${told(found)} at ${where} left as it is`);
}

/** @param ages in ms. A bucket may hold more of them than a call takes arguments. */
export function begunAgo(ages: readonly number[]): string {
  if (ages.length === 0) return '';
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const age of ages) [least, most] = [Math.min(least, age), Math.max(most, age)];
  return `, begun ${formatAge(least)} to ${formatAge(most)} ago`;
}

function told(found: readonly UnfinishedUpload[]): string {
  return count(found.length, 'unfinished upload');
}
