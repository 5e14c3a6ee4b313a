import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const CLI: string = fileURLToPath(new URL('../../bin/cos-slice.js', import.meta.url));
if (!existsSync(new URL('../../dist/index.js', import.meta.url)))
  throw new Error('these tests run the built command line: npm run build');

export interface Ended {
  readonly code: number | null;
  /** What ended it, when it did not end by itself. */
  readonly signal?: NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What has come so far. */
  output(): { readonly stdout: string; readonly stderr: string };
  /** Resolves when `stdout` holds what is looked for. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
}

export interface Surroundings {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Starts the built command line as a process that knows nothing of this machine's settings. */
export function startCli(args: readonly string[], surroundings: Surroundings = {}): Running {
  return startProcess(process.execPath, [CLI, ...args], surroundings);
}

/** script(1) of util-linux gives a command a terminal of its own. */
const SCRIPT = 'script -qec "$COMMAND" /dev/null';

export const hasTerminal: boolean =
  spawnSync('sh', ['-c', SCRIPT], { env: { ...process.env, COMMAND: 'true' } }).status === 0;

/** Starts a shell command on a terminal; what it writes, to stdout or stderr, comes as `stdout`. */
export function startOnTerminal(command: string, { env, cwd }: Surroundings = {}): Running {
  return startProcess('sh', ['-c', `exec ${SCRIPT}`], { env: { ...env, COMMAND: command }, ...(cwd && { cwd }) });
}

function startProcess(command: string, args: readonly string[], { env, cwd }: Surroundings = {}): Running {
  const { PATH = '' } = process.env;
  const child = spawn(command, args, { env: { PATH, ...env }, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  child.stdin.on('error', () => {});
  const ended = once(child, 'close').then(([code, signal]) => ({ code, ...(signal && { signal }), stdout, stderr }));
  return {
    child,
    ended,
    output: () => ({ stdout, stderr }),
    async says(pattern) {
      for (;;) {
        const found = pattern.exec(stdout);
        if (found) return found;
        if ((child.exitCode ?? child.signalCode) !== null)
          throw new Error(`ended without saying ${pattern}: ${stdout}${stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
}

export function runCli(args: readonly string[], surroundings: Surroundings = {}): Promise<Ended> {
  return startCli(args, surroundings).ended;
}

/** Runs a line of a shell. */
export function runShell(script: string, surroundings: Surroundings = {}): Promise<Ended> {
  return startProcess('sh', ['-c', script], surroundings).ended;
}

/** Without the lines that tell every few seconds how far an upload is: machines that have much else to do see some. */
export function withoutProgress({ stderr, ...ended }: Ended): Ended {
  return { ...ended, stderr: stderr.replace(/^.* {2}[\w, ]+ \d+% {2}.*\n/gm, '') };
}
