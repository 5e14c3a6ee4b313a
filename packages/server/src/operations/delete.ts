import type { Exchange } from '../exchange.ts';
import { ProtocolError } from '../protocol/codes.ts';

/**
 * `delete`: drops the unfinished upload at the path if there is one, and then leaves a finished file alone, since the
 * client gives up what it was just sending. Otherwise deletes the file.
 *
 * @throws ProtocolError -197 when there is neither
 */
export async function deleteFile({ settings: { store }, target }: Exchange): Promise<undefined> {
  const session = await store.findSession(target);
  if (session) await session.discard();
  else if (!(await store.deleteObject(target))) throw new ProtocolError('notFound');
}
