import { CosSliceError, type ErrorDetails } from '../../errors.ts';
import type { ByteRange, WireResponse } from '../../ports.ts';
import type { ObjectLocation, Operation, Reply } from '../operations.ts';
import { BUCKET_NOT_FOUND, CONFLICT, MEANINGS, NOT_FOUND, UNFINISHED } from './codes.ts';

type Json = { readonly [name: string]: unknown };

const MAX_SLICE_BYTES = 1024 * 1024 * 1024;

/** What a response means for the operation it answers (protocol sections 1 and 5). */
export function decode<C>(operation: Operation<C>, response: WireResponse): Reply {
  const body = parseBody(response.body);
  const code = body === undefined ? undefined : toInteger(body.code);
  if (body === undefined || code === undefined) {
    const what = `the server answered HTTP ${response.status} with something that is not this protocol: check the endpoint, or a proxy on the way`;
    return { kind: 'failed', error: new CosSliceError('bad-reply', what, { ...factsOf(response), remedy: 'backoff' }) };
  }
  if (code === 0) return success(operation, isObject(body.data) ? body.data : {}, response);
  return failure(operation, code, body, response);
}

function success<C>(operation: Operation<C>, data: Json, response: WireResponse): Reply {
  const incomprehensible = (what: string): Reply => ({
    kind: 'failed',
    error: new CosSliceError('bad-reply', `the server's reply to ${operation.op} ${what}`, {
      ...factsOf(response),
      remedy: 'backoff',
    }),
  });
  const location = toLocation(data);
  switch (operation.op) {
    case 'init':
    case 'list': {
      const session = toText(data.session);
      if (session === undefined) {
        if (!location) return incomprehensible('has neither a session nor a URL');
        return { kind: 'present', location, ...sizeAndSha(data) };
      }
      const sliceSizeBytes = toInteger(data.slice_size);
      if (sliceSizeBytes === undefined || sliceSizeBytes < 1 || sliceSizeBytes > MAX_SLICE_BYTES) {
        return incomprehensible('has no usable slice_size');
      }
      const serial = toInteger(data.serial_upload) === 1;
      if (operation.op === 'init') return { kind: 'opened', session, sliceSizeBytes, serial };
      const stored = toRanges(data.listparts);
      if (!stored) return incomprehensible('has a malformed listparts');
      return { kind: 'listed', session, sliceSizeBytes, serial, stored, ...sizeAndSha(data) };
    }
    case 'slice': {
      const { range, md5 } = operation;
      const echoedMd5 = toText(data.datamd5);
      if (md5 !== undefined && echoedMd5 !== undefined && echoedMd5.toLowerCase() !== md5) {
        const what = `the server stored other bytes at ${range.offset} than were sent`;
        return {
          kind: 'failed',
          error: new CosSliceError('integrity', what, { ...factsOf(response), remedy: 'backoff' }),
        };
      }
      if ((toInteger(data.offset) ?? range.offset) !== range.offset) return incomprehensible('is for another slice');
      if ((toInteger(data.datalen) ?? range.length) !== range.length) return incomprehensible('counts other bytes');
      return { kind: 'stored', ...(location ? { location } : {}) };
    }
    case 'finish':
    case 'single':
      return { kind: 'present', location: location ?? NOWHERE, ...sizeAndSha(data) };
    case 'discard':
      return { kind: 'discarded' };
  }
}

