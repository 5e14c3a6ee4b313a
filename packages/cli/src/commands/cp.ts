import { copyDirectory } from '@cos-slice/node';
import { runBatch } from '../batch.ts';
import { CLIENT, JSON_ONE, readClientOptions } from '../clients.ts';
import type { Command } from '../command.ts';
import { DIRECTORY, readDirectoryOptions } from '../directory-flags.ts';
import { UsageError } from '../failure.ts';
import { type Flags, flagNames, nameOf, readFlags, switchFlag } from '../flags.ts';
import { showPlace } from '../place.ts';
import { createTransferCommand } from '../transfer.ts';
import { list } from '../units.ts';
import { QUIET } from '../upload-flags.ts';

const RECURSIVE = { recursive: switchFlag('-r, --recursive', 'a directory, with all that is in it') } satisfies Flags;
const { followSymlinks: _thereAreNone, ...DIRECTORIES } = DIRECTORY;
/** They say something of many files. */
const OF_MANY = {
  skipExisting: switchFlag('--skip-existing', 'with -r: leave alone what is there'),
  ...DIRECTORIES,
  quiet: QUIET,
} satisfies Flags;
const OWN = { ...RECURSIVE, ...OF_MANY };

export const cp: Command = createTransferCommand({
  name: 'cp',
  summary: 'copy a file or a directory in its bucket',
  description:
    'Copies a file, with its attributes and headers, or with -r a directory, to another path in its bucket. Nothing is downloaded.',
  notes: [
    'What the target is in is created. A file never replaces a directory.',
    'With -r a target is brought up to date, file by file: what is there, of the same size and not older, is left alone, what differs is replaced, and nothing is deleted without --delete. Run the same command again to go on after an interruption or a failure.',
    'With --json: {"ok":true, "path", "from"} or {"ok":false, "code", "message", "path", ...}; with -r a line for each file, with "event", and one at the end, {"ok", "event":"end", "path", "files", "bytes", "skipped", "deleted", "problems", "failed", "durationMs", ...}',
  ],
  examples: [
    'cos-slice cp films/film.mp4 films/backup/film.mp4',
    'cos-slice cp films/film.mp4 films/backup/         # films/backup/film.mp4',
    'cos-slice cp films/film.mp4 films/latest.mp4 --overwrite',
    'cos-slice cp -r films/2024 films/backup/          # films/backup/2024/',
  ],
  flags: OWN,
  directories: false,
  past: 'copied to',
  run: (client, from, to, options) => client.copy(from, to, options),
  runEach({ given }, bucket, { from, to }, signal) {
    const { recursive, skipExisting, dryRun, verbose, quiet, json } = readFlags({ ...OWN, json: JSON_ONE }, given);
    if (!recursive) {
      const alone = Object.entries(OF_MANY).filter(([name]) => given[name] !== undefined);
      if (alone.length === 0) return undefined;
      throw new UsageError(`give ${list(alone.map(([, flag]) => nameOf(flag)))} only with --recursive`);
    }
    const options = readDirectoryOptions(given, skipExisting);
    const place = readClientOptions(given, bucket);
    const job = {
      fileOf: (at: string) => showPlace({ bucket, path: `${from}${at}` }),
      placeOf: (at: string) => showPlace({ bucket, path: `${to}${at}` }),
      start: (more: object) => copyDirectory(place, place, { ...options, ...more, from, to }),
    };
    const target = showPlace({ bucket, path: to });
    const names = flagNames({ ...OWN, ...CLIENT });
    return runBatch({ jobs: [job], direction: 'copy', target, dryRun, verbose, quiet, json, flagNames: names, signal });
  },
});
