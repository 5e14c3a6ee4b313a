import type { Content } from '../content/content.ts';
import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { ProtocolError } from '../protocol/codes.ts';
import type { Grant } from '../signature/signature.ts';
import { uploadSliceData } from './data.ts';
import { deleteFile } from './delete.ts';
import { finishUpload } from './finish.ts';
import { initUpload } from './init.ts';
import { listSlices } from './list.ts';
import { uploadFile } from './upload.ts';
import { uploadSlice } from './upload-slice.ts';

export interface Operation {
  /** The kind of signature it takes (protocol section 2). */
  readonly signature: Grant['kind'];
  /** Answers the request: the reply's `data`. Content that it does not store is dropped by the caller. */
  readonly run: (exchange: Exchange, form: Form, content: Content | undefined) => Promise<object | undefined>;
}

const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['upload_slice_init', { signature: 'multi', run: initUpload }],
  ['upload_slice_data', { signature: 'multi', run: uploadSliceData }],
  ['upload_slice_list', { signature: 'multi', run: listSlices }],
  ['upload_slice_finish', { signature: 'multi', run: finishUpload }],
  ['upload_slice', { signature: 'multi', run: uploadSlice }],
  ['upload', { signature: 'multi', run: uploadFile }],
  ['delete', { signature: 'once', run: deleteFile }],
]);

/** @throws ProtocolError -5999 for an operation that this server does not have */
export function findOperation(op: string | undefined): Operation {
  const operation = OPERATIONS.get(op ?? '');
  if (!operation) {
    throw new ProtocolError('badParameter', op === undefined ? 'op is missing' : 'this server does not have this op');
  }
  return operation;
}
