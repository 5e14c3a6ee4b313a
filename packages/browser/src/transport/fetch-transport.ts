import type { SendContext, Transport, WireRequest, WireResponse } from '@cos-slice/core';
import { checkReplySize, headersOf, networkError, signedUrl, toBody } from './form.ts';

/**
 * Sends with `fetch`: no preflight at all, since there are neither headers of our own nor upload listeners, and no progress
 * within a slice.
 */
export function createFetchTransport(): Transport<Blob> {
  return { reportsProgress: false, send };
}

async function send(request: WireRequest<Blob>, { signal, onConnected, onSent }: SendContext): Promise<WireResponse> {
  signal.throwIfAborted();
  try {
    onConnected();
    const { status, headers, body } = await fetch(signedUrl(request), {
      method: request.method,
      headers: headersOf(request),
      body: toBody(request),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      signal,
    });
    const text = await readText(body);
    onSent(request.content?.sizeBytes ?? 0);
    return { status, header: (name) => headers.get(name) ?? undefined, body: text };
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof TypeError || error instanceof DOMException ? networkError(request, error) : error;
  }
}

async function readText(body: Response['body']): Promise<string> {
  const reader = body?.getReader();
  const chunks = [];
  let bytes = 0;
  try {
    for (let chunk = await reader?.read(); chunk?.value; chunk = await reader?.read()) {
      bytes += chunk.value.length;
      checkReplySize(bytes);
      chunks.push(chunk.value);
    }
  } finally {
    reader?.cancel().catch(() => {});
  }
  return new Blob(chunks).text();
}
