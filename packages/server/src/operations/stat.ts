import type { Exchange } from '../exchange.ts';
import { describeDirectory, describeObject } from './describe.ts';
import { nothingAt } from './nothing.ts';

/** `stat`: what is known of a file, or of a directory where the path ends in a slash. @throws ProtocolError -197 */
export async function statPath(exchange: Exchange): Promise<object> {
  const { settings, target, isDirectory } = exchange;
  const { store } = settings;
  if (isDirectory) {
    const info = await store.directories.stat(target);
    if (info) return describeDirectory(exchange, target, info);
  } else {
    const info = await store.statObject(target);
    if (info) return describeObject(exchange, target, info);
  }
  throw await nothingAt(exchange);
}
