import type { Client, Entry } from '@cos-slice/node';
import { CLIENT, entryFacts, find, JSON_LINES, readClients, walk } from '../clients.ts';
import type { Command } from '../command.ts';
import { runAgain } from '../command-line.ts';
import { wireFor } from '../connection.ts';
import { EXIT, UsageError } from '../failure.ts';
import { choiceFlag, type Flags, nameOf, readFlags, switchFlag } from '../flags.ts';
import { interruptible } from '../interrupt.ts';
import { asDirectory, isDirectory, type Place, parsePlace } from '../place.ts';
import { isRead, print, printJson } from '../print.ts';
import { NETWORK_VARIABLES } from '../settings.ts';
import { toName } from '../text.ts';
import { checkAll, formatBytes, formatTime } from '../units.ts';

const OWN = {
  long: switchFlag('-l, --long', 'with size and time of the last change'),
  recursive: switchFlag('-r, --recursive', 'with all that is below'),
  bytes: switchFlag('--bytes', 'sizes in bytes'),
  only: choiceFlag<'files' | 'directories'>('--only <KIND>', 'no others', ['files', 'directories']),
  reverse: switchFlag('--reverse', 'from the last name to the first'),
  json: JSON_LINES,
} as const satisfies Flags;

const FLAGS = { ...OWN, ...CLIENT };

const SIZE_COLUMNS = 9;
const BYTES_COLUMNS = 14;

export const ls: Command = {
  name: 'ls',
  summary: 'list what is in a bucket or a directory',
  description: 'Lists what is in a bucket or a directory, in the order of names: one a line, directories with a slash.',
  operands: [
    {
      usage: '<BUCKET[/PATH]>',
      doc: 'a bucket, a directory or a file; with a * at its end, what begins like that',
    },
  ],
  flags: FLAGS,
  notes: [
    'It prints as it reads, so that directories of any size can be listed. Names are told from the directory that is listed.',
    'With --json: {"ok":true, "path", "kind", "sizeBytes", "sha1", "modifiedAt", "authority", "attributes", "customHeaders", "accessUrl", ...} for each.',
  ],
  examples: [
    'cos-slice ls films',
    'cos-slice ls -l films/2024/',
    "cos-slice ls 'films/2024/trailer-*'",
    'cos-slice ls -r --only files --json films | jq -r .accessUrl',
  ],
  variables: NETWORK_VARIABLES,
  run({ operands: [target = ''], given, argv, facts }) {
    facts.path = target;
    const say = (): string => `interrupted; ${runAgain('to start over', argv, FLAGS)}`;
    return interruptible({ given, facts }, { say }, async (signal) => {
      const [place, clients, flags] = checkAll(
        () => parsePlace(target),
        () => readClients(given, [target]),
        () => readFlags(OWN, given),
      );
      if (flags.reverse && wireFor(place.bucket, given) !== 'json') {
        throw new UsageError(`${nameOf(OWN.reverse)} needs the JSON API: cos and s3 list from the first name only`);
      }
      const show = flags.json
        ? (entry: Entry) => printJson(entryFacts(place, entry))
        : (entry: Entry, base: string) => print(toRow(entry, base, flags));
      for await (const { entry, base } of entriesOf(clients(place.bucket), place, flags, signal)) {
        if (flags.only !== undefined && flags.only !== (entry.kind === 'file' ? 'files' : 'directories')) continue;
        await show(entry, base);
        if (!isRead()) break;
      }
      return EXIT.done;
    });
  },
};

interface Listing {
  readonly recursive: boolean;
  readonly reverse: boolean;
  readonly only: 'files' | 'directories' | undefined;
}

/** What is at the place, with the directory that names are told from. */
async function* entriesOf(
  client: Client,
  { path }: Place,
  { recursive, reverse, only }: Listing,
  signal: AbortSignal,
): AsyncGenerator<{ readonly entry: Entry; readonly base: string }, void, undefined> {
  const isPrefix = path.endsWith('*');
  let from = isPrefix ? path.slice(0, -1) : path;
  if (!isPrefix && !isDirectory(path)) {
    const entry = await find(client, path, signal);
    if (entry.kind === 'file') return yield { entry, base: path.slice(0, -entry.name.length) };
    from = asDirectory(path);
  }
  const base = from.slice(0, from.lastIndexOf('/') + 1);
  const order = reverse ? 'descending' : 'ascending';
  if (!recursive) {
    for await (const entry of client.list(from, { signal, order, pattern: only ?? 'both' })) yield { entry, base };
    return;
  }
  for await (const entry of walk(client, from, { signal, order })) yield { entry, base };
}

function toRow(
  entry: Entry,
  base: string,
  { long, bytes }: { readonly long: boolean; readonly bytes: boolean },
): string {
  const path = entry.path.slice(base.length);
  const name = process.stdout.isTTY ? toName(path) : path;
  if (!long) return name;
  const size = entry.kind === 'directory' ? '-' : bytes ? String(entry.sizeBytes) : formatBytes(entry.sizeBytes);
  return [size.padStart(bytes ? BYTES_COLUMNS : SIZE_COLUMNS), formatTime(entry.modifiedAt), name].join('  ');
}
