import { type Content, MAX_UPLOAD_BYTES } from '../content/content.ts';
import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { lockKey } from '../locker.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { hexField, mayOverwrite } from '../protocol/fields.ts';
import { isOwnDoing, signerOf } from '../repeats.ts';

const SHA1_BYTES = 20;

/** `upload`: a whole file in one request. */
export async function uploadFile(exchange: Exchange, form: Form, content: Content | undefined): Promise<object> {
  const {
    settings: { store, locker },
    target,
  } = exchange;
  const sha = hexField(form.fields, 'sha', SHA1_BYTES);
  const overwrite = mayOverwrite(form.fields);
  if (content?.kind !== 'spool') throw new ProtocolError('badParameter', 'filecontent is missing');
  if (content.spool.sizeBytes > MAX_UPLOAD_BYTES) {
    throw new ProtocolError('badParameter', `files above ${MAX_UPLOAD_BYTES} bytes must be uploaded in slices`);
  }
  const actual = content.sha();
  if (sha !== undefined && sha !== actual) throw new ProtocolError('checksumFailed', 'the file does not match its sha');
  const labels = { sha: actual, signedBy: signerOf(exchange), attributes: form.fields.get('biz_attr') };
  const { spool } = content;
  await locker.withLock(lockKey(target), async () => {
    const { sizeBytes } = spool;
    await store.putObject(target, spool, labels, overwrite).catch(async (error) => {
      // The reply to the first one got lost.
      if (!(await isOwnDoing(exchange, { sha: actual, sizeBytes }, error))) throw error;
    });
  });
  return exchange.urls;
}
