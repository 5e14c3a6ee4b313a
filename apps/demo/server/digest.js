import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { refusal, sendJson } from './json.js';

/**
 * The SHA-1 of a file as it lies on disk, computed by nobody who had a part in the upload.
 *
 * @param {import('node:http').ServerResponse} res
 * @param {string} dir
 * @param {string} path
 */
export async function sendDigest(res, dir, path) {
  const segments = path.split('/');
  if (segments.some((one) => one === '' || one === '.' || one === '..') || /[\\\0]/.test(path)) {
    throw refusal(400, 'not the path of a file');
  }
  const hash = createHash('sha1');
  const file = createReadStream(join(dir, ...segments));
  try {
    await pipeline(file, hash);
  } catch (error) {
    throw /** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT'
      ? refusal(404, 'there is no such file')
      : error;
  }
  sendJson(res, 200, { sha1: hash.digest('hex'), sizeBytes: file.bytesRead });
}
