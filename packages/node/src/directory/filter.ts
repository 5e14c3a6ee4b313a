import type { OptionIssue } from '@cos-slice/core';

/** Which entries of a directory take part. Paths are from its top, with `/`; a directory's ends in one. */
export interface Filter {
  /** Whether a file is wanted. */
  file(path: string): boolean;
  /** Whether anything in a directory may be wanted. */
  directory(path: string): boolean;
}

/**
 * Patterns as shells and `.gitignore` have them: `*` and `?` within a name, `**` across names, `[abc]`, `{a,b}`. One without a
 * slash is about names wherever they are (`*.tmp`); one with a slash is about paths from the top (`/build`, `src/*.ts`); one
 * that ends in a slash is about directories only. What excludes a directory excludes all that is in it.
 *
 * @param include only files that match one of these; undefined or none: all
 * @param exclude none that match one of these
 */
export function createFilter(include: readonly string[] = [], exclude: readonly string[] = []): Filter {
  const wanted = include.map(toPattern);
  const unwanted = exclude.map(toPattern);
  const isExcluded = (path: string): boolean => unwanted.some((pattern) => pattern(path));
  // What includes a directory includes all that is in it.
  const isIncluded = (path: string): boolean =>
    wanted.length === 0 || ancestorsOf(path).some((one) => wanted.some((pattern) => pattern(one)));
  return {
    file: (path) => !isExcluded(path) && isIncluded(path),
    directory: (path) => !isExcluded(path),
  };
}

/** `a/`, `a/b/` and `a/b/c` of `a/b/c`. */
function ancestorsOf(path: string): string[] {
  const found: string[] = [];
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) found.push(path.slice(0, at + 1));
  if (!path.endsWith('/')) found.push(path);
  return found;
}

function toPattern(text: string): (path: string) => boolean {
  const directoriesOnly = text.endsWith('/');
  const body = text.replace(/\/$/, '');
  const anchored = body.includes('/');
  const expression = new RegExp(`^${anchored ? '' : '(?:.*/)?'}${toExpression(body.replace(/^\.?\//, ''))}$`, 'su');
  return (path) => {
    if (directoriesOnly && !path.endsWith('/')) return false;
    return expression.test(path.replace(/\/$/, ''));
  };
}

/** @throws SyntaxError for a set or a choice that does not end */
function toExpression(glob: string): string {
  let out = '';
  let depth = 0;
  for (let at = 0; at < glob.length; at += 1) {
    const char = glob[at] ?? '';
    const rest = glob.slice(at);
    if (rest.startsWith('**/')) {
      out += '(?:.*/)?';
      at += 2;
    } else if (rest.startsWith('**')) {
      out += '.*';
      at += 1;
    } else if (char === '*') out += '[^/]*';
    else if (char === '?') out += '[^/]';
    else if (char === '[') {
      const [all, not, set] = /^\[([!^]?)(\]?[^\]]*)\]/.exec(rest) ?? [];
      if (all === undefined || !set) throw new SyntaxError(`${glob} has a [ without its ]`);
      out += `[${not ? '^' : ''}${set.replace(/[\\\]^[&|~]/g, '\\$&')}]`;
      at += all.length - 1;
    } else if (char === '{') {
      depth += 1;
      out += '(?:';
    } else if (char === '}' && depth > 0) {
      depth -= 1;
      out += ')';
    } else if (char === ',' && depth > 0) out += '|';
    else if (char === '\\' && at + 1 < glob.length) {
      at += 1;
      out += literal(glob[at] ?? '');
    } else out += literal(char);
  }
  if (depth > 0) throw new SyntaxError(`${glob} has a { without its }`);
  return out;
}

function literal(char: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char;
}

/** What is wrong with patterns. */
export function patternIssues(option: string, patterns: unknown): OptionIssue[] {
  if (patterns === undefined) return [];
  if (!Array.isArray(patterns) || patterns.some((one) => typeof one !== 'string' || one === '')) {
    return [{ option, message: 'must be a list of patterns, such as *.jpg' }];
  }
  try {
    createFilter(patterns);
    return [];
  } catch (error) {
    return [{ option, message: `cannot be understood: ${(error as Error).message.slice(0, 200)}` }];
  }
}