function failure<C>(operation: Operation<C>, code: number, body: Json, response: WireResponse): Reply {
  const error = toError(code, body, response);
  const gone = code === NOT_FOUND || (response.status === 404 && code !== BUCKET_NOT_FOUND);
  if (code === CONFLICT) return { kind: 'conflict', error };
  switch (operation.op) {
    case 'init':
      return code === UNFINISHED ? { kind: 'unfinished' } : { kind: 'failed', error };
    case 'list':
      return gone ? { kind: 'absent' } : { kind: 'failed', error };
    case 'slice':
      return gone ? { kind: 'session-gone', error } : { kind: 'failed', error };
    case 'finish':
      if (gone) return { kind: 'session-gone', error };
      // No document names the code for missing slices, so every refusal of the request as such is looked into.
      if (code === UNFINISHED || error.code === 'bad-request') return { kind: 'incomplete', error };
      // The whole was checked, and it is wrong: sending the finish again cannot mend it.
      if (error.code === 'integrity') return { kind: 'failed', error: toError(code, body, response, 'none') };
      return { kind: 'failed', error };
    case 'single':
      return { kind: 'failed', error };
    case 'discard':
      return gone ? { kind: 'discarded' } : { kind: 'failed', error };
  }
}

function toError(code: number, body: Json, response: WireResponse, remedy?: ErrorDetails['remedy']): CosSliceError {
  const transient = response.status >= 500 || response.status === 429;
  const meaning = MEANINGS.get(code) ?? {
    code: transient ? ('unavailable' as const) : ('bad-request' as const),
    remedy: transient ? ('backoff' as const) : ('none' as const),
    hint: transient ? 'the server failed' : 'the server refused the request',
  };
  const said = toText(body.message)?.replace(/\s+/g, ' ').slice(0, 200);
  const requestId = toText(body.request_id);
  return new CosSliceError(meaning.code, `${meaning.hint} (server: ${code}${said ? ` ${said}` : ''})`, {
    ...factsOf(response),
    remedy: remedy ?? meaning.remedy,
    wireCode: code,
    ...(requestId === undefined ? {} : { requestId }),
  });
}

function factsOf(response: WireResponse): ErrorDetails {
  const serverDateMs = Date.parse(response.header('date') ?? '');
  const retryAfterMs = parseRetryAfter(response.header('retry-after'), serverDateMs);
  return {
    httpStatus: response.status,
    ...(Number.isNaN(serverDateMs) ? {} : { serverDateMs }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** `Retry-After` in seconds or as a date; a date counts from the server's own. */
function parseRetryAfter(value: string | undefined, serverDateMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const delayMs = Date.parse(value) - serverDateMs;
  return Number.isNaN(delayMs) ? undefined : Math.max(0, delayMs);
}

const NOWHERE: ObjectLocation = { accessUrl: '', sourceUrl: '', url: '', resourcePath: '' };

function toLocation(data: Json): ObjectLocation | undefined {
  const [accessUrl, sourceUrl, url, resourcePath] = [
    data.access_url,
    data.source_url,
    data.url,
    data.resource_path,
  ].map(toText);
  if (accessUrl === undefined && url === undefined && sourceUrl === undefined) return undefined;
  return { accessUrl: accessUrl ?? '', sourceUrl: sourceUrl ?? '', url: url ?? '', resourcePath: resourcePath ?? '' };
}

function sizeAndSha(data: Json): { readonly sizeBytes?: number; readonly sha?: string } {
  const sizeBytes = toInteger(data.filesize);
  const sha = toText(data.sha)?.toLowerCase();
  return { ...(sizeBytes === undefined ? {} : { sizeBytes }), ...(sha ? { sha } : {}) };
}

function toRanges(value: unknown): readonly ByteRange[] | undefined {
  if (value === undefined || value === null || value === '') return [];
  const list = typeof value === 'string' ? parseJson(value) : value;
  if (!Array.isArray(list)) return undefined;
  const ranges: ByteRange[] = [];
  for (const entry of list) {
    const offset = isObject(entry) ? toInteger(entry.offset) : undefined;
    const length = isObject(entry) ? toInteger(entry.datalen) : undefined;
    if (offset === undefined || length === undefined || offset < 0 || length < 0) return undefined;
    ranges.push({ offset, length });
  }
  return ranges;
}

function parseBody(text: string): Json | undefined {
  const value = parseJson(text);
  return isObject(value) ? value : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Numbers or numeric strings (protocol section 1). */
function toInteger(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  if (typeof value === 'string' && /^-?\d{1,16}$/.test(value)) return Number(value);
  return undefined;
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
