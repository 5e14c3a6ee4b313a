import { writeSync } from 'node:fs';
import { type CosSliceError, isCosSliceError } from '@cos-slice/node';
import { toLine } from './text.ts';

/** How the process ends. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Something that went wrong here rather than in an upload. `message` is one line and says what to do. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** A mistake in how the command was called. */
export class UsageError extends CommandError {
  override readonly name = 'UsageError';

  constructor(message: string) {
    super('usage', message, EXIT.usage);
  }
}

/** What is shown of any failure: one line, what to branch on, and the server's own words for it. */
interface Failure {
  readonly code: string;
  readonly message: string;
  readonly exitCode: number;
  readonly wireCode?: number | string;
  readonly httpStatus?: number;
  readonly requestId?: string;
}

function toFailure(error: unknown): Failure {
  if (error instanceof CommandError) return { ...pick(error), message: toLine(error.message) };
  if (isCosSliceError(error)) {
    const { wireCode, httpStatus, requestId } = error;
    return {
      code: error.code,
      message: toLine(describe(error)),
      exitCode: error.code === 'invalid-options' ? EXIT.usage : EXIT.failed,
      ...(wireCode === undefined ? {} : { wireCode }),
      ...(httpStatus === undefined ? {} : { httpStatus }),
      ...(requestId === undefined ? {} : { requestId }),
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'unexpected', message: toLine(message), exitCode: EXIT.failed };
}

/**
 * One line on stderr, one object on stdout when JSON was asked for, and the stack for those who debug.
 *
 * @param facts go into the JSON object
 * @returns the exit code
 */
export function reportFailure(error: unknown, json: boolean, facts: object = {}): number {
  const { exitCode, line, object } = describeFailure(error, facts);
  if (json) process.stdout.write(object);
  process.stderr.write(line);
  for (let at = error; process.env.DEBUG === 'cos-slice' && at instanceof Error; at = at.cause) {
    process.stderr.write(`${at.stack}\n`);
  }
  return exitCode;
}

/**
 * Reports a failure and ends the process, whatever hangs: leaving in order would wait for reads that never come back, as from
 * a mount whose server is gone. To the shell it is interrupted, as by Ctrl-C.
 */
export function endAtOnce(error: unknown, json: boolean, facts: object): never {
  const { line, object } = describeFailure(error, facts);
  for (const [fd, text] of [
    [1, json ? object : ''],
    [2, line],
  ] as const) {
    try {
      writeSync(fd, text);
    } catch {
      // Whoever would have read it is gone, or does not read.
    }
  }
  // Work on other threads, which `exit` would wait for: files, names, hashing.
  const busy = process.getActiveResourcesInfo().some((name) => /Req|Worker|MessagePort/.test(name));
  if (busy && process.platform !== 'win32') {
    process.removeAllListeners('SIGINT');
    process.kill(process.pid, 'SIGINT');
  }
  // The first process of a container is not ended by signals.
  process.exit(EXIT.interrupted);
}

function describeFailure(error: unknown, facts: object): { exitCode: number; line: string; object: string } {
  const { exitCode, ...failure } = toFailure(error);
  return {
    exitCode,
    line: `cos-slice: ${failure.message}\n`,
    object: `${JSON.stringify({ ok: false, ...facts, ...failure })}\n`,
  };
}

function pick({ code, exitCode }: CommandError): Pick<CommandError, 'code' | 'exitCode'> {
  return { code, exitCode };
}

/** How the command line calls what the library calls an option. */
const FLAGS: Readonly<Record<string, string>> = {
  endpoint: '--endpoint',
  appId: '--app-id',
  secretId: '--secret-id',
  secretKey: '--secret-key',
  url: '--sign-url',
  bucket: 'the bucket',
  path: 'the path',
  sliceSize: '--slice-size',
  concurrency: '--concurrency',
  proxy: '--proxy',
  lifetimeSec: '--expires',
};

/** The library's messages speak of options; here they are flags. */
function describe(error: CosSliceError): string {
  if (error.code === 'invalid-options' && error.issues) {
    return error.issues.map(({ option, message }) => `${FLAGS[option] ?? option} ${message}`).join('; ');
  }
  const server = / \(server: .*\)$/s.exec(error.message)?.[0] ?? '';
  if (error.code === 'exists' && error.wireCode !== DIRECTORY_IN_THE_WAY) {
    return `there is an object at this path already: choose another path, or replace it with --overwrite${server}`;
  }
  if (error.code === 'conflict') {
    return `an unfinished upload, of other content as far as is known, is at this path: finish it, choose another path, or discard it with --on-conflict restart${server}`;
  }
  return error.message;
}

const DIRECTORY_IN_THE_WAY = -178;
