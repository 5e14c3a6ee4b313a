import type { SendContext, Transport, WireRequest, WireResponse } from '@cos-slice/core';
import { networkError, replyTooLarge, signedUrl, toForm } from './form.ts';

/**
 * Sends with `XMLHttpRequest`, the one way to see progress within a slice. Its upload listeners cost one preflight per URL,
 * which is one per file: path and signature stay the same for all slices.
 */
export function createXhrTransport(): Transport<Blob> {
  return { reportsProgress: true, send };
}

function send(request: WireRequest<Blob>, { signal, onConnected, onSent }: SendContext): Promise<WireResponse> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const xhr = new XMLHttpRequest();
    const sizeBytes = request.content?.sizeBytes ?? 0;
    let connected = false;
    const connect = (): void => {
      if (connected) return;
      connected = true;
      onConnected();
    };
    const settle = (act: () => void): void => {
      signal.removeEventListener('abort', stop);
      xhr.onload = xhr.onerror = xhr.onprogress = xhr.upload.onprogress = xhr.upload.onload = null;
      act();
    };
    const stop = (): void =>
      settle(() => {
        xhr.abort();
        reject(signal.reason);
      });
    signal.addEventListener('abort', stop, { once: true });

    // Also for requests without content: the first one of a file brings the preflight, and the slices, which leave together,
    // find its answer in the browser's cache.
    xhr.upload.onprogress = ({ loaded, total }) => {
      connect();
      // What surrounds the content in the form comes off, so that the end is the content's end.
      if (sizeBytes > 0) onSent(Math.max(0, Math.min(sizeBytes, loaded - Math.max(0, total - sizeBytes))));
    };
    xhr.upload.onload = () => {
      connect();
      if (sizeBytes > 0) onSent(sizeBytes);
    };
    xhr.onprogress = ({ loaded }) => {
      const problem = replyTooLarge(loaded);
      if (!problem) return;
      settle(() => {
        xhr.abort();
        reject(problem);
      });
    };
    xhr.onerror = () => settle(() => reject(networkError(request.url)));
    xhr.onload = () => {
      connect();
      const { status, responseText: body } = xhr;
      const headers = xhr.getAllResponseHeaders();
      settle(() => resolve({ status, header: (name) => headerOf(headers, name), body }));
    };
    xhr.open(request.method, signedUrl(request));
    xhr.responseType = 'text';
    xhr.send(request.method === 'POST' ? toForm(request) : null);
  });
}

/** Asking for a header that CORS hides would put an error into the page's console, so all that are shown are looked through. */
function headerOf(headers: string, name: string): string | undefined {
  const prefix = `${name.toLowerCase()}:`;
  const line = headers.split('\r\n').find((one) => one.toLowerCase().startsWith(prefix));
  return line?.slice(prefix.length).trim();
}
