import type { CosSliceError } from '../../errors.ts';
import type { ByteRange, WireResponse } from '../../ports.ts';
import type {
  Answer,
  AnyOperationName,
  Failure,
  ObjectLocation,
  Operation,
  OperationName,
  Present,
  Reply,
  SessionFacts,
} from '../operations.ts';
import { failed, foreignResponse, isPassing, quote } from '../responses.ts';
import {
  BUCKET_NOT_FOUND,
  CONFLICT,
  CORRUPTED,
  FAILING,
  MEANINGS,
  NOT_FOUND,
  REFUSED,
  TOO_LARGE,
  UNFINISHED,
} from './codes.ts';
import { xmlFailure } from './xml-error.ts';

export type Json = { readonly [name: string]: unknown };

const MAX_SLICE_BYTES = 1024 * 1024 * 1024;

/** What a response means for the operation it answers (protocol sections 1 and 5). */
export function decode<C, Op extends OperationName>(operation: Operation<C, Op>, response: WireResponse): Reply<Op> {
  const body = toObject(parseJson(response.body));
  const code = toInteger(body.code);
  if (code === undefined) return xmlFailure(response) ?? foreignResponse(response);
  if (code !== 0) return refusal(operation.op, code, body, response);
  const read = READERS[operation.op] as Reader<Op>;
  return read(toObject(body.data), operation, response);
}

type Reader<Op extends OperationName> = (
  data: Json,
  operation: Operation<unknown, Op>,
  response: WireResponse,
) => Reply<Op>;

/** Successful replies, read operation by operation. */
const READERS: { readonly [Op in OperationName]: Reader<Op> } = {
  init(data, { op }, response) {
    const session = readSession(data, op, response);
    return session.kind === undefined ? { ...session, kind: 'opened' } : session;
  },
  list(data, { op }, response) {
    const session = readSession(data, op, response);
    if (session.kind !== undefined) return session;
    const stored = toRanges(data.listparts);
    if (!stored) return unusable('listparts', op, response);
    const { sizeBytes, sha } = readObject(data);
    return { ...session, kind: 'listed', stored, sizeBytes, sha };
  },
  slice(data, { op, range, md5 }, response) {
    const echoedMd5 = toText(data.datamd5).toLowerCase();
    if (md5 && echoedMd5 && echoedMd5 !== md5) return failed(response, CORRUPTED[0], CORRUPTED[1]);
    if ((toInteger(data.offset) ?? range.offset) !== range.offset) return unusable('offset', op, response);
    if ((toInteger(data.datalen) ?? range.length) !== range.length) return unusable('datalen', op, response);
    return { kind: 'stored', location: readLocation(data) };
  },
  finish: readObject,
  single: readObject,
  discard: () => ({ kind: 'discarded' }),
};

/** A session, or the object that makes one unnecessary. */
function readSession(
  data: Json,
  op: OperationName,
  response: WireResponse,
): (SessionFacts & { readonly kind?: undefined }) | Present | Failure {
  const session = toText(data.session);
  if (!session) return readLocation(data) ? readObject(data) : unusable('session', op, response);
  const sliceSizeBytes = toInteger(data.slice_size) ?? 0;
  if (sliceSizeBytes < 1 || sliceSizeBytes > MAX_SLICE_BYTES) return unusable('slice_size', op, response);
  const serial = toInteger(data.serial_upload) === 1;
  return { session, sliceSizeBytes, serial, sessionDelete: toInteger(data.session_delete) === 1 || undefined };
}

function readObject(data: Json): Present {
  const sha = toText(data.sha).toLowerCase() || undefined;
  return { kind: 'present', location: locationOf(data), sizeBytes: toInteger(data.filesize), sha };
}

/** Undefined when no address is told. */
function readLocation(data: Json): ObjectLocation | undefined {
  const location = locationOf(data);
  return location.accessUrl || location.sourceUrl || location.url ? location : undefined;
}

export function locationOf(data: Json): ObjectLocation {
  return {
    accessUrl: toText(data.access_url),
    sourceUrl: toText(data.source_url),
    url: toText(data.url),
    resourcePath: toText(data.resource_path),
  };
}

export function unusable(field: string, op: AnyOperationName, response: WireResponse): Failure {
  return failed(response, 'bad-reply', `the server's reply to ${op} has no usable ${field}`);
}

/** What a refusal means where it is not simply a failure. */
const REFUSALS: { readonly [Op in OperationName]: (facts: Refusal) => Answer<Op> | undefined } = {
  init: ({ code }) => (code === UNFINISHED ? { kind: 'unfinished' } : undefined),
  list: ({ gone }) => (gone ? { kind: 'absent' } : undefined),
  slice: ({ gone, error }) => (gone ? { kind: 'session-gone', error } : undefined),
  finish({ code, gone, error }) {
    if (gone) return { kind: 'session-gone', error };
    // No document names the code for missing slices, so every refusal of the request as such is looked into.
    return code === UNFINISHED || error.code === 'bad-request' ? { kind: 'incomplete', error } : undefined;
  },
  single: () => undefined,
  discard: ({ gone }) => (gone ? { kind: 'discarded' } : undefined),
};

interface Refusal {
  readonly code: number;
  /** What was asked about does not exist. */
  readonly gone: boolean;
  readonly error: CosSliceError;
}

function refusal<Op extends OperationName>(op: Op, code: number, body: Json, response: WireResponse): Reply<Op> {
  const { status } = response;
  const [meaning, hint, remedy] =
    MEANINGS[code] ?? (status === 413 ? TOO_LARGE : isPassing(response) ? FAILING : REFUSED);
  const said = quote(toText(body.message));
  const reply = failed(response, meaning, `${hint} (server: ${code}${said && ` ${said}`})`, {
    // Finish checks the whole: when that is wrong, sending the finish again cannot mend it.
    remedy: op === 'finish' && meaning === 'integrity' ? 'none' : remedy,
    wireCode: code,
    requestId: toText(body.request_id) || undefined,
  });
  const { error } = reply;
  if (code === CONFLICT) return { kind: 'conflict', error };
  const gone = code === NOT_FOUND || (status === 404 && code !== BUCKET_NOT_FOUND);
  const answerOf: (facts: Refusal) => Answer<Op> | undefined = REFUSALS[op];
  return answerOf({ code, gone, error }) ?? reply;
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

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Anything else is as good as an empty object. */
export function toObject(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

/** Numbers or numeric strings (protocol section 1). */
export function toInteger(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : undefined;
}

/** Empty when there is none. */
export function toText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
