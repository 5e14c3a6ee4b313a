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

function toFailure(error: unknown, flagNames: FlagNames): Failure {
  if (error instanceof CommandError) return { ...pick(error), message: toLine(error.message) };
  if (isCosSliceError(error)) {
    const { wireCode, httpStatus, requestId } = error;
    return {
      code: error.code,
      message: toLine(describe(error, flagNames)),
      exitCode: error.code === 'invalid-options' ? EXIT.usage : EXIT.failed,
      ...(wireCode === undefined ? {} : { wireCode }),
      ...(httpStatus === undefined ? {} : { httpStatus }),
      ...(requestId === undefined ? {} : { requestId }),
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'unexpected', message: toLine(message), exitCode: EXIT.failed };
}

/** Any failure in one line. */
export function tellFailure(error: unknown, flagNames: FlagNames = {}): string {
  return toFailure(error, flagNames).message;
}

export interface ReportOptions {
  readonly json: boolean;
  readonly facts?: FailureFacts;
  /** What it happened to, where there is more than one. */
  readonly subject?: string;
  /** Writes the line, where it is not to go to stderr as it is. */
  tell?(line: string): void;
  /** The command's flags, by the names that the library's options have: its messages speak of options. */
  readonly flagNames?: FlagNames;
}

/** What is known of a failure besides the error, for its JSON object. */
export interface FailureFacts {
  /** BUCKET/PATH */
  path?: string;
  /** On this machine. */
  file?: string;
  /** How to go on, where the error does not know it. */
  advice?: string;
}

export type FlagNames = Readonly<Record<string, string>>;

/**
 * One line on stderr, one object on stdout when JSON was asked for, and the stack for those who debug.
 *
 * @returns the exit code
 */
export function reportFailure(error: unknown, options: ReportOptions): number {
  const { json, facts = {}, flagNames = {}, subject, tell } = options;
  const { exitCode, line, object } = describeFailure(error, facts, flagNames, subject);
  if (json) process.stdout.write(object);
  if (tell) tell(line);
  else process.stderr.write(line);
  for (let at = error; process.env.DEBUG === 'cos-slice' && at instanceof Error; at = at.cause) {
    process.stderr.write(`${at.stack}\n`);
  }
  return exitCode;
}

/**
 * Reports a failure and ends the process, whatever hangs: leaving in order would wait for reads that never come back, as from
 * a mount whose server is gone. To the shell it is interrupted, as by Ctrl-C.
 */
export function endAtOnce(error: CommandError, json: boolean, facts: FailureFacts): never {
  const { line, object } = describeFailure(error, facts, {});
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
  leave(EXIT.interrupted);
}

/** Ends the process, whatever hangs. The first process of a container is not ended by signals: it can only exit. */
export function leave(exitCode: number): never {
  endIfBusy();
  process.exit(exitCode);
}

/** Ends the process, to the shell as by Ctrl-C, where something is under way that leaving in order would wait for. */
export function endIfBusy(): void {
  // Work on other threads, which `exit` would wait for: files, names, hashing.
  const busy = process.getActiveResourcesInfo().some((name) => /Req|Worker|MessagePort/.test(name));
  if (busy && process.platform !== 'win32') {
    process.removeAllListeners('SIGINT');
    process.kill(process.pid, 'SIGINT');
  }
}

function describeFailure(
  error: unknown,
  facts: FailureFacts,
  flagNames: FlagNames,
  subject?: string,
): { readonly exitCode: number; readonly line: string; readonly object: string } {
  const { exitCode, ...failure } = toFailure(error, flagNames);
  return {
    exitCode,
    line: `cos-slice: ${subject === undefined ? '' : `${toLine(subject)}: `}${[failure.message, ...(facts.advice === undefined ? [] : [facts.advice])].join('; ')}\n`,
    object: `${JSON.stringify({ ok: false, ...facts, ...failure })}\n`,
  };
}

function pick({ code, exitCode }: CommandError): Pick<CommandError, 'code' | 'exitCode'> {
  return { code, exitCode };
}

/** What the command line has as an operand. */
const OPERANDS: Readonly<Record<string, string>> = {
  bucket: 'the bucket',
  path: 'the path',
  from: 'what is to be moved or copied',
  to: 'the target',
};

/** What can be done about an object at the path, by the flag that does it. */
const IN_THE_WAY: Readonly<Record<string, string>> = {
  overwrite: 'replace it with',
  skipExisting: 'leave it with',
  rename: 'keep both with',
};

/** The library's messages speak of options; here they are flags. */
function describe(error: CosSliceError, flagNames: FlagNames): string {
  const [, message = '', server = ''] = /^(.*?)( \(server: .*\))?$/s.exec(error.message) ?? [];
  if (error.code === 'invalid-options' && error.issues) {
    return error.issues
      .map(({ option: full, message }) => {
        // A bucket's server is told by flags and the bucket's address.
        const option = full.replace(/^wire\./, '');
        return `${OPERANDS[option] ?? flagNames[option] ?? option} ${message}`;
      })
      .join('; ');
  }
  if (error.code === 'exists' && error.httpStatus !== undefined && error.wireCode !== DIRECTORY_IN_THE_WAY) {
    const ways = Object.entries(IN_THE_WAY).flatMap(([flag, what]) =>
      flagNames[flag] ? `${what} ${flagNames[flag]}` : [],
    );
    return `there is an object at this path already: ${['choose another path', ways.join(', ')].filter(Boolean).join(', or ')}${server}`;
  }
  if (error.code === 'conflict') {
    return `an unfinished upload, of other content as far as is known, is at this path: finish it, choose another path, or discard it with --on-conflict restart${server}`;
  }
  if (error.code === 'not-found' && !message.includes(': ')) {
    return `${message}: cos-slice ls shows what there is${server}`;
  }
  // Options whose names are no English words. What has no flag follows the one that it is named with.
  const told = message
    .replace(/ and singleRequestMax\b/, '')
    .replace(/\bturn overwrite on\b/, 'replace it with --overwrite')
    .replace(/\b[a-z]+[A-Z]\w*/g, (word) => flagNames[word] ?? word);
  return `${told}${server}`;
}

const DIRECTORY_IN_THE_WAY = -178;
