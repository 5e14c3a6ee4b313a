import type { SendContext, Transport, WireRequest, WireResponse } from '@cos-slice/core';
import { networkError, replyTooLarge, signedUrl, toForm } from './form.ts';

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
    const response = await fetch(signedUrl(request), {
      method: request.method,
      ...(request.method === 'POST' ? { body: toForm(request) } : {}),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      signal,
    });
    const body = await readText(response);
    onSent(request.content?.sizeBytes ?? 0);
    return { status: response.status, header: (name) => response.headers.get(name) ?? undefined, body };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof TypeError || error instanceof DOMException) throw networkError(request.url, error);
    throw error;
  }
}

async function readText(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return response.text();
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    const problem = replyTooLarge(bytes);
    if (problem) {
      await reader.cancel().catch(() => {});
      throw problem;
    }
    text += decoder.decode(value, { stream: true });
  }
}
