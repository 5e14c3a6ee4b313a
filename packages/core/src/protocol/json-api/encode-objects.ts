import type { WireRequest } from '../../ports.ts';
import type { Authority } from '../entry.ts';
import type { Changes, Place } from '../object-operations.ts';
import type { ObjectOperationName, Operation } from '../operations.ts';

const PATTERNS = { both: 'eListBoth', files: 'eListFileOnly', directories: 'eListDirOnly' } as const;

/** Names of who may read, as the server has them. */
export const AUTHORITIES: Readonly<Record<Authority, string>> = {
  inherit: 'eInvalid',
  private: 'eWRPrivate',
  'public-read': 'eWPrivateRPublic',
};

/** Bits of `flag`: what an update changes. */
const FLAGS = { attributes: 0x01, customHeaders: 0x40, authority: 0x80 } as const;

type Fields = readonly (readonly [name: string, value: string | undefined])[];

/** The request for an operation on objects (protocol section 4). What changes something is a form, which costs pages no preflight. */
export function encodeObjects<C>(operation: Operation<C, ObjectOperationName>, url: string): WireRequest<C> {
  if (operation.op === 'stat') return { method: 'GET', url: `${url}?op=stat` };
  if (operation.op === 'entries') {
    const { pageSize, pattern, order, context = '' } = operation;
    const query = [
      'op=list',
      `num=${pageSize}`,
      `pattern=${PATTERNS[pattern]}`,
      `order=${order === 'ascending' ? 0 : 1}`,
      `context=${encodeURIComponent(context)}`,
    ];
    return { method: 'GET', url: `${url}?${query.join('&')}` };
  }
  const fields = fieldsOf(operation).filter((field): field is [string, string] => field[1] !== undefined);
  return { method: 'POST', url, fields };
}

function fieldsOf<C>(operation: Operation<C, ObjectOperationName>): Fields {
  switch (operation.op) {
    case 'create-directory':
      return [
        ['op', 'create'],
        ['biz_attr', operation.attributes],
      ];
    case 'remove':
      return [['op', 'delete']];
    case 'move':
    case 'copy':
      return [
        ['op', operation.op],
        ['dest_fileid', fileIdOf(operation.to)],
        ['to_over_write', operation.overwrite ? '1' : '0'],
      ];
    case 'update':
      return [
        ['op', 'update'],
        ['flag', String(flagOf(operation))],
        ['biz_attr', operation.attributes],
        ['authority', operation.authority && AUTHORITIES[operation.authority]],
        ['custom_headers', operation.customHeaders && JSON.stringify(operation.customHeaders)],
      ];
    default:
      return [];
  }
}

function flagOf(changes: Changes): number {
  const names = Object.keys(FLAGS) as (keyof typeof FLAGS)[];
  return names.reduce((flag, name) => (changes[name] === undefined ? flag : flag | FLAGS[name]), 0);
}

/** From the bucket. A path that looks as if it named application and bucket is given with both in front of it. */
function fileIdOf({ appId, bucket, path }: Place): string {
  const own = `${appId}/${bucket}/`;
  return path.startsWith(own) ? `/${own}${path}` : `/${path}`;
}
