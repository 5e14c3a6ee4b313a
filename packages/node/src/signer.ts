import { createHmac } from 'node:crypto';
import {
  type CredentialsProvider,
  createSigner as createCoreSigner,
  type Signer,
  type SignerOptions,
} from '@cos-slice/core';

/**
 * Signs with a secret key (protocol section 2). For machines that may hold the key; pages use `remoteSigner`. On a wire that is
 * signed with credentials it brings these: an application that moves to the XML API of COS keeps its signer.
 *
 * @throws CosSliceError `invalid-options`; `sign` throws `signing-failed` for another application or bucket
 */
export function createSigner(options: SignerOptions): Signer & CredentialsProvider {
  return createCoreSigner(options, signText);
}

/** At once, where WebCrypto would ask another thread: every small file has a signature of its own. */
function signText(secretKey: string, text: string): string {
  const mac = createHmac('sha1', secretKey).update(text).digest();
  return Buffer.concat([mac, Buffer.from(text)]).toString('base64');
}
