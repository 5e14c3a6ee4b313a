import { CosSliceError, type OptionIssue } from '@cos-slice/core';

/** @throws CosSliceError `invalid-options` */
export function refuseIssues(issues: readonly OptionIssue[]): void {
  if (issues.length === 0) return;
  const text = issues.map(({ option, message }) => `${option} ${message}`).join('; ');
  throw new CosSliceError('invalid-options', `invalid options: ${text}`, { issues });
}
