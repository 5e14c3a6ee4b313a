import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { lockKey } from '../locker.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { hexField, integerField, requiredField } from '../protocol/fields.ts';
import { isFinished, sessionOf, unlessGone } from '../sessions.ts';
import { type Session, StoreError } from '../store/store.ts';

const SHA1_BYTES = 20;

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
  if (session.sha === undefined && sha !== undefined && exchange.settings.store.limits.checksLateSha === false) {
    throw new ProtocolError('badParameter', 'sha must come with init already: what is unfinished cannot be read here');
  }
  await completeUpload(exchange, session, sha);
  return exchange.urls;
}

/**
 * Checks the whole file and puts it in place. A file whose bytes do not match its SHA-1 cannot be repaired, since
 * nobody knows which of its slices is wrong: the session ends, and the upload has to begin anew.
 *
 * Finishing a large file can outlast a client's patience; when it asks again, it waits here for its turn and finds the file.
 *
 * @throws ProtocolError -4019 when slices are missing, -4016, -197; StoreError `exists`, `path-conflict`
 */
export async function completeUpload(exchange: Exchange, session: Session, sha: string | undefined): Promise<void> {
  await exchange.settings.locker.withLock(lockKey(session.target), async () => {
    try {
      await session.complete({ sha });
      exchange.settings.tally.ended(session.target);
    } catch (error) {
      // Someone else was faster.
      if (await isFinished(exchange, session.id)) return;
      if (!(error instanceof StoreError)) throw error;
      if (error.problem === 'incomplete') throw new ProtocolError('notFinished', await describeMissing(session));
      if (error.problem !== 'mismatch') throw error;
      await session.discard();
      exchange.settings.tally.ended(session.target);
      throw new ProtocolError('checksumFailed', 'the file does not match its sha');
    }
  });
}

async function describeMissing(session: Session): Promise<string> {
  const snapshot = await unlessGone(session.snapshot());
  return `${session.sliceCount - (snapshot?.storedCount ?? 0)} of ${session.sliceCount} slices are missing`;
}
