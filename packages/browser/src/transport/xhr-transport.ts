import type { SendContext, Transport, WireRequest, WireResponse } from '@cos-slice/core';
import { checkReplySize, headersOf, networkError, noteAnswer, redirected, signedUrl, toBody } from './form.ts';

/**
 * Sends with `XMLHttpRequest`, the one way to see progress within a slice. Its upload listeners cost one preflight per URL,
 * which is one per file: path and signature stay the same for all slices.
 */
export function createXhrTransport(): Transport<Blob> {
  return { reportsProgress: true, queues: true, send };
}

async function send(request: WireRequest<Blob>, { signal, onConnected, onSent }: SendContext): Promise<WireResponse> {
  signal.throwIfAborted();
  let cancel = (): void => {};
  const exchange = new Promise<WireResponse>((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const sizeBytes = request.content?.sizeBytes ?? 0;
    let connected = false;
    const connect = (): void => {
      if (!connected) onConnected();
      connected = true;
    };
    const stop = (reason: unknown): void => {
      reject(reason);
      xhr.abort();
    };
    cancel = () => stop(signal.reason);
    signal.addEventListener('abort', cancel);

    // Also for requests without content: the first one of a file brings the preflight, and the slices, which leave together,
    // find its answer in the browser's cache.
    xhr.upload.onprogress = xhr.upload.onload = ({ loaded, total }) => {
      // Before the first byte it may still wait for one of the browser's connections.
      if (loaded === 0) return;
      connect();
      // What surrounds the content in the form comes off, so that the end is the content's end.
      if (sizeBytes > 0) onSent(Math.max(0, Math.min(sizeBytes, loaded - total + sizeBytes)));
    };
    xhr.onprogress = ({ loaded }) => {
      try {
        checkReplySize(loaded);
      } catch (error) {
        stop(error);
      }
    };
    xhr.onerror = () => networkError(request).then(reject);
    xhr.onload = () => {
      connect();
      noteAnswer(request);
      // The browser has followed by itself, and made a GET of most requests on the way.
      const { origin } = new URL(xhr.responseURL || request.url);
      if (origin !== new URL(request.url).origin) return reject(redirected(request, origin));
      const { status, responseText: body } = xhr;
      const headers = xhr.getAllResponseHeaders();
      resolve({ status, header: (name) => headerOf(headers, name), filtered: origin !== location.origin, body });
    };
    xhr.open(request.method, signedUrl(request));
    xhr.responseType = 'text';
    for (const [name, value] of Object.entries(headersOf(request))) xhr.setRequestHeader(name, value);
    xhr.send(toBody(request));
  });
  return exchange.finally(() => signal.removeEventListener('abort', cancel));
}

/** Asking for a header that CORS hides would put an error into the page's console, so all that are shown are looked through. */
function headerOf(headers: string, name: string): string | undefined {
  const prefix = `${name.toLowerCase()}:`;
  const line = headers.split('\r\n').find((one) => one.toLowerCase().startsWith(prefix));
  return line?.slice(prefix.length).trim();
}
