import { CosSliceError, type OptionIssue } from '../../errors.ts';
import type { Target } from '../wire.ts';

/** What an object path must not look like (protocol section 1), and what it must. */
const PATH_RULES: readonly (readonly [wrong: RegExp, must: string])[] = [
  [/(^|\/)\.{0,2}(\/|$)/, 'name an object and not contain the segments . or .. or empty ones'],
  [/[?*:|\\<>"\p{Cc}]/u, 'not contain ? * : | \\ < > " or control characters'],
  [/\p{Cs}/u, 'be well-formed Unicode text'],
];

export function checkTarget({ appId, bucket, path }: Target): OptionIssue[] {
  const issues = pathIssues(path);
  if (!/^(?!\.+$)[\w.-]{1,64}$/.test(bucket)) issues.unshift(issue('bucket', "be a bucket's name", bucket));
  if (!/^[\w-]{1,64}$/.test(appId)) issues.unshift(issue('appId', "be the application's id", appId));
  return issues;
}

/** What is wrong with an object path. */
export function pathIssues(path: string): OptionIssue[] {
  return PATH_RULES.filter(([wrong]) => wrong.test(path)).map(([, must]) => issue('path', must, path));
}

function issue(option: string, must: string, value: string): OptionIssue {
  return { option, message: `must ${must}, got ${JSON.stringify(value).slice(0, 200)}` };
}

/** The endpoint of a region of Tencent COS: `sh`, `gz`, `tj`, `cd`, ... */
export function cosEndpoint(region: string): string {
  if (!/^[a-z0-9-]+$/.test(region)) {
    throw new CosSliceError('invalid-options', `region must be a short name such as 'sh', got ${region}`);
  }
  return `https://${region}.file.myqcloud.com/files/v2`;
}
