import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The secret key: made at the first start and kept, so that uploads outlive a restart of the demo.
 *
 * @param {string} dir
 */
export async function readKey(dir) {
  const path = join(dir, '.demo-key');
  const kept = await readFile(path, 'utf8').catch(() => '');
  if (kept.length >= 32) return kept;
  const key = randomBytes(24).toString('base64url');
  await mkdir(dir, { recursive: true });
  await writeFile(path, key, { mode: 0o600 });
  return key;
}
