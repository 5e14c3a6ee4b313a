import type { WireResponse } from '../../ports.ts';
import type { ObjectLocation, Operation, OperationName, Present, Reply, SessionFacts } from '../operations.ts';
import { type Json, locationOf, parseJson, toInteger, toObject, toText } from './json.ts';

const MAX_SLICE_BYTES = 1024 * 1024 * 1024;

/**
 * The answers of an upload that goes straight on (protocol sections 1 and 3); undefined for any other, which `decode` makes
 * sense of. Apart from that, so that pages load it only when it comes to it.
 */
export function decodeStraight<C, Op extends OperationName>(
  operation: Operation<C, Op>,
  { body }: WireResponse,
): Reply<Op> | undefined {
  const read = READERS[operation.op] as Reader<Op> | undefined;
  if (!read) return undefined;
  const { code, data } = toObject(parseJson(body));
  return toInteger(code) === 0 ? read(toObject(data), operation) : undefined;
}

type Reader<Op extends OperationName> = (data: Json, operation: Operation<unknown, Op>) => Reply<Op> | undefined;

const READERS: { readonly [Op in OperationName]?: Reader<Op> } = {
  init(data) {
    const session = readSession(data);
    return session && { kind: 'opened', ...session };
  },
  slice(data, { range, md5 }) {
    const { offset, length } = range;
    const echoedMd5 = md5 && toText(data.datamd5).toLowerCase();
    if (echoedMd5 && echoedMd5 !== md5) return undefined;
    const fits = (toInteger(data.offset) ?? offset) === offset && (toInteger(data.datalen) ?? length) === length;
    return fits ? { kind: 'stored', location: readLocation(data) } : undefined;
  },
  finish: readObject,
  single: readObject,
};

/** Undefined when there is none, or one that cannot be worked with. */
export function readSession(data: Json): SessionFacts | undefined {
  const session = toText(data.session);
  const sliceSizeBytes = toInteger(data.slice_size) ?? 0;
  if (!session || sliceSizeBytes < 1 || sliceSizeBytes > MAX_SLICE_BYTES) return undefined;
  const serial = toInteger(data.serial_upload) === 1;
  return { session, sliceSizeBytes, serial, sessionDelete: toInteger(data.session_delete) === 1 || undefined };
}

export function readObject(data: Json): Present {
  const sha = toText(data.sha).toLowerCase() || undefined;
  return { kind: 'present', location: locationOf(data), sizeBytes: toInteger(data.filesize), sha };
}

/** Undefined when no address is told. */
export function readLocation(data: Json): ObjectLocation | undefined {
  const location = locationOf(data);
  return location.accessUrl || location.sourceUrl || location.url ? location : undefined;
}
