import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { lockKey } from '../locker.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { requiredField } from '../protocol/fields.ts';
import { ifFresh } from '../sessions.ts';
import { nothingAt } from './nothing.ts';

/**
 * `delete`: deletes the file at the path and leaves an upload alone that is unfinished there. Where there is no file, the
 * client can only mean the upload. A path that ends in a slash is that of a directory, which must be empty.
 *
 * With `session`, a field of our own, it ends that unfinished upload and touches nothing else, whatever has come to the path
 * since. It succeeds, too, when the upload has ended already.
 *
 * @throws ProtocolError -197 when there is neither file nor upload, -173 for a directory that is not empty
 */
export async function deletePath(exchange: Exchange, { fields }: Form): Promise<undefined> {
  const {
    settings: { store, locker, tally },
    target,
  } = exchange;
  if (exchange.isDirectory) return deleteDirectory(exchange);
  await locker.withLock(lockKey(target), async () => {
    if (fields.has('session')) {
      const session = await store.getSession(requiredField(fields, 'session'));
      if (session && lockKey(session.target) !== lockKey(target)) {
        throw new ProtocolError('badParameter', 'the session is one of another path');
      }
      await session?.discard();
      if (session) tally.ended(target);
    } else if (!(await store.deleteObject(target))) {
      const session = await ifFresh(exchange, await store.findSession(target));
      if (!session) throw await nothingAt(exchange);
      await session.discard();
      tally.ended(target);
    }
  });
}

async function deleteDirectory(exchange: Exchange): Promise<undefined> {
  const {
    settings: { store, locker },
    target,
  } = exchange;
  if (target.path === '') throw new ProtocolError('invalidPath', 'a bucket cannot be deleted');
  const isThere = await locker.withLock(lockKey(target), () => store.directories.delete(target));
  if (!isThere) throw await nothingAt(exchange);
}
