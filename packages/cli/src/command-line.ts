import { realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { quoteWord } from './text.ts';

const SECRET = '--secret-key';
/** URLs that may have a user and a password, or a token. */
const MAYBE_SECRET = ['--sign-url', '--proxy'];

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
  return `${finds('node', node) ? 'node' : quoteWord(node)} ${quoteWord(script)}`;
}

/** {@link commandName} of this process. */
export function ownCommand(): string {
  return commandName(process.env, process.argv[1] ?? 'cos-slice', process.execPath);
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** The command as it could be typed again, without what must not end up on screens and in logs. */
export function withoutSecrets(argv: readonly string[], command: string = ownCommand()): string {
  const shown: string[] = [];
  const words = argv.values();
  for (const word of words) {
    if (word === '--') {
      shown.push(word, ...words);
      break;
    }
    const [flag = '', ...rest] = word.split('=');
    if (flag !== SECRET && !MAYBE_SECRET.includes(flag)) {
      shown.push(word);
      continue;
    }
    const value = rest.length > 0 ? rest.join('=') : words.next().value;
    // A password or a token can be part of such a URL.
    if (MAYBE_SECRET.includes(flag) && !/[@?]/.test(String(value))) shown.push(flag, String(value));
  }
  return [command, ...shown.map(quoteWord)].join(' ');
}
