import { randomBytes } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { type ProblemName, ProtocolError } from '../protocol/codes.ts';
import { refusalOf } from '../store/refusal.ts';
import { StoreError, type StoreProblem } from '../store/store.ts';
import { sendPiece, watchOutflow } from './outflow.ts';

const PROBLEMS: Readonly<Record<StoreProblem, ProblemName>> = {
  exists: 'fileExists',
  'path-conflict': 'pathConflict',
  gone: 'notFound',
  incomplete: 'notFinished',
  mismatch: 'checksumFailed',
  differs: 'checksumFailed',
  busy: 'busy',
  'not-empty': 'directoryNotEmpty',
  refused: 'storeRefused',
};
const EXPOSED =
  'Date, Retry-After, ETag, Last-Modified, Accept-Ranges, Content-Length, Content-Range, Content-Disposition, Content-Encoding';
const PREFLIGHT_MAX_AGE_SEC = 24 * 3600;
const RETRY_AFTER_SEC = 1;
/** About a millisecond's work. */
const ITEMS_A_STEP = 2000;

const othersTurn = promisify(setImmediate);

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

/**
 * Headers of every reply, errors too: a page must be able to read them, and the clock they were made by.
 *
 * @param more what else a page may read
 */
export function commonHeaders(nowMs: number, more: readonly string[] = []): OutgoingHttpHeaders {
  return {
    Date: httpDate(nowMs),
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': more.length === 0 ? EXPOSED : [EXPOSED, ...more].join(', '),
    // Nothing that clients have sent is to be taken for a page of ours.
    'X-Content-Type-Options': 'nosniff',
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

/** One value of a reply's data that may be long: a generator of its items. It may yield nothing to let others in between. */
export type LongList = Iterator<object | undefined> & Iterable<object | undefined>;

/**
 * Sends `{code: 0, message: 'SUCCESS', data?, request_id}`. Data with a {@link LongList} goes out in steps, so that neither
 * the thread nor the memory is taken by a million items.
 *
 * @throws ClientGoneError when the connection broke in the middle
 */
export async function sendSuccess(res: ServerResponse, nowMs: number, data: object | undefined): Promise<void> {
  const [name, list] = Object.entries(data ?? {}).find(([, value]) => isLongList(value)) ?? [];
  const envelope = { code: 0, message: 'SUCCESS', request_id: newRequestId() };
  if (name === undefined) return sendJson(res, nowMs, 200, { ...envelope, data });

  const first = takeItems(list as LongList);
  if (first.isLast) return sendJson(res, nowMs, 200, { ...envelope, data: { ...data, [name]: first.items } });
  const { [name]: _, ...others } = data as Record<string, unknown>;
  const head = JSON.stringify({ ...envelope, data: { ...others, [name]: [] } });
  res.writeHead(200, jsonHeaders(nowMs));
  watchOutflow(res);
  // The list is the last thing in it: `]}}` closes it all.
  let text = head.slice(0, -3);
  let separator = '';
  for (let step = first; ; step = takeItems(list as LongList)) {
    if (step.items.length > 0) {
      text += separator + JSON.stringify(step.items).slice(1, -1);
      separator = ',';
    }
    if (step.isLast) break;
    if (text.length > 0) await sendPiece(res, text);
    text = '';
    await othersTurn();
  }
  res.end(`${text}]}}`);
}

function isLongList(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Symbol.iterator in value && 'next' in value;
}

function takeItems(list: LongList): { items: object[]; isLast: boolean } {
  const items: object[] = [];
  for (let taken = 0; taken < ITEMS_A_STEP; taken++) {
    const { done, value } = list.next();
    if (done) return { items, isLast: true };
    if (value === undefined) break;
    items.push(value);
  }
  return { items, isLast: false };
}

export function sendFailure(res: ServerResponse, nowMs: number, failure: ProtocolError): void {
  const body = { code: failure.code, message: failure.message, request_id: newRequestId() };
  sendJson(res, nowMs, failure.status, body, failure.retryAfterSec);
}

function sendJson(
  res: ServerResponse,
  nowMs: number,
  status: number,
  body: object,
  retryAfterSec: number = RETRY_AFTER_SEC,
): void {
  const text = JSON.stringify(body);
  const headers = jsonHeaders(nowMs);
  headers['Content-Length'] = Buffer.byteLength(text);
  if (status === 503) headers['Retry-After'] = retryAfterSec;
  res.writeHead(status, headers);
  // Headers and body go out in one packet.
  res.end(text);
}

function jsonHeaders(nowMs: number): OutgoingHttpHeaders {
  const headers = commonHeaders(nowMs);
  headers['Content-Type'] = 'application/json; charset=utf-8';
  headers['Cache-Control'] = 'no-store';
  return headers;
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
