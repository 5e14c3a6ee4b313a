import type { Exchange } from '../exchange.ts';
import { ProtocolError } from '../protocol/codes.ts';

/** That there is nothing at the path; when it is a directory that was taken for a file, or the reverse, it says so. */
export async function nothingAt({ settings: { store }, target, isDirectory }: Exchange): Promise<ProtocolError> {
  if (isDirectory) {
    const isFile = target.path !== '' && (await store.statObject(target)) !== undefined;
    return new ProtocolError('notFound', isFile ? 'a file is there: its path has no slash at its end' : undefined);
  }
  const directory = await store.directories.stat(target);
  return new ProtocolError('notFound', directory ? 'a directory is there: its path ends in a slash' : undefined);
}
