import { CosSliceError, type WireRequest } from '@cos-slice/core';

/** The request as a form, made anew for each attempt. The content stays a `Blob`: its bytes never enter the JS heap. */
export function toForm(request: WireRequest<Blob>): FormData {
  const form = new FormData();
  for (const [name, value] of request.fields) form.append(name, value);
  if (request.content) form.append(request.content.name, request.content.body, 'slice');
  return form;
}

/** The signature goes into the query: a header would cost a preflight (protocol section 6). */
export function signedUrl(request: WireRequest<Blob>): string {
  const separator = request.url.includes('?') ? '&' : '?';
  return `${request.url}${separator}sign=${encodeURIComponent(request.signature)}`;
}

/** Browsers tell pages nothing of why a request failed, so the message names what it can be. */
export function networkError(url: string, cause?: unknown): CosSliceError {
  const { host } = new URL(url);
  const what = `no answer from ${host}: check the network, the endpoint, and that its CORS headers allow this page's origin`;
  return new CosSliceError('network', what, { remedy: 'backoff', ...(cause === undefined ? {} : { cause }) });
}

const MAX_REPLY_BYTES = 64 * 1024 * 1024;

export function replyTooLarge(bytes: number): CosSliceError | undefined {
  if (bytes <= MAX_REPLY_BYTES) return undefined;
  return new CosSliceError('bad-reply', 'the reply is larger than 64 MiB: check the endpoint');
}
