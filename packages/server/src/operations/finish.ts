import { createHash } from 'node:crypto';
import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { hexField, integerField, requiredField } from '../protocol/fields.ts';
import { isFinished, sessionOf } from '../sessions.ts';
import type { Session } from '../store/store.ts';

const SHA1_BYTES = 20;
/** Finishing a large file can outlast a client's patience; when it asks again it waits for the same answer. */
const running = new WeakMap<Session, { sha: string | undefined; done: Promise<void> }>();

/** `upload_slice_finish`: turns a complete session into a file. Asked again after success, it succeeds again. */
export async function finishUpload(exchange: Exchange, { fields }: Form): Promise<object> {
  const id = requiredField(fields, 'session');
  const sizeBytes = integerField(fields, 'filesize');
  const sha = hexField(fields, 'sha', SHA1_BYTES);
  const session = await sessionOf(exchange, id);
  if (!session) {
    if (await isFinished(exchange, id)) return exchange.urls;
    throw new ProtocolError('notFound', 'the upload session is gone');
  }
  if (session.sha !== undefined && sha === undefined) throw new ProtocolError('shaMissing');
  if (sizeBytes !== session.sizeBytes) throw new ProtocolError('sizeDiffers');
  if (session.sha !== undefined && sha !== session.sha) {
    throw new ProtocolError('checksumFailed', 'sha is not that of the session');
  }
  await completeUpload(exchange, session, sha);
  return exchange.urls;
}

/**
 * Checks the whole file and puts it in place. A file whose bytes do not match its SHA-1 cannot be repaired, since
 * nobody knows which of its slices is wrong: the session ends, and the upload has to begin anew.
 *
 * @throws ProtocolError -4019 when slices are missing, -4016; StoreError `exists`, `path-conflict`
 */
export async function completeUpload(exchange: Exchange, session: Session, sha: string | undefined): Promise<void> {
  const missing = session.sliceCount - session.storedCount;
  if (missing > 0) throw new ProtocolError('notFinished', `${missing} of ${session.sliceCount} slices are missing`);
  const known = running.get(session);
  if (known && known.sha === sha) return known.done;
  const done = complete(session, sha).finally(() => running.delete(session));
  running.set(session, { sha, done });
  await done.catch(async (error) => {
    // Someone else was faster.
    if (!(await isFinished(exchange, session.id))) throw error;
  });
}

async function complete(session: Session, sha: string | undefined): Promise<void> {
  const isVerified =
    sha === undefined ||
    (sha === session.sha && session.verifiedCount === session.sliceCount && session.sliceCount > 0);
  if (!isVerified && (await hashOf(session)) !== sha) {
    await session.discard();
    throw new ProtocolError('checksumFailed', 'the file does not match its sha');
  }
  await session.complete({ sha, attributes: session.attributes });
}

async function hashOf(session: Session): Promise<string> {
  const hash = createHash('sha1');
  for await (const chunk of session.read()) hash.update(chunk);
  return hash.digest('hex');
}
