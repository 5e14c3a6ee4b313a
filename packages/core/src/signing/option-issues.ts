import { CosSliceError, type OptionIssue } from '../errors.ts';

const DAY_MS = 86_400_000;

/** How long somebody may take for an answer. */
export function timeoutIssues(timeoutMs: unknown = 1): OptionIssue[] {
  const isTime = Number.isInteger(timeoutMs) && (timeoutMs as number) > 0 && (timeoutMs as number) <= DAY_MS;
  return isTime ? [] : [{ option: 'timeoutMs', message: `must be a whole number from 1 to ${DAY_MS}` }];
}

/**
 * @param name of the function that the options are given to
 * @throws CosSliceError `invalid-options` with every issue, when there is one
 */
export function refuseIssues(name: string, issues: readonly OptionIssue[]): void {
  if (issues.length === 0) return;
  const text = issues.map(({ option, message }) => `${option} ${message}`).join('; ');
  throw new CosSliceError('invalid-options', `${name}: ${text}`, { issues });
}
