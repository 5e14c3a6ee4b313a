// @ts-check
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startService } from './child.js';

/** @import { Context } from './context.js' */

/**
 * A server with an empty directory for as long as `use` takes.
 *
 * @template T
 * @param {Context} context
 * @param {'cos-slice' | 'tus' | 'plain'} kind
 * @param {(server: import('./child.js').Service) => Promise<T>} use
 */
export async function withServer(context, kind, use) {
  const dir = join(context.dir, `server-${kind}`);
  await mkdir(dir, { recursive: true });
  const server = await startService('servers/main.js', { kind, dir });
  try {
    return await use(server);
  } finally {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
