import type { Authority, Changes, Entry } from '@cos-slice/node';
import { CLIENT, entryFacts, find, JSON_ONE, readClients } from '../clients.ts';
import type { Command } from '../command.ts';
import { runAgain } from '../command-line.ts';
import { wireFor } from '../connection.ts';
import { EXIT, UsageError } from '../failure.ts';
import { choiceFlag, type Flags, readFlags, textFlag } from '../flags.ts';
import { interruptible } from '../interrupt.ts';
import { parsePath } from '../place.ts';
import { print, printJson } from '../print.ts';
import { NETWORK_VARIABLES } from '../settings.ts';
import { checkAll } from '../units.ts';
import { describe } from './stat.ts';

const OWN = {
  attributes: textFlag('--attributes <TEXT>', "text stored with it (biz_attr); '' for none"),
  authority: choiceFlag<Authority>('--authority <WHO>', "who may read it; inherit: as the bucket's", [
    'inherit',
    'private',
    'public-read',
  ]),
  headers: {
    usage: '--header <NAME: VALUE>',
    doc: 'a header that comes with downloads; without a value it is taken away; repeat for more',
    repeatable: true,
    read(given, name): readonly (readonly [name: string, value: string])[] {
      return (Array.isArray(given) ? given : []).map((text: string) => {
        const [, header, value] = /^([^:\s]+)\s*:\s*(.*?)\s*$/s.exec(text) ?? [];
        if (header === undefined || value === undefined) {
          throw new UsageError(`${name} must be like 'Cache-Control: max-age=60', got '${text}'`);
        }
        return [header, value] as const;
      });
    },
  },
  json: JSON_ONE,
} as const satisfies Flags;

const FLAGS = { ...OWN, ...CLIENT };

export const set: Command = {
  name: 'set',
  summary: 'change attributes, authority or headers',
  description:
    'Changes what is stored with a file: attributes, who may read it, and the headers that come with downloads. What is not named stays as it is.',
  operands: [{ usage: '<BUCKET/PATH>', doc: 'a file; of a directory only the attributes can be changed' }],
  flags: FLAGS,
  notes: [
    'Headers are Cache-Control, Content-Type, Content-Disposition, Content-Language, Content-Encoding and x-cos-meta-*.',
    'It prints what is known of the file then, as stat does. With --json: {"ok":true, "path", ...} or {"ok":false, "code", "message", "path", ...}',
  ],
  examples: [
    'cos-slice set films/film.mp4 --authority public-read',
    "cos-slice set films/film.mp4 --header 'Cache-Control: max-age=3600' --header 'x-cos-meta-cut: final'",
    "cos-slice set films/film.mp4 --header 'Cache-Control:'      # takes it away",
  ],
  variables: NETWORK_VARIABLES,
  run({ operands: [target = ''], given, argv, facts }) {
    facts.path = target;
    const say = (): string => `interrupted; ${runAgain('to be sure', argv, FLAGS)}`;
    return interruptible({ given, facts }, { say }, async (signal) => {
      const [place, clients, { attributes, authority, headers, json }] = checkAll(
        () => parsePath(target),
        () => readClients(given, [target]),
        () => readFlags(OWN, given),
      );
      const client = clients(place.bucket);
      const isGiven = attributes !== undefined || authority !== undefined || headers.length > 0;
      if (!isGiven) throw new UsageError('nothing to change: give --attributes, --authority or --header');
      if (wireFor(place.bucket, given) !== 'json') {
        const how = 'cos and s3 keep attributes and headers as an object was uploaded with them';
        throw new UsageError(`set needs the JSON API: ${how}; upload it again, with --attributes`);
      }
      const before = await find(client, place.path, signal);
      if (before.kind === 'directory' && (authority !== undefined || headers.length > 0)) {
        throw new UsageError(`${target} is a directory, which has nothing but --attributes to change`);
      }
      const changes: Changes = {
        ...(attributes === undefined ? {} : { attributes }),
        ...(authority === undefined ? {} : { authority }),
        ...(headers.length === 0 ? {} : { customHeaders: merge(before, headers) }),
      };
      await client.update(before.path, changes, { signal });
      const after = await client.stat(before.path, { signal });
      await (json ? printJson(entryFacts(place, after)) : print(describe(place, after)));
      return EXIT.done;
    });
  },
};

/** The headers there are, with those given instead of those of the same name. */
function merge(entry: Entry, given: readonly (readonly [name: string, value: string])[]): Record<string, string> {
  const headers = new Map<string, readonly [name: string, value: string]>();
  const before = entry.kind === 'file' ? Object.entries(entry.customHeaders) : [];
  for (const [name, value] of [...before, ...given]) headers.set(name.toLowerCase(), [name, value]);
  return Object.fromEntries([...headers.values()].filter(([, value]) => value !== ''));
}
