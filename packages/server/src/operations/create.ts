import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { lockKey } from '../locker.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { signerOf } from '../repeats.ts';
import { StoreError } from '../store/store.ts';
import { pathOf } from './describe.ts';

/**
 * `create`: makes a directory, which stays then until it is deleted. One that is there only because something is in it counts
 * as none.
 *
 * @throws ProtocolError -178 when somebody has created it before, or a file is at the path
 */
export async function createDirectory(exchange: Exchange, { fields }: Form): Promise<object> {
  const {
    settings: { store, locker },
    target,
  } = exchange;
  if (target.path === '') throw new ProtocolError('pathConflict', 'the bucket is there');
  const labels = { attributes: fields.get('biz_attr'), signedBy: signerOf(exchange) };
  await locker.withLock(lockKey(target), async () => {
    await store.directories.create(target, labels).catch(async (error) => {
      if (!(error instanceof StoreError) || error.problem !== 'exists') throw error;
      // The reply to the first one may have got lost.
      const there = await store.directories.stat(target);
      const isOwn = there?.signedBy === labels.signedBy && there.attributes === labels.attributes;
      if (!isOwn) throw new ProtocolError('pathConflict', 'the directory is there');
    });
  });
  return { ctime: Math.floor(exchange.nowMs / 1000), ...pathOf(exchange, target) };
}
