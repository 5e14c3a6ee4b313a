import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../packages/cli/dist/index.js', import.meta.url));

/** The account that a served folder and an upload share. */
export const ACCOUNT_FLAGS = ['--app-id', '10055004', '--secret-id', 'ID', '--secret-key', 'KEY'];

export interface Running {
  readonly process: ChildProcess;
  /** Everything printed so far. */
  readonly stdout: string;
  readonly stderr: string;
  /** @returns exit code, or the signal's name */
  readonly ended: Promise<number | string>;
  /** Waits until stdout matches. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
}

/**
 * Runs the built `cos-slice` as a process of its own, its state in `folder`.
 *
 * @param preload a module that it runs first, and that may talk with this process
 */
export function command(
  args: readonly string[],
  folder: string,
  env: Record<string, string> = {},
  preload?: string,
): Running {
  const child = spawn(process.execPath, [...(preload ? ['--import', preload] : []), CLI, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', ...(preload ? (['ipc'] as const) : [])],
    env: { ...process.env, XDG_STATE_HOME: join(folder, 'state'), ...env },
  });
  const printing = child.stdout as Readable;
  let stdout = '';
  let stderr = '';
  printing.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, 'close').then(([code, signal]) => (code === null ? signal : code));
  return {
    process: child,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    ended,
    async printed(pattern) {
      for (;;) {
        const match = pattern.exec(stdout);
        if (match) return match;
        if ((child.exitCode ?? child.signalCode) !== null)
          throw new Error(`ended without printing ${pattern}: ${stderr}`);
        await Promise.race([once(printing, 'data'), ended]);
      }
    },
  };
}

/** `cos-slice serve` on a folder. */
export async function serve(
  root: string,
  folder: string,
  port = 0,
  more: readonly string[] = [],
  env: Record<string, string> = {},
  preload?: string,
): Promise<Running & { readonly endpoint: string; readonly port: number }> {
  const running = command(
    ['serve', '--root', root, '--port', String(port), '--bucket', 'demobucket', ...ACCOUNT_FLAGS, ...more],
    folder,
    env,
    preload,
  );
  const [, endpoint = ''] = await running.printed(/^ready (\S+)/m);
  return Object.assign(running, { endpoint, port: Number(new URL(endpoint).port) });
}

/** `cos-slice upload ... --json` to a server on that port. */
export function upload(
  file: string,
  path: string,
  port: number,
  folder: string,
  more: readonly string[] = [],
): Running {
  const endpoint = `http://127.0.0.1:${port}/files/v2`;
  const args = ['upload', file, `demobucket/${path}`, '--endpoint', endpoint, ...ACCOUNT_FLAGS, '--json', ...more];
  return command(args, folder);
}
