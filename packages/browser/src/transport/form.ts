import { CosSliceError, type WireRequest } from '@cos-slice/core';

/** The body, made anew for each attempt. The content stays a `Blob`: its bytes never enter the JS heap. */
export function toBody({ fields, content, text }: WireRequest<Blob>): FormData | Blob | string | null {
  if (!fields) return content?.body ?? text ?? null;
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  if (content) form.append(content.name, content.body, 'slice');
  return form;
}

/** Where the wire lets it, the signature goes into the query: a header would cost a preflight (protocol section 6). */
export function signedUrl({ url, authorization }: WireRequest<Blob>): string {
  if (!authorization?.query) return url;
  return `${url}${url.includes('?') ? '&' : '?'}${authorization.query}=${encodeURIComponent(authorization.value)}`;
}

/** The headers that a request must have; none where they can be helped. */
export function headersOf({ authorization, headers }: WireRequest<Blob>): Record<string, string> {
  if (!authorization || authorization.query) return { ...headers };
  return { ...headers, Authorization: authorization.value };
}

/** Browsers tell pages nothing of why a request failed, so the message names what it can be. */
export function networkError({ url, content }: WireRequest<Blob>, cause?: unknown): CosSliceError {
  const causes = [
    'the network is down',
    'the endpoint is wrong',
    'its CORS headers do not allow this page',
    "an extension or the page's Content-Security-Policy (connect-src) blocks the request",
    ...(content ? ['a proxy refuses bodies of this size (lower sliceSize)'] : []),
  ];
  const what = `no answer from ${new URL(url).host}; it may be that ${causes.join(', or that ')}`;
  return new CosSliceError('network', what, { remedy: 'backoff', opaque: true, cause });
}

const MAX_REPLY_BYTES = 64 * 1024 * 1024;

/** @throws CosSliceError `bad-reply` */
export function checkReplySize(bytes: number): void {
  if (bytes > MAX_REPLY_BYTES) throw new CosSliceError('bad-reply', 'the reply is above 64 MiB: check the endpoint');
}
