import { isPublic } from '../access.ts';
import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import type { UploadParts } from '../integrity/upload-parts.ts';
import { chooseSliceSize, isSerial } from '../limits.ts';
import { lockKey } from '../locker.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { type Fields, hexField, integerField, mayOverwrite } from '../protocol/fields.ts';
import { isOwnDoing, signerOf } from '../repeats.ts';
import { ifFresh, unlessGone } from '../sessions.ts';
import { isCovered } from '../signature/signature.ts';
import type { Checkpoints, ObjectInfo, Session, SessionInit, Target } from '../store/store.ts';

const SHA1_BYTES = 20;

/** What came of asking for an upload. */
export type Begun =
  | { readonly kind: 'created'; readonly session: Session }
  /** The same content is unfinished at this path. */
  | { readonly kind: 'resumable'; readonly session: Session }
  /** The bucket had the content already, and now has it at this path too. */
  | { readonly kind: 'instant' };

/** `upload_slice_init`: opens a session, or says why there is none. */
export async function initUpload(exchange: Exchange, form: Form): Promise<object> {
  const begun = await beginUpload(exchange, form);
  if (begun.kind === 'instant') return exchange.urls;
  if (begun.kind === 'resumable') throw new ProtocolError('notFinished');
  return describeSession(exchange, begun.session);
}

/**
 * What every reply that hands out a session says. `session_delete` is our own: `delete` takes a `session`, and then ends that
 * upload only.
 */
export function describeSession({ settings }: Exchange, session: Session): object {
  return {
    session: session.id,
    slice_size: session.sliceSizeBytes,
    session_delete: 1,
    ...(isSerial(settings) && { serial_upload: 1 }),
  };
}

/** @throws ProtocolError -4020 when another file is unfinished at the path, -177, -178, -284, -5999 */
export async function beginUpload(exchange: Exchange, form: Form): Promise<Begun> {
  const init = readInit(exchange, form.fields);
  checkParts(init, form.uploadParts);
  try {
    return await begin(exchange, init, form.uploadParts?.checkpoints);
  } catch (error) {
    // The reply to the first one got lost.
    if (await isOwnDoing(exchange, init, error)) return { kind: 'instant' };
    throw error;
  }
}

async function begin(exchange: Exchange, init: SessionInit, checkpoints: Checkpoints | undefined): Promise<Begun> {
  const { store, locker, tally } = exchange.settings;
  const { target, sha, sizeBytes, overwrite, attributes } = init;
  await store.checkVacant(target, overwrite);
  const session = await locker.withLock(lockKey(target), () => goOn(exchange, init));
  if (session) return { kind: 'resumable', session };
  if (sha !== undefined) {
    const labels = { attributes, signedBy: signerOf(exchange) };
    const content = { sha, sizeBytes };
    const copy = await store.copyKnown(
      target,
      content,
      (source, info) => mayCopy(exchange, source, info),
      labels,
      overwrite,
    );
    if (copy) return { kind: 'instant' };
  }
  const begun = await locker.withLock(lockKey(target), async () => {
    // Whoever waited here for another upload's finish finds its object now.
    await store.checkVacant(target, overwrite);
    tally.checkRoom(target, sizeBytes);
    const made = await store.createSession(init, checkpoints);
    tally.began(made.session);
    return made;
  });
  return begun.created ? { kind: 'created', session: begun.session } : begin(exchange, init, checkpoints);
}

/** The upload at the path, when it is one of the same content. @throws ProtocolError -4020 when it is another */
async function goOn(exchange: Exchange, init: SessionInit): Promise<Session | undefined> {
  const session = await ifFresh(exchange, await exchange.settings.store.findSession(init.target));
  if (!session) return undefined;
  if (await isUnproven(session, init)) {
    await session.discard();
    exchange.settings.tally.ended(session.target);
    return undefined;
  }
  // Without a SHA-1 whoever knows the session goes on with it; everybody else has to start over.
  if (session.sizeBytes !== init.sizeBytes || init.sha === undefined || session.sha !== init.sha) {
    throw new ProtocolError('otherNotFinished');
  }
  return unlessGone(session.setTerms(init).then(() => session));
}

/** Who knows a SHA-1 need not know the content: a signature turns one into the other only where it could read it. */
function mayCopy({ settings, grant }: Exchange, source: Target, info: ObjectInfo): boolean {
  return isPublic(settings, info) || settings.instantFrom === 'bucket' || isCovered(grant, source);
}

/**
 * Nothing but the size speaks for the same content, and nothing is lost with the session: a new one takes its place, so that
 * two clients never share one. That is also what an answer that got lost leaves behind.
 */
async function isUnproven(session: Session, init: SessionInit): Promise<boolean> {
  const isProof = session.sha !== undefined && init.sha !== undefined;
  if (session.sizeBytes !== init.sizeBytes || isProof) return false;
  return ((await unlessGone(session.snapshot()))?.storedCount ?? 0) === 0;
}

function readInit({ settings, target, nowMs }: Exchange, fields: Fields): SessionInit {
  const sizeBytes = integerField(fields, 'filesize');
  return {
    target,
    sizeBytes,
    sliceSizeBytes: chooseSliceSize(settings, sizeBytes, fields.get('slice_size') ?? fields.get('sliceSize')),
    overwrite: mayOverwrite(fields),
    createdAtMs: nowMs,
    sha: hexField(fields, 'sha', SHA1_BYTES),
    attributes: fields.get('biz_attr'),
  };
}

function checkParts({ sizeBytes, sha }: SessionInit, parts: UploadParts | undefined): void {
  if (!parts) return;
  if (sha === undefined) throw new ProtocolError('badParameter', 'uploadparts without sha');
  if (parts.sizeBytes !== sizeBytes) throw new ProtocolError('badParameter', 'uploadparts and filesize differ');
  if (parts.sha !== sha) throw new ProtocolError('badParameter', 'the last of uploadparts and sha differ');
}
