import type { Content } from '../content/content.ts';
import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { ProtocolError } from '../protocol/codes.ts';
import type { Grant } from '../signature/signature.ts';
import { createDirectory } from './create.ts';
import { uploadSliceData } from './data.ts';
import { deletePath } from './delete.ts';
import { finishUpload } from './finish.ts';
import { initUpload } from './init.ts';
import { listDirectory } from './list-directory.ts';
import { listSlices } from './list-slices.ts';
import { statPath } from './stat.ts';
import { copyAgain, copyFile, moveAgain, movePath } from './transfer.ts';
import { updatePath } from './update.ts';
import { uploadFile } from './upload.ts';
import { uploadSlice } from './upload-slice.ts';

export interface Operation {
  /** The kind of signature it takes (protocol section 2). */
  readonly signature: Grant['kind'] | 'either';
  /** What its path may be that of. */
  readonly at: 'file' | 'directory' | 'either';
  /** Whether it changes nothing, so that a GET will do. */
  readonly reads?: true;
  /** Answers the request: the reply's `data`. Content that it does not store is dropped by the caller. */
  readonly run: (exchange: Exchange, form: Form, content: Content | undefined) => Promise<object | undefined>;
  /** The same for a request that has been answered under a signature for one use; undefined when it was another one. */
  readonly again?: (exchange: Exchange, form: Form) => Promise<object | undefined>;
}

const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['upload_slice_init', { signature: 'multi', at: 'file', run: initUpload }],
  ['upload_slice_data', { signature: 'multi', at: 'file', run: uploadSliceData }],
  ['upload_slice_list', { signature: 'multi', at: 'file', reads: true, run: listSlices }],
  ['upload_slice_finish', { signature: 'multi', at: 'file', run: finishUpload }],
  ['upload_slice', { signature: 'multi', at: 'file', run: uploadSlice }],
  ['upload', { signature: 'multi', at: 'file', run: uploadFile }],
  ['create', { signature: 'multi', at: 'directory', run: createDirectory }],
  ['list', { signature: 'multi', at: 'either', reads: true, run: listDirectory }],
  ['stat', { signature: 'multi', at: 'either', reads: true, run: statPath }],
  ['update', { signature: 'once', at: 'either', run: updatePath }],
  ['copy', { signature: 'either', at: 'file', run: copyFile, again: copyAgain }],
  ['move', { signature: 'either', at: 'either', run: movePath, again: moveAgain }],
  ['delete', { signature: 'once', at: 'either', run: deletePath }],
]);

export function isOperation(op: string): boolean {
  return OPERATIONS.has(op);
}

/** @throws ProtocolError -5999 for an operation that this server does not have */
export function findOperation(op: string | undefined): Operation {
  const operation = OPERATIONS.get(op ?? '');
  if (!operation) {
    throw new ProtocolError('badParameter', op === undefined ? 'op is missing' : 'this server does not have this op');
  }
  return operation;
}
