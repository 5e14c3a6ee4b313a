import type { OptionIssue } from '@cos-slice/core';
import { refuseIssues } from '../option-issues.ts';
import { patternIssues } from './filter.ts';
import type { DirectoryOptions } from './types.ts';

const SKIPS: readonly unknown[] = ['unchanged', 'existing', 'same-size', 'same-content', false, undefined];
const FLAGS = ['strict', 'deleteExtra', 'followSymlinks', 'dryRun', 'count'] as const;

/** @throws CosSliceError `invalid-options` with every issue */
export function refuseDirectoryIssues(
  directory: unknown,
  options: DirectoryOptions,
  more: readonly OptionIssue[],
): void {
  const issues: OptionIssue[] = [...more];
  const check = (option: string, right: boolean, message: string): void => {
    if (!right) issues.push({ option, message });
  };
  const isPath = typeof directory === 'string' && directory !== '' && !directory.includes('\0');
  check(
    'directory',
    isPath || (directory instanceof URL && directory.protocol === 'file:'),
    'must be the path of a directory',
  );
  if (typeof options !== 'object' || options === null)
    refuseIssues([{ option: 'options', message: 'must be an object' }]);
  const { include, exclude, skip, onFailure, signal, onProgress, onEntry } = options;
  issues.push(...patternIssues('include', include), ...patternIssues('exclude', exclude));
  const known = SKIPS.includes(skip) || typeof skip === 'function';
  check('skip', known, 'must be unchanged, existing, same-size, same-content, false or a function');
  check('onFailure', [undefined, 'stop', 'continue'].includes(onFailure), 'must be stop or continue');
  for (const name of FLAGS)
    check(name, ['boolean', 'undefined'].includes(typeof options[name]), 'must be true or false');
  check('signal', signal === undefined || typeof signal?.addEventListener === 'function', 'must be an AbortSignal');
  for (const [name, listener] of Object.entries({ onProgress, onEntry })) {
    check(name, listener === undefined || typeof listener === 'function', 'must be a function');
  }
  refuseIssues(issues);
}

/** What is wrong with the path of a directory in the bucket. */
export function directoryIssues(option: string, path: unknown): OptionIssue[] {
  return path === undefined || typeof path === 'string' ? [] : [{ option, message: 'must be text' }];
}

/** `photos/` of `/photos`; the bucket is empty. */
export function toDirectoryPath(path: string): string {
  const text = path.replace(/^\/+/, '').replace(/\/+$/, '');
  return text === '' ? '' : `${text}/`;
}
