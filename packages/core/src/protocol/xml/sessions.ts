import type { SessionOperationName } from '../operations.ts';
import type { Wire } from '../wire.ts';
import { decodeName } from './objects.ts';
import { childrenOf, readXml, textOf } from './reader.ts';
import { refusalOf } from './refusals.ts';
import { type Handler, unusable, withQuery } from './requests.ts';

const PAGE = 1000;
/** Nothing but what is left of a name that has been encoded. */
const ENCODED = /^(?:[\w.~/-]|%[\dA-F]{2})*$/;

/** Uploads in parts that have neither been finished nor aborted. */
const sessions: Handler<'sessions'> = {
  encode({ prefix, context }, at) {
    const [keyMarker, uploadIdMarker] = context ?? [];
    const after = { 'key-marker': keyMarker, 'max-uploads': PAGE, prefix, 'upload-id-marker': uploadIdMarker };
    return { method: 'GET', url: withQuery(at, { 'encoding-type': 'url', ...after, uploads: '' }) };
  },
  decode({ context }, response) {
    const root = readXml(response.body);
    const refusal = refusalOf(response, root);
    if (refusal) return refusal;
    if (root?.name !== 'ListMultipartUploadsResult') return unusable('list of uploads', response);
    const encoded = textOf(root, 'EncodingType') === 'url';
    // Ceph encodes, and does not say so.
    const nameIn = (text: string): string => (encoded || ENCODED.test(text) ? decodeName(text) : text);
    const found = childrenOf(root, 'Upload').map((element) => {
      const startedAtMs = Date.parse(textOf(element, 'Initiated'));
      return {
        path: nameIn(textOf(element, 'Key')),
        session: textOf(element, 'UploadId') || textOf(element, 'UploadID'),
        startedAt: Number.isNaN(startedAtMs) ? undefined : new Date(startedAtMs),
      };
    });
    if (found.some(({ path, session }) => path === '' || session === '')) return unusable('list of uploads', response);
    if (textOf(root, 'IsTruncated') !== 'true') return { kind: 'sessions', sessions: found };
    const last = found.at(-1);
    const next = [
      nameIn(textOf(root, 'NextKeyMarker')) || (last?.path ?? ''),
      textOf(root, 'NextUploadIdMarker') || textOf(root, 'NextUploadIDMarker') || (last?.session ?? ''),
    ] as const;
    // Pages that lead nowhere must not be turned for ever.
    if (next.join('\n') === context?.join('\n') || next[0] === '') return unusable('list of uploads', response);
    return { kind: 'sessions', sessions: found, context: next };
  },
};

/** A wire of an XML API, for the list of uploads. Apart from it, so that pages do not load what they never ask. */
export function sessionsOf(wire: Wire): Wire<SessionOperationName> {
  const { effectOf: _uploads, objects: _objects, adapt: _adapt, ...rest } = wire;
  return {
    ...rest,
    check: () => [],
    effectOf: () => 'multi',
    encode: (operation, at) => sessions.encode(operation, at),
    decode: (operation, response, at) => sessions.decode(operation, response, at),
  };
}
