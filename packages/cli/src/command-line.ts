import { realpathSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import type { Call } from './command.ts';
import { type Flag, type Flags, nameOf } from './flags.ts';
import { quoteWord } from './text.ts';

/**
 * How this command was started, as it can be typed into another terminal: `cos-slice` where a shell finds it, `npx cos-slice`
 * where npm did, else Node with the script.
 *
 * @param script the file that Node was told to run
 */
export function commandName(environment: NodeJS.ProcessEnv, script: string, node: string): string {
  // npm puts folders of its own onto the PATH of what it starts; a terminal does not have them.
  if (environment.npm_command !== undefined || environment.npm_execpath !== undefined) return 'npx cos-slice';
  const folders = (environment.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const finds = (name: string, file: string): boolean => {
    const found = folders.map((folder) => realPath(join(folder, name))).find((path) => path !== undefined);
    return found !== undefined && found === realPath(file);
  };
  if (finds('cos-slice', script)) return 'cos-slice';
  return `${finds(basename(node), node) ? basename(node, '.exe') : quoteWord(node)} ${quoteWord(script)}`;
}

/** {@link commandName} of this process. */
export function ownCommand(): string {
  return commandName(process.env, process.argv[1] ?? 'cos-slice', process.execPath);
}

/**
 * This command with settings that its environment has not: in variables before it or, for Windows, whose shells know no such
 * thing, in flags behind it.
 */
export function withSettings(
  words: string,
  settings: readonly (readonly [flag: Flag, value: string])[],
  platform: NodeJS.Platform = process.platform,
): string {
  const isWindows = platform === 'win32';
  const set = settings.map(([flag, value]) => {
    const name = isWindows ? `${nameOf(flag)} ` : `${flag.variable}=`;
    return name + quoteWord(value, platform);
  });
  return (isWindows ? [ownCommand(), words, ...set] : [...set, ownCommand(), words]).join(' ');
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/**
 * The command as it could be typed again, without what must not end up on screens and in logs.
 *
 * @param flags of the command
 * @returns also the names of the flags that are left out
 */
export function withoutSecrets(
  argv: readonly string[],
  flags: Flags,
  command: string = ownCommand(),
): { readonly typed: string; readonly left: readonly string[] } {
  const secrets = new Map(Object.values(flags).map((flag) => [nameOf(flag), flag.secret]));
  const shown: string[] = [];
  const left: string[] = [];
  const words = argv.values();
  for (const word of words) {
    if (word === '--') {
      shown.push(word, ...words);
      break;
    }
    const [name = '', ...rest] = word.split('=');
    const secret = secrets.get(name);
    if (secret === undefined) {
      shown.push(word);
      continue;
    }
    const value = String(rest.length > 0 ? rest.join('=') : words.next().value);
    // A password or a token can be part of such a URL.
    if (secret === 'in-url' && !/[@?]/.test(value)) shown.push(name, value);
    else left.push(name);
  }
  return { typed: [command, ...shown.map((word) => quoteWord(word))].join(' '), left };
}

/** `to resume, run: cos-slice upload film.mp4 demo/films/`, or with what has to be given once more. */
export function runAgain(what: string, argv: readonly string[], flags: Flags): string {
  const { typed, left } = withoutSecrets(argv, flags);
  const secrets = left.length === 0 ? '' : `, with ${left.join(' and ')} as before`;
  return `${what}, run${secrets}: ${typed}`;
}

/**
 * The same for what was broken off.
 *
 * @param resumable whether what has arrived is remembered: what is not is in the way unless it is given up
 * @param to what it is to do then, and what where nothing is remembered
 */
export function goOn(
  { argv, given }: Pick<Call, 'argv' | 'given'>,
  flags: Flags,
  resumable: boolean,
  to: readonly [resume: string, restart: string] = ['to go on', 'to go on'],
): string {
  const [resume, restart] = to;
  if (resumable && given.resume !== false) return runAgain(resume, argv, flags);
  const forgotten =
    given.resume === false ? '' : 'nothing is remembered (the state folder cannot be written: see XDG_STATE_HOME), ';
  return runAgain(forgotten + restart, restarting(argv, given), flags);
}

/** The command that gives up what an earlier run of it has left behind and does not remember, where it says nothing of its own on that. */
function restarting(argv: readonly string[], { onConflict }: Call['given']): readonly string[] {
  const [command = '', ...words] = argv;
  return onConflict === undefined ? [command, '--on-conflict', 'restart', ...words] : argv;
}
