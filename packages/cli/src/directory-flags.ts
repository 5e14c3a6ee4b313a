import type { DirectoryOptions, Skip } from '@cos-slice/node';
import type { Call } from './command.ts';
import { UsageError } from './failure.ts';
import { choiceFlag, type Flag, nameOf, readFlags, switchFlag, textsFlag } from './flags.ts';
import { list } from './units.ts';

type Compare = 'time' | 'size' | 'content' | 'none';

/** How a directory is transferred, in either direction. */
export const DIRECTORY: {
  readonly include: Flag<readonly string[]>;
  readonly exclude: Flag<readonly string[]>;
  readonly compare: Flag<Compare | undefined>;
  readonly deleteExtra: Flag<boolean>;
  readonly followSymlinks: Flag<boolean>;
  readonly strict: Flag<boolean>;
  readonly keepGoing: Flag<boolean>;
  readonly dryRun: Flag<boolean>;
  readonly verbose: Flag<boolean>;
} = {
  include: textsFlag(
    '--include <PATTERN>',
    'of a directory only files like *.jpg, photos/ or /2024/**; repeat for more',
  ),
  exclude: textsFlag(
    '--exclude <PATTERN>',
    'of a directory no files, and nothing below directories, like that; repeat for more',
  ),
  compare: choiceFlag(
    '--compare <HOW>',
    'when a file of a directory counts as there already: same size and not changed since, same size, same SHA-1, or never',
    ['time', 'size', 'content', 'none'],
    'time',
  ),
  deleteExtra: switchFlag('--delete', 'at the end, delete at the target what the directory does not have'),
  followSymlinks: switchFlag('--follow-symlinks', 'follow symbolic links instead of leaving them out'),
  strict: switchFlag('--strict', 'what has to be left out (links, sockets, names) is a failure'),
  keepGoing: switchFlag('-k, --keep-going', 'go on with the others when a file fails'),
  dryRun: switchFlag('-n, --dry-run', 'only say what would be done'),
  verbose: switchFlag('-v, --verbose', 'print a line for each file'),
};

/** Flags that say something of directories only. */
const ONLY_OF_DIRECTORIES = ['include', 'exclude', 'compare', 'deleteExtra', 'followSymlinks', 'strict'] as const;

/** @throws UsageError */
export function refuseDirectoryFlags(given: Call['given']): void {
  const found = ONLY_OF_DIRECTORIES.filter((name) => given[name] !== undefined);
  if (found.length === 0) return;
  const names = found.map((name) => nameOf(DIRECTORY[name]));
  throw new UsageError(`${list(names)} ${names.length > 1 ? 'are' : 'is'} for directories, and there is none`);
}

/** What flags say: they name how files are compared, and are no functions. */
export interface FlaggedOptions extends DirectoryOptions {
  readonly skip: Exclude<Skip, (...given: never[]) => unknown>;
}

const SKIPS: Readonly<Record<Compare, FlaggedOptions['skip']>> = {
  time: 'unchanged',
  size: 'same-size',
  content: 'same-content',
  none: false,
};

/** @param skipExisting whatever is there stays as it is. @throws UsageError */
export function readDirectoryOptions(given: Call['given'], skipExisting: boolean): FlaggedOptions {
  const { include, exclude, compare, keepGoing, verbose: _shown, ...flags } = readFlags(DIRECTORY, given);
  if (skipExisting && compare !== undefined) throw new UsageError('--skip-existing and --compare exclude each other');
  return {
    ...flags,
    ...(include.length > 0 && { include }),
    ...(exclude.length > 0 && { exclude }),
    skip: skipExisting ? 'existing' : SKIPS[compare ?? 'time'],
    onFailure: keepGoing ? 'continue' : 'stop',
  };
}
