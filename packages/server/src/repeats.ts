import { createHash } from 'node:crypto';
import type { Exchange } from './exchange.ts';
import { objectToStay } from './sessions.ts';
import { StoreError } from './store/store.ts';

/** Stands for the request's signature, and can be kept: it does not lead back to it. */
export function signerOf({ grant }: Exchange): string {
  return createHash('sha256').update(grant.id).digest('hex').slice(0, 32);
}

/**
 * Whether an object that is in the way is what this request, sent before, has made itself: replies get lost, and clients ask
 * again under the same signature. The content has to be the same, by its SHA-1.
 *
 * @param error what came of asking again
 */
export async function isOwnDoing(
  exchange: Exchange,
  content: { sha?: string | undefined; sizeBytes: number },
  error: unknown,
): Promise<boolean> {
  if (!(error instanceof StoreError) || error.problem !== 'exists' || content.sha === undefined) return false;
  const object = await objectToStay(exchange);
  return (
    object?.sha === content.sha && object.sizeBytes === content.sizeBytes && object.signedBy === signerOf(exchange)
  );
}
