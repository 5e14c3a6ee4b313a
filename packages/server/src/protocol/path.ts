import { ProtocolError } from './codes.ts';

/** Halves of characters, which JSON can spell, have no UTF-8. */
const FORBIDDEN = /[?*:|\\<>"\p{Cc}\p{Cs}]/u;
const MAX_SEGMENT_BYTES = 255;
const MAX_PATH_BYTES = 1024;
const utf8 = new TextEncoder();

/** Percent-decodes once; undefined when the escapes are broken or do not spell UTF-8. */
export function percentDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Percent-encodes every segment once and keeps the slashes (protocol section 1). */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** Several slashes at the end are as good as one: a client adds its own to the one that its user wrote. */
export function onePathEnd(path: string): string {
  let end = path.length;
  // Step by step: a pattern would begin anew at each of a thousand slashes, and anybody can send them.
  while (path.endsWith('//', end)) end--;
  return path.slice(0, end);
}

/**
 * Checks a decoded path without its leading slash. A trailing slash (a directory) passes and is the caller's matter.
 *
 * @throws ProtocolError -180 for forbidden characters, empty segments, `.` and `..`, and names too long to store
 */
export function checkPath(path: string): void {
  if (FORBIDDEN.test(path)) throw new ProtocolError('invalidPath', 'a name holds a forbidden character');
  if (utf8.encode(path).length > MAX_PATH_BYTES) {
    throw new ProtocolError('invalidPath', `the path exceeds ${MAX_PATH_BYTES} bytes`);
  }
  for (const segment of path.replace(/\/$/, '').split('/')) {
    if (isNoName(segment)) {
      throw new ProtocolError('invalidPath', 'empty, "." and ".." segments are refused');
    }
    if (isLong(segment)) {
      throw new ProtocolError('invalidPath', `a name exceeds ${MAX_SEGMENT_BYTES} bytes`);
    }
  }
}

/** Whether this can be a name in a path. */
export function isName(segment: string): boolean {
  return !isNoName(segment) && !isLong(segment) && !FORBIDDEN.test(segment) && !segment.includes('/');
}

function isNoName(segment: string): boolean {
  return segment === '' || segment === '.' || segment === '..';
}

function isLong(segment: string): boolean {
  return utf8.encode(segment).length > MAX_SEGMENT_BYTES;
}
