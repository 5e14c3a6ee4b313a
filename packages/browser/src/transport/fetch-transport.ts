import {
  CosSliceError,
  isCosSliceError,
  type SendContext,
  type Transport,
  type WireRequest,
  type WireResponse,
} from '@cos-slice/core';
import { checkReplySize, headersOf, networkError, noteAnswer, redirected, signedUrl, toBody } from './form.ts';

/**
 * Sends with `fetch`: no preflight at all, since there are neither headers of our own nor upload listeners, and no progress
 * within a slice.
 */
export function createFetchTransport(): Transport<Blob> {
  return { reportsProgress: false, send };
}

/** Where there are no pages there are neither caches nor cookies, and some runtimes refuse to hear of them. */
export const PAGE_OPTIONS: RequestInit =
  typeof location === 'undefined' ? {} : { cache: 'no-store', credentials: 'omit', referrerPolicy: 'no-referrer' };

async function send(request: WireRequest<Blob>, { signal, onConnected, onSent }: SendContext): Promise<WireResponse> {
  signal.throwIfAborted();
  try {
    const { status, type, headers, body } = await fetch(signedUrl(request), {
      method: request.method,
      headers: headersOf(request),
      body: toBody(request),
      // Not `error`, which would look like trouble with the network.
      redirect: 'manual',
      ...PAGE_OPTIONS,
      signal,
    });
    onConnected();
    noteAnswer(request);
    if (type === 'opaqueredirect') throw redirected(request);
    const text = await readText(body);
    onSent(request.content?.sizeBytes ?? 0);
    return { status, header: (name) => headers.get(name) ?? undefined, filtered: type === 'cors', body: text };
  } catch (error) {
    signal.throwIfAborted();
    if (isCosSliceError(error)) throw error;
    throw refusedOption(error) ?? (await networkError(request, error));
  }
}

/** Runtimes that do not know an option say so by its name, and always will. */
export function refusedOption(cause: unknown): CosSliceError | undefined {
  const said = String(cause);
  if (!/redirect|cache|credential|referrer|keepalive|duplex|\bmode\b|not (implemented|supported)/i.test(said)) return;
  return new CosSliceError('network', `fetch refuses the request: ${said}`, { cause });
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
