import type { Crc64 } from '../../ports.ts';

/** What tells one server of the XML APIs from another, as data. */
export interface Profile {
  /** How headers of the API's own begin. */
  readonly prefix: 'x-amz-' | 'x-cos-';
  /** Bytes of a part at least, but of the last one. */
  readonly minPartBytes: number;
  /** All parts but the last must have the same size. Ours have in any case. */
  readonly equalParts: boolean;
  /** Numbers of parts must follow each other from 1. Ours do in any case. */
  readonly contiguousParts: boolean;
  /** Whether the ETag of a part or of an object that was sent whole is its MD5, where it is not encrypted with a key of one's own. */
  readonly md5Etag: boolean;
  /** Whether the ETag of an object in parts is the MD5 of its parts' MD5s. */
  readonly multipartEtag: boolean;
  /** The CRC-64 that the server tells of parts and objects; `sent`: it also takes it with them, and refuses what has another one. */
  readonly crc64?: { readonly algorithm: Crc64; readonly header: string; readonly sent: boolean } | undefined;
  /** Whether the result of finish names the ETag of the object: where it should and does not, it is none. */
  readonly finishEtag: boolean;
  /**
   * The header that keeps what is there from being replaced, the requests that it is sent with, and those that are known to
   * honour it. Where the first request of an upload is not among these, it is looked before whether something is there.
   */
  readonly keep: {
    readonly header: readonly [name: string, value: string];
    readonly sentOn: readonly Creating[];
    readonly honouredOn: readonly Creating[];
  };
  /** Of the list of objects. */
  readonly listVersion: 1 | 2;
  /** The bucket is in the path by default, not in front of the host. */
  readonly pathStyle: boolean;
  /** Bytes of an object's name in UTF-8. */
  readonly maxKeyBytes: number;
}

/** Requests that make an object, or begin to. */
export type Creating = 'single' | 'copy' | 'init' | 'finish';

const MIB = 1024 * 1024;
const IF_NONE_MATCH = ['If-None-Match', '*'] as const;
const EVERYWHERE = ['single', 'copy', 'init', 'finish'] as const;

const aws: Profile = {
  prefix: 'x-amz-',
  minPartBytes: 5 * MIB,
  equalParts: false,
  contiguousParts: false,
  md5Etag: true,
  multipartEtag: true,
  crc64: { algorithm: 'crc64-nvme', header: 'x-amz-checksum-crc64nvme', sent: true },
  finishEtag: true,
  keep: { header: IF_NONE_MATCH, sentOn: ['single', 'finish'], honouredOn: ['single', 'finish'] },
  listVersion: 2,
  pathStyle: false,
  maxKeyBytes: 1024,
};

/** What only some releases of other servers have, or none. */
const plain: Profile = { ...aws, crc64: undefined };

/** Servers that speak S3. `s3` is for any other: it takes for granted what all of them have in common. */
export const profiles: Readonly<Record<'aws' | 'ceph' | 'minio' | 'r2' | 'oss' | 's3', Profile>> = {
  aws,
  // Finish ignores the condition in most releases that are in use, and the ETag of its result is empty in some.
  ceph: { ...plain, finishEtag: false, keep: { ...aws.keep, honouredOn: ['single'] }, listVersion: 1, pathStyle: true },
  minio: { ...plain, pathStyle: true },
  r2: {
    ...plain,
    equalParts: true,
    keep: { header: IF_NONE_MATCH, sentOn: ['single'], honouredOn: ['single'] },
    pathStyle: true,
  },
  oss: {
    ...plain,
    minPartBytes: 100 * 1024,
    multipartEtag: false,
    keep: { header: ['x-oss-forbid-overwrite', 'true'], sentOn: EVERYWHERE, honouredOn: EVERYWHERE },
  },
  s3: {
    ...plain,
    keep: { ...aws.keep, honouredOn: [] },
    multipartEtag: false,
    finishEtag: false,
    listVersion: 1,
    pathStyle: true,
  },
};

/** Tencent COS by its own XML API. */
export const cosProfile: Profile = {
  prefix: 'x-cos-',
  minPartBytes: MIB,
  equalParts: false,
  contiguousParts: true,
  md5Etag: true,
  multipartEtag: false,
  crc64: { algorithm: 'crc64-xz', header: 'x-cos-hash-crc64ecma', sent: false },
  finishEtag: true,
  keep: { header: ['x-cos-forbid-overwrite', 'true'], sentOn: EVERYWHERE, honouredOn: EVERYWHERE },
  listVersion: 1,
  pathStyle: false,
  maxKeyBytes: 850,
};
