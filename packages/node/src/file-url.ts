import { fileURLToPath } from 'node:url';
import { CosSliceError } from '@cos-slice/core';
import type { FilePath } from './regular-file.ts';

/**
 * The path that a `file:` URL names. One whose percent-encoded bytes are not UTF-8 names a file that a text cannot name.
 *
 * @throws CosSliceError `source-unreadable`
 */
export function toPath(url: URL): FilePath {
  const refused = (why: string, cause?: unknown): CosSliceError =>
    new CosSliceError('source-unreadable', `${why}: give a path or a file: URL`, { cause });
  if (url.protocol !== 'file:') throw refused(`a ${url.protocol} URL cannot be uploaded`);
  try {
    return fileURLToPath(url);
  } catch (error) {
    // Windows has names in UTF-16 only.
    if (!(error instanceof URIError) || process.platform === 'win32') throw refused(`${url.href} is no path`, error);
  }
  const bytes = url.pathname.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1');
}
