import type { WireRequest, WireResponse } from '@cos-slice/core';

/** What a request says: its fields, or what its address says, in the words of the JSON API. */
export type Fields = Readonly<Record<string, string>>;

export function fieldsOf({ method, url, headers, fields }: WireRequest<Uint8Array>): Fields {
  if (fields) return Object.fromEntries(fields);
  const query = new URL(url).searchParams;
  const session = query.get('uploadId');
  const number = query.get('partNumber');
  const marker = query.get('part-number-marker');
  const checksum = headers?.['Content-MD5'];
  return {
    api: 'xml',
    op: query.has('uploads') ? 'upload_slice_init' : session === null ? method : opOf(method),
    ...(session !== null && { session }),
    ...(number !== null && { offset: number }),
    ...(marker !== null && { marker }),
    ...(checksum !== undefined && { datamd5: checksum }),
  };
}

function opOf(method: string): string {
  if (method === 'PUT') return 'upload_slice_data';
  if (method === 'GET') return 'upload_slice_list';
  return method === 'POST' ? 'upload_slice_finish' : 'discard';
}

/** Slices that a list names, out of those that it would have named. */
export interface Listed {
  readonly session: string;
  readonly offsets: ReadonlySet<number>;
  covers(offset: number): boolean;
}

export interface Heard {
  readonly isDone: boolean;
  readonly listed?: Listed | undefined;
}

interface JsonReply {
  readonly code?: unknown;
  readonly data?: { readonly session?: string; readonly listparts?: readonly { readonly offset: number }[] };
}

/** What a reply says, whatever it is written in. */
export function readReply(fields: Fields, { status, body }: WireResponse): Heard {
  if (fields.api !== 'xml') return readJson(body);
  const isDone = status < 300 && !body.includes('<Error>');
  if (!isDone || fields.session === undefined || !body.includes('</ListPartsResult>')) return { isDone };
  const offsets = new Set([...body.matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => Number(number)));
  const from = Number(fields.marker ?? 0);
  const isLast = !body.includes('<IsTruncated>true<');
  const to = isLast ? Number.POSITIVE_INFINITY : Math.max(...offsets);
  return {
    isDone,
    listed: { session: fields.session, offsets, covers: (offset) => offset > from && offset <= to },
  };
}

function readJson(body: string): Heard {
  const { code, data } = parse(body);
  const isDone = code === 0;
  if (!isDone || data?.session === undefined || !data.listparts) return { isDone };
  const offsets = new Set(data.listparts.map(({ offset }) => offset));
  return { isDone, listed: { session: data.session, offsets, covers: () => true } };
}

function parse(body: string): JsonReply {
  try {
    return (JSON.parse(body) as JsonReply | null) ?? {};
  } catch {
    return {};
  }
}
