import { randomBytes } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { type ProblemName, ProtocolError } from '../protocol/codes.ts';
import { refusalOf } from '../store/refusal.ts';
import { StoreError, type StoreProblem } from '../store/store.ts';

const PROBLEMS: Readonly<Record<StoreProblem, ProblemName>> = {
  exists: 'fileExists',
  'path-conflict': 'pathConflict',
  gone: 'notFound',
  differs: 'checksumFailed',
  busy: 'busy',
};
const EXPOSED =
  'Date, Retry-After, ETag, Last-Modified, Accept-Ranges, Content-Length, Content-Range, Content-Disposition';
const PREFLIGHT_MAX_AGE_SEC = 24 * 3600;
const RETRY_AFTER_SEC = 1;

const idPrefix = randomBytes(6).toString('base64url');
let lastId = 0;

function newRequestId(): string {
  return `${idPrefix}${(++lastId).toString(36)}`;
}

let lastDate = { sec: Number.NaN, text: '' };

function httpDate(nowMs: number): string {
  const sec = Math.floor(nowMs / 1000);
  if (sec !== lastDate.sec) lastDate = { sec, text: new Date(nowMs).toUTCString() };
  return lastDate.text;
}

/** Headers of every reply, errors too: a page must be able to read them, and the clock they were made by. */
export function commonHeaders(nowMs: number): OutgoingHttpHeaders {
  return {
    Date: httpDate(nowMs),
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': EXPOSED,
  };
}

/** Answers a preflight for whatever method and headers are asked for; the signature decides later. */
export function sendPreflight(req: IncomingMessage, res: ServerResponse, nowMs: number): void {
  const asked = req.headers['access-control-request-headers'];
  res.writeHead(204, {
    ...commonHeaders(nowMs),
    'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, OPTIONS',
    'Access-Control-Allow-Headers': asked && /^[\w\s,-]+$/.test(asked) ? asked : 'Authorization, Content-Type',
    'Access-Control-Max-Age': PREFLIGHT_MAX_AGE_SEC,
    Vary: 'Access-Control-Request-Headers',
  });
  res.end();
}

/** Sends `{code: 0, message: 'SUCCESS', data?, request_id}`. */
export function sendSuccess(res: ServerResponse, nowMs: number, data: object | undefined): void {
  sendJson(res, nowMs, 200, { code: 0, message: 'SUCCESS', data, request_id: newRequestId() });
}

export function sendFailure(res: ServerResponse, nowMs: number, failure: ProtocolError): void {
  sendJson(res, nowMs, failure.status, {
    code: failure.code,
    message: failure.message,
    request_id: newRequestId(),
  });
}

function sendJson(res: ServerResponse, nowMs: number, status: number, body: object): void {
  const text = JSON.stringify(body);
  const headers = commonHeaders(nowMs);
  headers['Content-Type'] = 'application/json; charset=utf-8';
  headers['Content-Length'] = Buffer.byteLength(text);
  headers['Cache-Control'] = 'no-store';
  if (status === 503) headers['Retry-After'] = RETRY_AFTER_SEC;
  res.writeHead(status, headers);
  // Headers and body go out in one packet.
  res.end(text);
}

/**
 * The place of any failure in the protocol's table. What is not expected is the store's fault: -181, worth a retry, unless it
 * is something that time cannot mend.
 */
export function asProtocolError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (error instanceof StoreError) {
    return new ProtocolError(PROBLEMS[error.problem], error.detail, { cause: error });
  }
  const refusal = refusalOf(error);
  if (refusal !== undefined) return new ProtocolError('storeRefused', refusal, { cause: error });
  return new ProtocolError('storeFailed', undefined, { cause: error });
}
