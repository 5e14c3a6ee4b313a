import { CosSliceError, type WireRequest } from '@cos-slice/core';
import { within } from '../within.ts';

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

/** Hosts that have answered this page. */
const heard = new Set<string>();
const LOOK_MS = 5000;

export function noteAnswer({ url }: WireRequest<Blob>): void {
  heard.add(new URL(url).host);
}

/**
 * Browsers tell pages nothing of why a request failed. A look at its host, that asks for nothing which could be forbidden, tells
 * one thing: whether it is there. One that was there before and is not now will come back; else it may be that the request is
 * not allowed, and no try will ever work.
 */
export async function networkError({ url, content }: WireRequest<Blob>, cause?: unknown): Promise<CosSliceError> {
  const { origin, host } = new URL(url);
  const look = fetch(origin, { method: 'HEAD', mode: 'no-cors', cache: 'no-store', credentials: 'omit' });
  const reached = await within(
    LOOK_MS,
    look.then(
      () => true,
      () => false,
    ),
  );
  const why = reached ? '' : 'the network is down, the endpoint is wrong, ';
  const size = content ? ', or a proxy refuses bodies of this size (lower sliceSize)' : '';
  const what = `no readable answer from ${host}: perhaps ${why}its CORS headers do not allow this page, or an extension or the page's Content-Security-Policy (connect-src) blocks it${size}`;
  return new CosSliceError('network', what, { remedy: 'backoff', opaque: reached || !heard.has(host), reached, cause });
}

/** A signature is not to be taken elsewhere, and what another host says of it is not believed. */
export function redirected({ url }: WireRequest<Blob>, to = 'another address'): CosSliceError {
  const what = `${new URL(url).host} redirects to ${to}, which is not followed: make that the endpoint`;
  return new CosSliceError('bad-reply', what);
}

const MAX_REPLY_BYTES = 64 * 1024 * 1024;

/** @throws CosSliceError `bad-reply` */
export function checkReplySize(bytes: number): void {
  if (bytes > MAX_REPLY_BYTES) throw new CosSliceError('bad-reply', 'the reply is above 64 MiB: check the endpoint');
}
