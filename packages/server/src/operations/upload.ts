import { type Content, MAX_UPLOAD_BYTES } from '../content/content.ts';
import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { hexField, mayOverwrite } from '../protocol/fields.ts';

const SHA1_BYTES = 20;

/** `upload`: a whole file in one request. */
export async function uploadFile(
  { settings, target, urls }: Exchange,
  form: Form,
  content: Content | undefined,
): Promise<object> {
  const sha = hexField(form.fields, 'sha', SHA1_BYTES);
  const overwrite = mayOverwrite(form.fields);
  if (content?.kind !== 'spool') throw new ProtocolError('badParameter', 'filecontent is missing');
  if (content.spool.sizeBytes > MAX_UPLOAD_BYTES) {
    throw new ProtocolError('badParameter', `files above ${MAX_UPLOAD_BYTES} bytes must be uploaded in slices`);
  }
  const actual = content.sha();
  if (sha !== undefined && sha !== actual) throw new ProtocolError('checksumFailed', 'the file does not match its sha');
  await settings.store.putObject(
    target,
    content.spool,
    { sha: actual, attributes: form.fields.get('biz_attr') },
    overwrite,
  );
  return urls;
}
