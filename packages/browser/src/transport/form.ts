import { CosSliceError, type WireRequest } from '@cos-slice/core';

/** The request as a form, made anew for each attempt. The content stays a `Blob`: its bytes never enter the JS heap. */
export function toForm({ method, fields, content }: WireRequest<Blob>): FormData | null {
  if (method === 'GET') return null;
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  if (content) form.append(content.name, content.body, 'slice');
  return form;
}

/** The signature goes into the query: a header would cost a preflight (protocol section 6). */
export function signedUrl({ url, signature }: WireRequest<Blob>): string {
  return `${url}${url.includes('?') ? '&' : '?'}sign=${encodeURIComponent(signature)}`;
}

/** Browsers tell pages nothing of why a request failed, so the message names what it can be. */
export function networkError({ url }: WireRequest<Blob>, cause?: unknown): CosSliceError {
  const what = `no answer from ${new URL(url).host}: check the network, the endpoint, and that its CORS headers allow this page`;
  return new CosSliceError('network', what, { remedy: 'backoff', cause });
}

const MAX_REPLY_BYTES = 64 * 1024 * 1024;

/** @throws CosSliceError `bad-reply` */
export function checkReplySize(bytes: number): void {
  if (bytes > MAX_REPLY_BYTES) throw new CosSliceError('bad-reply', 'the reply is above 64 MiB: check the endpoint');
}
