import type { WireRequest } from '../../ports.ts';
import type { Operation } from '../operations.ts';
import type { Target } from '../wire.ts';

type Field = readonly [name: string, value: string | undefined];

/** Percent-encodes an object path per segment, exactly once (protocol section 1). */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** Where an object is (protocol section 1). */
export function locate({ endpoint, appId, bucket, path }: Target): string {
  return `${endpoint}/${appId}/${bucket}/${encodePath(path)}`;
}

/** The request for an operation (protocol section 1). Content goes last, so that a server can stream it to its place. */
export function encode<C>(operation: Operation<C>, url: string): WireRequest<C> {
  return { method: 'POST', url, fields: fieldsOf(operation).filter(isGiven), content: contentOf(operation) };
}

function contentOf<C>(operation: Operation<C>): WireRequest<C>['content'] {
  if (!('content' in operation)) return undefined;
  const sizeBytes = operation.op === 'slice' ? operation.range.length : operation.sizeBytes;
  return { name: 'filecontent', body: operation.content, sizeBytes };
}

function isGiven(field: Field): field is readonly [string, string] {
  return field[1] !== undefined;
}

/** In order; those without a value are left out. */
function fieldsOf<C>(operation: Operation<C>): Field[] {
  switch (operation.op) {
    case 'init':
      return [
        ['op', 'upload_slice_init'],
        ['filesize', String(operation.sizeBytes)],
        ['slice_size', String(operation.sliceSizeBytes)],
        ['sha', operation.sha],
        ['uploadparts', operation.parts && JSON.stringify(operation.parts)],
        ...creating(operation),
      ];
    case 'list':
      return [['op', 'upload_slice_list']];
    case 'slice':
      return [
        ['op', 'upload_slice_data'],
        ['session', operation.session],
        ['offset', String(operation.range.offset)],
        ['sha', operation.sha],
        ['datamd5', operation.md5],
      ];
    case 'finish':
      return [
        ['op', 'upload_slice_finish'],
        ['session', operation.session],
        ['filesize', String(operation.sizeBytes)],
        ['sha', operation.sha],
      ];
    case 'single':
      return [['op', 'upload'], ['sha', operation.sha], ...creating(operation)];
    case 'discard':
      // A field of our own: servers that do not know it delete what is at the path.
      return [
        ['op', 'delete'],
        ['session', operation.session],
      ];
  }
}

function creating({
  attributes,
  overwrite,
}: {
  readonly attributes?: string | undefined;
  overwrite: boolean;
}): Field[] {
  return [
    ['biz_attr', attributes],
    ['insertOnly', overwrite ? '0' : '1'],
  ];
}
