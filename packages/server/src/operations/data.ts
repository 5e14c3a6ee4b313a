import { type Content, sliceOf } from '../content/content.ts';
import type { SliceReply } from '../content/slice.ts';
import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import type { Session } from '../store/store.ts';

/** `upload_slice_data`: stores one slice. */
export async function uploadSliceData(exchange: Exchange, form: Form, content: Content | undefined): Promise<object> {
  const { reply, session } = await storeSlice(exchange, form, content);
  return session ? reply : { ...reply, ...exchange.urls };
}

/** Stores the request's slice; no session when it belongs to one that is finished. */
export async function storeSlice(
  exchange: Exchange,
  form: Form,
  content: Content | undefined,
): Promise<{ reply: SliceReply; session: Session | undefined }> {
  const slice = await sliceOf(exchange, form.fields, content);
  try {
    return { reply: await slice.store(form.fields), session: slice.session };
  } finally {
    await slice.abort();
  }
}
