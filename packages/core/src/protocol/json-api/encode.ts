import type { WireRequest } from '../../ports.ts';
import type { Operation, Target } from '../operations.ts';

type Fields = { readonly [name: string]: string | number | undefined };

/** Percent-encodes an object path per segment, exactly once (protocol section 1). */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** The request for an operation (protocol section 1). Content goes last, so that a server can stream it to its place. */
export function encode<C>(operation: Operation<C>, target: Target, signature: string): WireRequest<C> {
  const { endpoint, appId, bucket, path } = target;
  const fields: [string, string][] = [];
  for (const [name, value] of Object.entries(fieldsOf(operation))) {
    if (value !== undefined) fields.push([name, String(value)]);
  }
  const url = `${endpoint}/${appId}/${bucket}/${encodePath(path)}`;
  const request = { method: 'POST', url, signature, fields } as const;
  if (!('content' in operation)) return request;
  const sizeBytes = operation.op === 'slice' ? operation.range.length : operation.sizeBytes;
  return { ...request, content: { name: 'filecontent', body: operation.content, sizeBytes } };
}

/** In order; those that are undefined are left out. */
function fieldsOf<C>(operation: Operation<C>): Fields {
  switch (operation.op) {
    case 'init':
      return {
        op: 'upload_slice_init',
        filesize: operation.sizeBytes,
        slice_size: operation.sliceSizeBytes,
        sha: operation.sha,
        uploadparts: operation.parts && JSON.stringify(operation.parts),
        biz_attr: operation.attributes,
        insertOnly: operation.overwrite ? 0 : 1,
      };
    case 'list':
      return { op: 'upload_slice_list' };
    case 'slice':
      return {
        op: 'upload_slice_data',
        session: operation.session,
        offset: operation.range.offset,
        sha: operation.sha,
        datamd5: operation.md5,
      };
    case 'finish':
      return {
        op: 'upload_slice_finish',
        session: operation.session,
        filesize: operation.sizeBytes,
        sha: operation.sha,
      };
    case 'single':
      return {
        op: 'upload',
        sha: operation.sha,
        biz_attr: operation.attributes,
        insertOnly: operation.overwrite ? 0 : 1,
      };
    case 'discard':
      return { op: 'delete' };
  }
}
