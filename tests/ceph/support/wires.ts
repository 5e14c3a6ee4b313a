import { type Credentials, cosProfile, cosXml, profiles, s3 as s3Wire, type XmlWire } from '@cos-slice/node';
import { makeBucket, s3 } from './bucket.ts';
import { COS_CREDENTIALS, type CosFacade, startCosFacade } from './cos-facade.ts';

/** A bucket that is uploaded to over a wire, and can be looked into past it. */
export interface WirePlace {
  readonly wire: XmlWire;
  readonly signer: Credentials;
  readonly bucket: string;
  /** Where faults can be had. */
  readonly facade?: CosFacade;
  /** Undefined where nothing is. */
  read(path: string): Promise<Buffer | undefined>;
  /** Uploads that were begun and have not ended. */
  unfinished(): Promise<string[]>;
  /** Ends one of them, past the wire. */
  abort(path: string, session: string): Promise<void>;
  close(): Promise<void>;
}

/** Smaller than any server takes them, so that many parts are few bytes. */
export const PART_BYTES: number = 64 * 1024;

async function bucketAt(endpoint: string) {
  const bucket = await makeBucket(endpoint);
  const encode = (path: string): string => path.split('/').map(encodeURIComponent).join('/');
  return {
    bucket,
    async read(path: string) {
      const { status, bytes } = await s3(endpoint, 'GET', `/${bucket}/${encode(path)}`);
      return status === 200 ? bytes : undefined;
    },
    async abort(path: string, session: string) {
      await s3(endpoint, 'DELETE', `/${bucket}/${encode(path)}?uploadId=${encodeURIComponent(session)}`);
    },
    async unfinished() {
      const { text } = await s3(endpoint, 'GET', `/${bucket}?uploads`);
      return [...text.matchAll(/<UploadId>(.*?)<\/UploadId>/g)].map(([, id = '']) => id);
    },
  };
}

/** S3, as Ceph speaks it. */
export async function startS3Place(endpoint: string): Promise<WirePlace> {
  const place = await bucketAt(endpoint);
  const wire = s3Wire({ endpoint, bucket: place.bucket, profile: { ...profiles.ceph, minPartBytes: PART_BYTES } });
  return { ...place, wire, signer: { secretId: 'AK', secretKey: 'SK' }, close: async () => {} };
}

/** The XML API of COS, in front of Ceph. */
export async function startCosPlace(endpoint: string, strict = false): Promise<WirePlace> {
  const place = await bucketAt(endpoint);
  const facade = await startCosFacade(endpoint, place.bucket);
  const wire = cosXml({
    region: 'ap-shanghai',
    bucket: 'films',
    appId: '10055004',
    endpoint: facade.endpoint,
    profile: { ...cosProfile, minPartBytes: PART_BYTES },
    strict,
  });
  return { ...place, wire, facade, signer: COS_CREDENTIALS, close: () => facade.close() };
}
