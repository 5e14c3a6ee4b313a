import type { Content } from '../content/content.ts';
import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
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
    return { ...reply, ...(await finishIfWhole(exchange, session)) };
  }
  const begun = await beginUpload(exchange, form);
  if (begun.kind === 'instant') return exchange.urls;
  const { session } = begun;
  const offset = session.firstMissing() * session.sliceSizeBytes;
  return (await finishIfWhole(exchange, session)) ?? { ...describeSession(exchange, session), offset };
}

async function finishIfWhole(exchange: Exchange, session: Session | undefined): Promise<object | undefined> {
  if (session && session.storedCount < session.sliceCount) return undefined;
  if (session) await completeUpload(exchange, session, session.sha);
  return exchange.urls;
}
