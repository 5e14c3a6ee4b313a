import { CosSliceError, type ErrorCode, type ErrorDetails } from '../../errors.ts';
import type { ByteRange, WireResponse } from '../../ports.ts';
import type { Operation, Reply } from '../operations.ts';
import { BUCKET_NOT_FOUND, CONFLICT, CORRUPTED, FAILING, MEANINGS, NOT_FOUND, REFUSED, UNFINISHED } from './codes.ts';

type Json = { readonly [name: string]: unknown };

const MAX_SLICE_BYTES = 1024 * 1024 * 1024;

/** What a response means for the operation it answers (protocol sections 1 and 5). */
export function decode<C>(operation: Operation<C>, response: WireResponse): Reply {
  const body = toObject(parseJson(response.body));
  const code = toInteger(body.code);
  if (code === 0) return success(operation, toObject(body.data), response);
  if (code !== undefined) return failure(operation, code, body, response);
  const what = `HTTP ${response.status} came with something else than this protocol: check the endpoint, or a proxy on the way`;
  return failed(response, 'bad-reply', what);
}

function success<C>(operation: Operation<C>, data: Json, response: WireResponse): Reply {
  const unusable = (field: string): Reply =>
    failed(response, 'bad-reply', `the server's reply to ${operation.op} has no usable ${field}`);
  const location = {
    accessUrl: toText(data.access_url),
    sourceUrl: toText(data.source_url),
    url: toText(data.url),
    resourcePath: toText(data.resource_path),
  };
  const located = location.accessUrl || location.sourceUrl || location.url;
  const sizeBytes = toInteger(data.filesize);
  const sha = toText(data.sha).toLowerCase() || undefined;
  switch (operation.op) {
    case 'init':
    case 'list': {
      const session = toText(data.session);
      if (!session) {
        if (!located) return unusable('session');
        break;
      }
      const sliceSizeBytes = toInteger(data.slice_size) ?? 0;
      if (sliceSizeBytes < 1 || sliceSizeBytes > MAX_SLICE_BYTES) return unusable('slice_size');
      const serial = toInteger(data.serial_upload) === 1;
      if (operation.op === 'init') return { kind: 'opened', session, sliceSizeBytes, serial };
      const stored = toRanges(data.listparts);
      if (!stored) return unusable('listparts');
      return { kind: 'listed', session, sliceSizeBytes, serial, stored, sizeBytes, sha };
    }
    case 'slice': {
      const { range, md5 } = operation;
      const echoedMd5 = toText(data.datamd5).toLowerCase();
      if (md5 && echoedMd5 && echoedMd5 !== md5) {
        return failed(response, CORRUPTED[0], CORRUPTED[1]);
      }
      if ((toInteger(data.offset) ?? range.offset) !== range.offset) return unusable('offset');
      if ((toInteger(data.datalen) ?? range.length) !== range.length) return unusable('datalen');
      return { kind: 'stored', location: located ? location : undefined };
    }
    case 'discard':
      return { kind: 'discarded' };
  }
  return { kind: 'present', location, sizeBytes, sha };
}

function failure<C>({ op }: Operation<C>, code: number, body: Json, response: WireResponse): Reply {
  const { status } = response;
  const passing = status >= 500 || status === 429;
  const [meaning, hint, remedy] = MEANINGS[code] ?? (passing ? FAILING : REFUSED);
  const said = toText(body.message).replace(/\s+/g, ' ').slice(0, 200);
  const reply = failed(response, meaning, `${hint} (server: ${code}${said && ` ${said}`})`, {
    // Finish checks the whole: when that is wrong, sending the finish again cannot mend it.
    remedy: op === 'finish' && meaning === 'integrity' ? 'none' : remedy,
    wireCode: code,
    requestId: toText(body.request_id) || undefined,
  });
  const { error } = reply;

  if (code === CONFLICT) return { kind: 'conflict', error };
  if (code === NOT_FOUND || (status === 404 && code !== BUCKET_NOT_FOUND)) {
    if (op === 'list') return { kind: 'absent' };
    if (op === 'discard') return { kind: 'discarded' };
    if (op === 'slice' || op === 'finish') return { kind: 'session-gone', error };
  }
  if (op === 'init' && code === UNFINISHED) return { kind: 'unfinished' };
  // No document names the code for missing slices, so every refusal of the request as such is looked into.
  if (op === 'finish' && (code === UNFINISHED || meaning === 'bad-request')) return { kind: 'incomplete', error };
  return reply;
}

/** By default worth another try. */
function failed(
  response: WireResponse,
  code: ErrorCode,
  message: string,
  details?: ErrorDetails,
): Reply & { kind: 'failed' } {
  const dateMs = Date.parse(response.header('date') ?? '');
  const facts: ErrorDetails = {
    remedy: 'backoff',
    httpStatus: response.status,
    serverDateMs: Number.isNaN(dateMs) ? undefined : dateMs,
    retryAfterMs: toDelayMs(response.header('retry-after'), dateMs),
  };
  return { kind: 'failed', error: new CosSliceError(code, message, { ...facts, ...details }) };
}

/** `Retry-After` in seconds or as a date; a date counts from the server's own. */
function toDelayMs(value = '', serverDateMs: number): number | undefined {
  const delayMs = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - serverDateMs;
  return Number.isNaN(delayMs) ? undefined : Math.max(0, delayMs);
}

function toRanges(value: unknown): readonly ByteRange[] | undefined {
  const list = typeof value === 'string' && value ? parseJson(value) : (value ?? '');
  if (list === '') return [];
  if (!Array.isArray(list)) return undefined;
  const ranges = list.map(toObject).map(({ offset, datalen }) => ({
    offset: toInteger(offset) ?? -1,
    length: toInteger(datalen) ?? -1,
  }));
  return ranges.every(({ offset, length }) => offset >= 0 && length >= 0) ? ranges : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Anything else is as good as an empty object. */
function toObject(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

/** Numbers or numeric strings (protocol section 1). */
function toInteger(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : undefined;
}

/** Empty when there is none. */
function toText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
