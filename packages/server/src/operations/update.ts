import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { lockKey } from '../locker.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { readProperties } from '../protocol/properties.ts';
import { pathOf } from './describe.ts';
import { nothingAt } from './nothing.ts';

/**
 * `update`: changes what is said of a file, or the `biz_attr` of a directory. What is not given stays as it is; headers that are
 * given take the place of all there were.
 *
 * @throws ProtocolError -197, -179, -5999
 */
export async function updatePath(exchange: Exchange, { fields }: Form): Promise<object> {
  const {
    settings: { store, locker },
    target,
    isDirectory,
  } = exchange;
  const change = readProperties(fields);
  if (isDirectory && ('authority' in change || 'headers' in change)) {
    throw new ProtocolError('badParameter', 'a directory has a biz_attr and nothing else to update');
  }
  const isThere = await locker.withLock(lockKey(target), async () => {
    if (!isDirectory) return (await store.describeObject(target, change)) !== undefined;
    if (!('attributes' in change) || target.path === '') return (await store.directories.stat(target)) !== undefined;
    return store.directories.describe(target, change.attributes);
  });
  if (!isThere) throw await nothingAt(exchange);
  return isDirectory ? pathOf(exchange, target) : exchange.urls;
}
