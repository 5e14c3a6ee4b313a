import type { OptionIssue } from '../../errors.ts';
import type { ObjectOperationName, OperationName } from '../operations.ts';
import { percentEncode } from '../percent.ts';
import type { Target, Wire } from '../wire.ts';
import { objectHandlers } from './objects.ts';
import type { Profile } from './profile.ts';
import { cannot, type Dialect, type Handler } from './requests.ts';
import { uploadHandlers } from './uploads.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

export interface XmlWireOptions {
  /** Names it in resume records. */
  readonly name: string;
  readonly profile: Profile;
  readonly place: Omit<Target, 'path'>;
  /** `XmlWire.bucketName` */
  readonly bucketName: string;
  /** The URL of the bucket, with a slash at its end. */
  readonly bucketUrl: string;
  /** The same of another bucket; undefined where that cannot be told. */
  otherBucketUrl(bucket: string): string | undefined;
  /** What comes before the key where the source of a copy is named: the bucket, or its host. */
  readonly copyFrom: string;
  /** Sent with what makes an object: `Content-Type`, `Cache-Control`, metadata. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What is wrong with the place. */
  readonly issues: readonly OptionIssue[];
}

/** Uploads and objects over one of the XML APIs, without what signs its requests. Pure. */
export interface XmlWire extends Wire<XmlOperationName> {
  /** The bucket as those who sign call it: `films`; of COS `films-10055004`. */
  readonly bucketName: string;
  /** Its URL, with a slash at its end. */
  readonly bucketUrl: string;
}

type XmlOperationName = OperationName | ObjectOperationName;

export function createXmlWire(options: XmlWireOptions): XmlWire {
  const { name, profile, place, bucketName, bucketUrl, otherBucketUrl, copyFrom, headers = {}, issues } = options;
  const urlOf = (path: string): string => bucketUrl + encodeKey(path);
  const placeOf: Dialect['placeOf'] = ({ bucket, path }) => {
    const url = bucket === place.bucket ? bucketUrl : otherBucketUrl(bucket);
    if (url === undefined) throw cannot('bucket', 'must be the same: nothing tells the address of another one');
    return url + encodeKey(path);
  };
  const sourceOf: Dialect['sourceOf'] = (path) => `${copyFrom}/${encodeKey(path)}`;
  const dialect: Dialect = { profile, headers, urlOf, placeOf, sourceOf };
  const handlers = { ...uploadHandlers(dialect), ...objectHandlers(dialect) };
  const handlerOf = <Op extends XmlOperationName>(op: Op): Handler<Op> => handlers[op] as unknown as Handler<Op>;
  const wire: XmlWire = {
    name,
    place,
    bucketName,
    bucketUrl,
    traits: {
      sliceSize: {
        default: Math.max(8 * MIB, profile.minPartBytes),
        min: profile.minPartBytes,
        max: 5 * GIB,
        step: Math.min(MIB, profile.minPartBytes),
        chosenBy: 'client',
      },
      maxParts: 10_000,
      maxSingleBytes: 5 * GIB,
      integrity: profile.crc64 ? ['none', 'md5', 'crc64'] : ['none', 'md5'],
      crc64: profile.crc64?.algorithm,
      detectsUnfinished: false,
      tagsSlices: true,
      signatureCovers: 'request',
    },
    check: ({ path }) => [...issues, ...keyIssues(path, profile.maxKeyBytes)],
    locate: ({ path }) => urlOf(path),
    encode: (operation, at) => handlerOf(operation.op).encode(operation, at),
    attach: (request) => request,
    effectOf: () => 'multi',
    decode: (operation, response, at) => handlerOf(operation.op).decode(operation, response, at),
  };
  // Directories end in a slash, and the bucket has an empty path.
  return {
    ...wire,
    objects: {
      ...wire,
      copiesBetweenBuckets: true,
      check: (target) => wire.check({ ...target, path: target.path.replace(/\/$/, '') || 'bucket' }),
    },
  };
}

/** Percent-encodes a key per segment, exactly once. */
function encodeKey(key: string): string {
  return key.split('/').map(percentEncode).join('/');
}

/** What is wrong with a key. Clients and proxies put `.` and `..` in order, and would ask for something else. */
function keyIssues(key: string, maxBytes: number): OptionIssue[] {
  const issue = (must: string): OptionIssue[] => {
    return [{ option: 'path', message: `must ${must}, got ${JSON.stringify(key).slice(0, 200)}` }];
  };
  if (/\p{Cs}/u.test(key)) return issue('be well-formed Unicode text');
  if (/(^|\/)\.{1,2}(\/|$)/.test(key)) return issue('not contain the segments . or ..');
  if (key === '' || key.endsWith('/')) return issue('name an object, without a slash at its end');
  const sizeBytes = percentEncode(key).replace(/%../g, '-').length;
  return sizeBytes > maxBytes ? issue(`have at most ${maxBytes} bytes in UTF-8`) : [];
}
