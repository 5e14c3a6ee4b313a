import { CosSliceError, type ErrorCode, type ErrorDetails } from '../errors.ts';
import type { WireResponse } from '../ports.ts';
import type { Failure } from './operations.ts';

/** A failure with what every response tells. By default worth another try. */
export function failed(response: WireResponse, code: ErrorCode, message: string, details?: ErrorDetails): Failure {
  const dateMs = Date.parse(response.header('date') ?? '');
  const facts: ErrorDetails = {
    remedy: 'backoff',
    httpStatus: response.status,
    serverDateMs: Number.isNaN(dateMs) ? undefined : dateMs,
    retryAfterMs: toDelayMs(response.header('retry-after'), dateMs),
  };
  return { kind: 'failed', error: new CosSliceError(code, message, { ...facts, ...details }) };
}

/** Whether time may mend what a status says. */
export function isPassing({ status }: WireResponse): boolean {
  return status >= 500 || status === 429 || status === 408;
}

/** `Retry-After` in seconds or as a date; a date counts from the server's own. */
function toDelayMs(value = '', serverDateMs: number): number | undefined {
  const delayMs = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - serverDateMs;
  return Number.isNaN(delayMs) ? undefined : Math.max(0, delayMs);
}

/** What is wrong with bodies that a server, or a proxy before it, finds too large. */
export const TOO_LARGE_HINT: string =
  'a request body of this size is refused, by the server or by a proxy before it: lower sliceSize and singleRequestMax, or raise the limit (in nginx client_max_body_size, 1 MiB by default)';

/**
 * The answer of something that does not speak the wire: a proxy, a login page, another address. A server that moved and bodies
 * that are too large stay what they are, however often the request is made.
 */
export function foreignResponse(response: WireResponse): Failure {
  const { status } = response;
  if (status === 413) return failed(response, 'bad-request', `HTTP 413: ${TOO_LARGE_HINT}`, { remedy: 'none' });
  if (status >= 300 && status < 400) {
    // Without its query, which may carry the signature.
    const target = (response.header('location') ?? '')
      .replace(/[?#].*/s, '')
      .replace(/\s+/g, ' ')
      .slice(0, 200);
    const what = target
      ? `to ${target}: make that the endpoint, if it is the one that is meant`
      : 'to nowhere: check the endpoint';
    return failed(response, 'bad-reply', `HTTP ${status} redirects ${what}`, { remedy: 'none' });
  }
  // As nginx, Apache and Go say it on a port of TLS.
  if (status === 400 && /\b(HTTPS port|SSL-enabled server port|HTTPS server)\b/i.test(response.body)) {
    return failed(response, 'bad-reply', 'the server speaks TLS: use an endpoint with https://', { remedy: 'none' });
  }
  const what = `HTTP ${status} came with something else than this protocol: check the endpoint, or a proxy on the way`;
  return failed(response, 'bad-reply', what);
}

/** For an upload in the way that is not known to be ours. */
export const CONFLICT_HINT: string =
  'an unfinished upload, of other content as far as is known, is at this path: choose another path or onConflict "restart"';

/** One line of a server's own words. */
export function quote(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, 200);
}
