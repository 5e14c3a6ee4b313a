import { createHash } from 'node:crypto';
import type { Exchange } from '../exchange.ts';
import type { PartSink } from '../form/multipart.ts';
import type { Settings } from '../options.ts';
import { ProtocolError } from '../protocol/codes.ts';
import type { Fields } from '../protocol/fields.ts';
import type { Spool } from '../store/store.ts';
import { receiveSlice } from './incoming-slice.ts';
import type { IncomingSlice } from './slice.ts';

/** Files up to this size may come in one `upload` request (protocol section 1). */
export const MAX_UPLOAD_BYTES: number = 20 * 1024 * 1024;

/** Where a request's content part went. */
export type Content =
  | { readonly kind: 'slice'; readonly slice: IncomingSlice }
  /** Set aside, because what it belongs to was not known yet or because it is a whole file. */
  | { readonly kind: 'spool'; readonly spool: Spool; sha(): string };

export interface OpenedContent {
  readonly content: Content;
  readonly sink: PartSink;
}

const SLICE_OPS: ReadonlySet<string | undefined> = new Set(['upload_slice_data', 'upload_slice']);

/** The largest content part any operation takes. */
export function maxContentBytes({ sliceSize }: Settings): number {
  return Math.max(MAX_UPLOAD_BYTES, sliceSize.maxBytes, sliceSize.forcedBytes ?? 0);
}

/** Chooses, by the fields that came before it, where the content goes while it streams in. */
export async function openContent(exchange: Exchange, fields: Fields): Promise<OpenedContent> {
  const isSlice = SLICE_OPS.has(fields.get('op'));
  if (isSlice && fields.has('session') && fields.has('offset')) {
    const slice = await receiveSlice(exchange, fields);
    return { content: { kind: 'slice', slice }, sink: slice };
  }
  const { store } = exchange.settings;
  const maxBytes = maxContentBytes(exchange.settings);
  const spool = await store.createSpool();
  const hash = isSlice ? undefined : createHash('sha1');
  return {
    content: { kind: 'spool', spool, sha: () => hash?.digest('hex') ?? '' },
    sink: {
      write(bytes) {
        if (spool.sizeBytes + bytes.length > maxBytes)
          throw new ProtocolError('badParameter', 'the content is too large');
        hash?.update(bytes);
        return spool.write(bytes);
      },
    },
  };
}

/** The request's slice, whichever way round its fields and its content came. The caller aborts it if not stored. */
export async function sliceOf(
  exchange: Exchange,
  fields: Fields,
  content: Content | undefined,
): Promise<IncomingSlice> {
  if (!content) throw new ProtocolError('badParameter', 'filecontent is missing');
  if (content.kind === 'slice') return content.slice;
  const slice = await receiveSlice(exchange, fields);
  try {
    for await (const chunk of content.spool.read()) await slice.write(chunk as Buffer);
    return slice;
  } catch (error) {
    await slice.abort();
    throw error;
  }
}

/** Lets go of content that was not stored. Never fails. */
export async function abortContent(content: Content | undefined): Promise<void> {
  if (content?.kind === 'slice') await content.slice.abort();
  else await content?.spool.abort();
}
