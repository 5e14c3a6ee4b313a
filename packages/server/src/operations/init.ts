import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import type { UploadParts } from '../integrity/upload-parts.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { type Fields, hexField, integerField, mayOverwrite } from '../protocol/fields.ts';
import { ifFresh } from '../sessions.ts';
import { type Session, type SessionInit, StoreError } from '../store/store.ts';

/** Bounds what a session costs in memory: 4 MiB for its bits. */
const MAX_SLICES = 2 ** 25;
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

/** What every reply that hands out a session says. */
export function describeSession({ settings }: Exchange, session: Session): object {
  return {
    session: session.id,
    slice_size: session.sliceSizeBytes,
    ...(settings.serialUpload && { serial_upload: 1 }),
  };
}

/** @throws ProtocolError -4020 when another file is unfinished at the path, -177, -178, -284, -5999 */
export async function beginUpload(exchange: Exchange, form: Form): Promise<Begun> {
  const { store } = exchange.settings;
  const init = readInit(exchange, form.fields);
  checkParts(init, form.uploadParts);
  await store.checkVacant(init.target, init.overwrite);

  const unfinished = await ifFresh(exchange, await store.findSession(init.target));
  if (unfinished && isUnproven(unfinished, init)) await unfinished.discard();
  else if (unfinished) return (await resume(unfinished, init)) ?? beginUpload(exchange, form);
  const { sha, sizeBytes, attributes } = init;
  if (sha && (await store.copyKnown(init.target, { sha, sizeBytes }, { attributes }, init.overwrite))) {
    return { kind: 'instant' };
  }
  const { created, session } = await store.createSession(init, form.uploadParts?.checkpoints);
  return created ? { kind: 'created', session } : ((await resume(session, init)) ?? beginUpload(exchange, form));
}

/**
 * Nothing but the size speaks for the same content, and nothing is lost with the session: a new one takes its place, so that
 * two clients never share one. That is also what an answer that got lost leaves behind.
 */
function isUnproven(session: Session, init: SessionInit): boolean {
  const isProof = session.sha !== undefined && init.sha !== undefined;
  return session.sizeBytes === init.sizeBytes && !isProof && session.storedCount === 0;
}

/** Undefined when the session has just ended. */
async function resume(session: Session, init: SessionInit): Promise<Begun | undefined> {
  // Without a SHA-1 whoever knows the session goes on with it; everybody else has to start over.
  if (session.sizeBytes !== init.sizeBytes || init.sha === undefined || session.sha !== init.sha) {
    throw new ProtocolError('otherNotFinished');
  }
  try {
    await session.setTerms(init);
  } catch (error) {
    if (error instanceof StoreError && error.problem === 'gone') return undefined;
    throw error;
  }
  return { kind: 'resumable', session };
}

function readInit({ settings, target, nowMs }: Exchange, fields: Fields): SessionInit {
  const sizeBytes = integerField(fields, 'filesize');
  const sliceSizeBytes = chooseSliceSize(settings.sliceSize, fields.get('slice_size') ?? fields.get('sliceSize'));
  if (sizeBytes / sliceSizeBytes > MAX_SLICES) throw new ProtocolError('badParameter', 'filesize is too large');
  return {
    target,
    sizeBytes,
    sliceSizeBytes,
    overwrite: mayOverwrite(fields),
    createdAtMs: nowMs,
    sha: hexField(fields, 'sha', SHA1_BYTES),
    attributes: fields.get('biz_attr'),
  };
}

/** Clients adopt the size the reply names, so one that is out of bounds is corrected and not refused. */
function chooseSliceSize(options: Exchange['settings']['sliceSize'], asked: string | undefined): number {
  if (asked !== undefined && asked !== '' && !/^\s*[1-9]\d{0,14}\s*$/.test(asked))
    throw new ProtocolError('badSliceSize');
  if (options.forcedBytes !== undefined) return options.forcedBytes;
  return Math.min(Math.max(asked ? Number(asked) : options.defaultBytes, options.minBytes), options.maxBytes);
}

function checkParts({ sizeBytes, sha }: SessionInit, parts: UploadParts | undefined): void {
  if (!parts) return;
  if (sha === undefined) throw new ProtocolError('badParameter', 'uploadparts without sha');
  if (parts.sizeBytes !== sizeBytes) throw new ProtocolError('badParameter', 'uploadparts and filesize differ');
  if (parts.sha !== sha) throw new ProtocolError('badParameter', 'the last of uploadparts and sha differ');
}
