import type { CosSliceError } from '../../errors.ts';
import type { ByteRange, WireResponse } from '../../ports.ts';
import type { Answer, AnyOperationName, Failure, Operation, OperationName, Present, Reply } from '../operations.ts';
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
import { type Json, parseJson, toInteger, toObject, toText } from './json.ts';
import { decodeStraight, readLocation, readObject, readSession } from './straight.ts';
import { xmlFailure } from './xml-error.ts';

/** What a response means for the operation it answers (protocol sections 1 and 5). */
export function decode<C, Op extends OperationName>(operation: Operation<C, Op>, response: WireResponse): Reply<Op> {
  const straight = decodeStraight(operation, response);
  if (straight) return straight;
  if (response.status === 413 && 'parts' in operation && operation.parts) return failed(response, ...TOO_MANY_PARTS);
  const body = toObject(parseJson(response.body));
  const code = toInteger(body.code);
  if (code === undefined) return xmlFailure(response) ?? foreignResponse(response);
  if (code !== 0) return refusal(operation.op, code, body, response);
  const read = READERS[operation.op] as Reader<Op>;
  return read(toObject(body.data), operation, response);
}

/** Slices that are smaller would make it worse. */
const TOO_MANY_PARTS = [
  'bad-request',
  "HTTP 413: the digests of this file's slices are more than the server takes, or a proxy before it: use integrity 'md5', or raise the limit (in nginx client_max_body_size, 1 MiB by default)",
  { remedy: 'none' },
] as const;

type Reader<Op extends OperationName> = (
  data: Json,
  operation: Operation<unknown, Op>,
  response: WireResponse,
) => Reply<Op>;

/** Successful replies that lead elsewhere, or nowhere. */
const READERS: { readonly [Op in OperationName]: Reader<Op> } = {
  init: (data, { op }, response) => readPresent(data, op, response),
  list(data, { op }, response) {
    const session = readSession(data);
    if (!session) {
      const present = readPresent(data, op, response);
      return typeof data.made_by === 'string' ? { ...present, madeBy: data.made_by } : present;
    }
    const stored = toRanges(data.listparts);
    if (!stored) return unusable('listparts', op, response);
    const { sizeBytes, sha } = readObject(data);
    return { ...session, kind: 'listed', stored, sizeBytes, sha };
  },
  slice(data, { op, range, md5 }, response) {
    const echoedMd5 = toText(data.datamd5).toLowerCase();
    if (md5 && echoedMd5 && echoedMd5 !== md5) return failed(response, CORRUPTED[0], CORRUPTED[1]);
    const isOffset = (toInteger(data.offset) ?? range.offset) === range.offset;
    return unusable(isOffset ? 'datalen' : 'offset', op, response);
  },
  finish: readObject,
  single: readObject,
  discard: () => ({ kind: 'discarded' }),
};

/** The object that makes a session unnecessary. */
function readPresent(data: Json, op: OperationName, response: WireResponse): Present | Failure {
  if (toText(data.session)) return unusable('slice_size', op, response);
  return readLocation(data) ? readObject(data) : unusable('session', op, response);
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
