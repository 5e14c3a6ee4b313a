import type { Content } from '../content/content.ts';
import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { isFinished, unlessGone } from '../sessions.ts';
import type { Session } from '../store/store.ts';
import { storeSlice } from './data.ts';
import { completeUpload } from './finish.ts';
import { beginUpload, describeSession } from './init.ts';

/**
 * The old `upload_slice`, one operation for everything (protocol section 1). Without content it answers like init,
 * plus the `offset` to go on from; with content it stores a slice. There is no finish: the reply to the slice that
 * completes the file carries its URLs.
 */
export async function uploadSlice(exchange: Exchange, form: Form, content: Content | undefined): Promise<object> {
  if (content) {
    const { reply, session } = await storeSlice(exchange, form, content);
    const offset = session && (await finishIfWhole(exchange, session));
    return offset === undefined ? { ...reply, ...exchange.urls } : reply;
  }
  const begun = await beginUpload(exchange, form);
  if (begun.kind === 'instant') return exchange.urls;
  const offset = await finishIfWhole(exchange, begun.session);
  return offset === undefined ? exchange.urls : { ...describeSession(exchange, begun.session), offset };
}

/** Where the upload has to go on; undefined when it is finished. */
async function finishIfWhole(exchange: Exchange, session: Session): Promise<number | undefined> {
  const snapshot = await unlessGone(session.snapshot());
  if (snapshot && snapshot.storedCount < session.sliceCount) return snapshot.firstMissing * session.sliceSizeBytes;
  if (snapshot) await completeUpload(exchange, session, session.sha);
  else if (!(await isFinished(exchange, session.id))) {
    throw new ProtocolError('notFound', 'the upload session is gone');
  }
  return undefined;
}
