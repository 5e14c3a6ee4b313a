import type { Entry } from '@cos-slice/node';
import { CLIENT, entryFacts, find, JSON_LINES, readClients } from '../clients.ts';
import type { Command } from '../command.ts';
import { runAgain } from '../command-line.ts';
import { forEach } from '../each.ts';
import { interruptible } from '../interrupt.ts';
import { type Place, parsePlace, showPlace } from '../place.ts';
import { print, printJson } from '../print.ts';
import { NETWORK_VARIABLES } from '../settings.ts';
import { toName } from '../text.ts';
import { checkAll, formatBytes, formatTime } from '../units.ts';

const FLAGS = { json: JSON_LINES, ...CLIENT };

export const stat: Command = {
  name: 'stat',
  summary: 'tell what is known of files and directories',
  description: 'Tells what the server knows of files, directories and buckets.',
  operands: [{ usage: '<BUCKET[/PATH]...>', doc: 'a file, a directory or a bucket, or several' }],
  flags: FLAGS,
  notes: [
    'With --json: {"ok":true, "path", "kind", "sizeBytes", "sha1", "createdAt", "modifiedAt", "authority", "attributes", "customHeaders", "accessUrl", ...} or {"ok":false, "code", "message", "path", ...} for each.',
  ],
  examples: [
    'cos-slice stat films/2024/film.mp4',
    'cos-slice stat films/2024/film.mp4 --json | jq .sizeBytes',
    'cos-slice stat films/film.mp4 > /dev/null 2>&1 && echo it is there',
  ],
  variables: NETWORK_VARIABLES,
  run({ operands, given, argv, facts }) {
    const say = (): string => `interrupted; ${runAgain('to start over', argv, FLAGS)}`;
    if (operands.length === 1) facts.path = operands[0] ?? '';
    return interruptible({ given, facts }, { say }, async (signal) => {
      const [places, clients] = checkAll(
        () => checkAll(...operands.map((one) => () => parsePlace(one))),
        () => readClients(given, operands),
      );
      let isFirst = true;
      return forEach(places, { given, flags: FLAGS, nameOf: showPlace }, async (place) => {
        const entry = await find(clients(place.bucket), place.path, signal);
        await (given.json
          ? printJson(entryFacts(place, entry))
          : print(`${isFirst ? '' : '\n'}${describe(place, entry)}`));
        isFirst = false;
      });
    });
  },
};

/** All that is known, a fact a line. */
export function describe({ bucket }: Place, entry: Entry): string {
  const rows: [name: string, value: string][] = [];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') rows.push([name, toName(value)]);
  };
  add('kind', entry.path === '' ? 'bucket' : entry.kind);
  if (entry.kind === 'file') {
    add(
      'size',
      entry.sizeBytes < 1024 ? `${entry.sizeBytes} B` : `${formatBytes(entry.sizeBytes)} (${entry.sizeBytes} B)`,
    );
    add('sha1', entry.sha1);
  }
  add('created', entry.createdAt && formatTime(entry.createdAt));
  add('modified', entry.modifiedAt && formatTime(entry.modifiedAt));
  add('attributes', entry.attributes);
  if (entry.kind === 'file') {
    add('authority', AUTHORITIES[entry.authority]);
    for (const [name, value] of Object.entries(entry.customHeaders)) add('header', `${name}: ${value}`);
    add('url', entry.accessUrl || entry.sourceUrl || entry.url);
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  const title = toName(showPlace({ bucket, path: entry.path }));
  return [title, ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)].join('\n');
}

const AUTHORITIES: Readonly<Record<string, string>> = {
  inherit: "inherit: the bucket's",
  private: 'private: only with a signature',
  'public-read': 'public-read: everybody may read it',
};
