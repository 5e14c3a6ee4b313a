import type { WireRequest } from '../../ports.ts';
import type { Operation, Target } from '../operations.ts';

type Field = readonly [name: string, value: string];

/** Percent-encodes an object path per segment, exactly once (protocol section 1). */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** The request for an operation (protocol section 1). Content goes last, so that a server can stream it to its place. */
export function encode<C>(operation: Operation<C>, target: Target, signature: string): WireRequest<C> {
  const { endpoint, appId, bucket, path } = target;
  const url = `${endpoint}/${appId}/${bucket}/${encodePath(path)}`;
  const request = { method: 'POST', url, signature, fields: fieldsOf(operation) } as const;
  if (operation.op === 'slice') {
    const { content, range } = operation;
    return { ...request, content: { name: 'filecontent', body: content, sizeBytes: range.length } };
  }
  if (operation.op === 'single') {
    return { ...request, content: { name: 'filecontent', body: operation.content, sizeBytes: operation.sizeBytes } };
  }
  return request;
}

function fieldsOf<C>(operation: Operation<C>): readonly Field[] {
  switch (operation.op) {
    case 'init':
      return [
        ['op', 'upload_slice_init'],
        ['filesize', String(operation.sizeBytes)],
        ['slice_size', String(operation.sliceSizeBytes)],
        ...optional('sha', operation.sha),
        ...optional('uploadparts', operation.parts && JSON.stringify(operation.parts)),
        ...optional('biz_attr', operation.attributes),
        ['insertOnly', operation.overwrite ? '0' : '1'],
      ];
    case 'list':
      return [['op', 'upload_slice_list']];
    case 'slice':
      return [
        ['op', 'upload_slice_data'],
        ['session', operation.session],
        ['offset', String(operation.range.offset)],
        ...optional('sha', operation.sha),
        ...optional('datamd5', operation.md5),
      ];
    case 'finish':
      return [
        ['op', 'upload_slice_finish'],
        ['session', operation.session],
        ['filesize', String(operation.sizeBytes)],
        ...optional('sha', operation.sha),
      ];
    case 'single':
      return [
        ['op', 'upload'],
        ...optional('sha', operation.sha),
        ...optional('biz_attr', operation.attributes),
        ['insertOnly', operation.overwrite ? '0' : '1'],
      ];
    case 'discard':
      return [['op', 'delete']];
  }
}

function optional(name: string, value: string | undefined): readonly Field[] {
  return value === undefined ? [] : [[name, value]];
}
