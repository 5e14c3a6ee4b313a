import { type Client, isCosSliceError } from '@cos-slice/node';
import { CLIENT, JSON_LINES, readClients } from '../clients.ts';
import type { Command } from '../command.ts';
import { runAgain } from '../command-line.ts';
import { forEach } from '../each.ts';
import { CommandError } from '../failure.ts';
import { type Flags, optionDoc, readFlags, switchFlag, textFlag } from '../flags.ts';
import { interruptible } from '../interrupt.ts';
import { asDirectory, parsePath, showPlace } from '../place.ts';
import { print, printJson } from '../print.ts';
import { NETWORK_VARIABLES } from '../settings.ts';
import { toName } from '../text.ts';
import { checkAll } from '../units.ts';

const OWN = {
  parents: switchFlag('-p, --parents', 'one that is there already is no error'),
  attributes: textFlag('--attributes <TEXT>', optionDoc('attributes').replace('object', 'directory')),
  json: JSON_LINES,
} as const satisfies Flags;

const FLAGS = { ...OWN, ...CLIENT };

export const mkdir: Command = {
  name: 'mkdir',
  summary: 'create directories',
  description: 'Creates directories, and those that they are in.',
  operands: [{ usage: '<BUCKET/PATH...>', doc: 'the directory, or several; a slash at the end may be left out' }],
  flags: FLAGS,
  notes: [
    'Uploads need no directory to be there: one that is created stays when nothing is in it.',
    'With --json: {"ok":true, "path", "created"} or {"ok":false, "code", "message", "path", ...} for each.',
  ],
  examples: ['cos-slice mkdir films/2024/trailers', "cos-slice mkdir -p films/2024 films/2025 --attributes 'by year'"],
  variables: NETWORK_VARIABLES,
  run({ operands, given, argv, facts }) {
    const say = (): string => `interrupted; ${runAgain('to go on', argv, FLAGS)}`;
    if (operands.length === 1) facts.path = operands[0] ?? '';
    return interruptible({ given, facts }, { say }, async (signal) => {
      const [places, clients, { parents, attributes, json }] = checkAll(
        () => checkAll(...operands.map((one) => () => parsePath(one))),
        () => readClients(given, operands),
        () => readFlags(OWN, given),
      );
      return forEach(places, { given, flags: FLAGS, nameOf: showPlace }, async ({ bucket, path: typed }) => {
        const path = asDirectory(typed);
        const options = { signal, ...(attributes === undefined ? {} : { attributes }) };
        const created = await create(clients(bucket), path, options, parents);
        const place = showPlace({ bucket, path });
        if (json) await printJson({ ok: true, path: place, created });
        else await print(`${toName(place)} ${created ? 'created' : 'is there'}`);
      });
    });
  },
};

/** @returns whether it was not there before. @throws CommandError `exists` */
async function create(
  client: Client,
  path: string,
  options: { readonly signal: AbortSignal; readonly attributes?: string },
  mayBeThere: boolean,
): Promise<boolean> {
  try {
    await client.createDirectory(path, options);
    return true;
  } catch (error) {
    if (!isCosSliceError(error, 'exists')) throw error;
    const isThere = await client.stat(path, options).then(
      () => true,
      () => false,
    );
    if (!isThere) throw error;
    if (mayBeThere) return false;
    throw new CommandError('exists', 'the directory is there already: -p lets that pass');
  }
}
