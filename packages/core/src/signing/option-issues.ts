import { CosSliceError, type OptionIssue } from '../errors.ts';

/** How long somebody may take for an answer. */
export function timeoutIssues(timeoutMs: unknown): OptionIssue[] {
  const isTime = timeoutMs === undefined || (typeof timeoutMs === 'number' && timeoutMs > 0);
  return isTime ? [] : [{ option: 'timeoutMs', message: 'must be a number above 0' }];
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
