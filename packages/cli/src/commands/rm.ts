import { type Client, type Entry, isCosSliceError } from '@cos-slice/node';
import { ask, canAsk } from '../ask.ts';
import { CLIENT, find, JSON_LINES, readClients } from '../clients.ts';
import type { Command } from '../command.ts';
import { runAgain } from '../command-line.ts';
import { forEach, isOfOne } from '../each.ts';
import { CommandError, EXIT, reportFailure, UsageError } from '../failure.ts';
import { type Flags, flagNames, readFlags, switchFlag, type Values } from '../flags.ts';
import { interruptible } from '../interrupt.ts';
import { showLive } from '../live-view.ts';
import { isDirectory, type Place, parsePlace, showPlace } from '../place.ts';
import { print, printJson } from '../print.ts';
import { type Removed, removeAll } from '../remove.ts';
import { NETWORK_VARIABLES } from '../settings.ts';
import { toName } from '../text.ts';
import { checkAll, count } from '../units.ts';

const OWN = {
  recursive: switchFlag('-r, --recursive', 'directories with all that is in them; asks first'),
  force: switchFlag('-f, --force', 'do not ask, and what is not there is no error'),
  dryRun: switchFlag('-n, --dry-run', 'only say what would be removed'),
  quiet: switchFlag('--quiet', 'no progress'),
  json: JSON_LINES,
} as const satisfies Flags;

const FLAGS = { ...OWN, ...CLIENT };

export const rm: Command = {
  name: 'rm',
  summary: 'remove files and directories',
  description:
    'Removes files, empty directories, and with -r directories with all that is in them. It cannot be undone.',
  operands: [
    {
      usage: '<BUCKET/PATH...>',
      doc: 'a file; an empty directory, with a slash at its end; with -r any directory, or BUCKET/ for all in a bucket',
    },
  ],
  flags: FLAGS,
  notes: [
    '-r asks on a terminal. Where nobody can be asked it wants -f.',
    'With --json: {"ok":true, "path", "files", "directories"} with what was removed, or {"ok":false, "code", "message", "path", ...}, for each.',
  ],
  examples: [
    'cos-slice rm films/2024/draft.mp4',
    'cos-slice rm -r films/2024/drafts',
    'cos-slice rm -r -n films/2024/drafts    # what would go',
    'cos-slice rm -r -f films/tmp --json',
  ],
  variables: NETWORK_VARIABLES,
  run({ operands, given, argv, facts }) {
    const removed: Removed = { files: 0, directories: 0, failed: 0 };
    const say = (): string =>
      `interrupted${removed.files + removed.directories > 0 ? `, ${told(removed)} removed` : ''}; ${runAgain('to go on', argv, FLAGS)}`;
    if (operands.length === 1) facts.path = operands[0] ?? '';
    return interruptible({ given, facts }, { say }, async (signal) => {
      const [places, clients, flags] = checkAll(
        () => checkAll(...operands.map((one) => () => parsePlace(one))),
        () => readClients(given, operands),
        () => readFlags(OWN, given),
      );
      const { recursive, force, dryRun, json } = flags;
      const bare = places.find(({ path }) => path === '');
      if (bare && !recursive)
        throw new UsageError(`'${bare.bucket}' is a bucket: give BUCKET/PATH, or -r for all in it`);
      if (recursive && !force && !dryRun && !canAsk()) {
        throw new UsageError('rm -r asks, and there is no terminal to ask on: give -f to remove without being asked');
      }
      const exitCode = await forEach(places, { given, flags: FLAGS, nameOf: showPlace }, async (place) => {
        const before = { ...removed };
        await removePlace(clients(place.bucket), place, { flags, removed, signal });
        const [files, directories] = [removed.files - before.files, removed.directories - before.directories];
        if (json)
          await printJson({
            ok: removed.failed === before.failed,
            path: showPlace(place),
            files,
            directories,
            ...(dryRun && { dryRun }),
          });
        else if (recursive)
          await print(
            `${toName(showPlace(place))}: ${told({ files, directories })} ${dryRun ? 'would be removed' : 'removed'}`,
          );
        else await print(`${toName(showPlace(place))} ${dryRun ? 'would be removed' : 'removed'}`);
      });
      return removed.failed > 0 ? Math.max(exitCode, EXIT.failed) : exitCode;
    });
  },
};

interface Removing {
  readonly flags: Values<typeof OWN>;
  readonly removed: Removed;
  readonly signal: AbortSignal;
}

async function removePlace(client: Client, place: Place, removing: Removing): Promise<void> {
  const { flags, removed, signal } = removing;
  try {
    const entry = place.path === '' ? BUCKET : await find(client, place.path, signal);
    if (entry.kind === 'directory' && flags.recursive) return await removeDirectory(client, place, entry, removing);
    if (entry.kind === 'directory' && !isDirectory(place.path)) {
      const how = 'end it with a slash when it is empty, or give -r to remove it with all that is in it';
      throw new CommandError('wrong-kind', `${showPlace(place)} is a directory: ${how}`);
    }
    if (!flags.dryRun) await client.remove(entry.path, { signal });
    removed[entry.kind === 'file' ? 'files' : 'directories'] += 1;
  } catch (error) {
    if (isCosSliceError(error, 'not-empty')) {
      throw new CommandError('not-empty', 'the directory is not empty: -r removes it with all that is in it');
    }
    if (!flags.force || !isCosSliceError(error, 'not-found')) throw error;
  }
}

const BUCKET: Entry = { kind: 'directory', path: '', name: '', attributes: '' };

async function removeDirectory(client: Client, { bucket }: Place, directory: Entry, removing: Removing): Promise<void> {
  const { removed, signal, flags } = removing;
  const { force, dryRun, json, quiet } = flags;
  const name = showPlace({ bucket, path: directory.path });
  if (!force && !dryRun) {
    const { entries, context } = await client.listPage(directory.path, { signal });
    const inside =
      context === undefined ? count(entries.length, 'entry', 'entries') : `more than ${entries.length} entries`;
    const below = entries.some(({ kind }) => kind === 'directory') ? ', and what is below' : '';
    const question = `remove ${toName(name)} with all that is in it (${inside}${below})?`;
    if (!(await ask(question, signal))) throw new CommandError('declined', `${name} is left as it is`);
  }
  const shown = {
    lines: () => [`${told(removed)} ${dryRun ? 'found' : 'removed'}`],
    line: () => `${told(removed)} ${dryRun ? 'found' : 'removed'}`,
  };
  // What is printed meanwhile would be in its way.
  const view = quiet || dryRun ? undefined : showLive(process.stderr, shown, process.env);
  try {
    await removeAll(client, directory, {
      signal,
      dryRun,
      removed,
      async onRemove(entry) {
        if (dryRun && !json) await print(toName(showPlace({ bucket, path: entry.path })));
      },
      onFailure(entry, error) {
        if (!isOfOne(error)) throw error;
        const path = showPlace({ bucket, path: entry.path });
        reportFailure(error, { json, facts: { path }, flagNames: flagNames(FLAGS), subject: path });
      },
    });
  } finally {
    view?.end();
  }
}

function told({ files, directories }: Pick<Removed, 'files' | 'directories'>): string {
  return `${count(files, 'file')} and ${count(directories, 'directory', 'directories')}`;
}
