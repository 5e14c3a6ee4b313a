import { isCosSliceError } from '@cos-slice/node';

/** How the process ends. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** A mistake in how the command was called. `message` is one line and says what to do. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'usage';
}

/** What is shown of any failure: one line, and what to branch on. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly exitCode: number;
}

export function toFailure(error: unknown): Failure {
  if (error instanceof UsageError) return { code: error.code, message: oneLine(error.message), exitCode: EXIT.usage };
  if (isCosSliceError(error)) {
    const exitCode = error.code === 'invalid-options' ? EXIT.usage : EXIT.failed;
    return { code: error.code, message: oneLine(error.message), exitCode };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'unexpected', message: oneLine(message), exitCode: EXIT.failed };
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim();
}
