import { type Credentials, cosProfile, cosXml, profiles, s3 as s3Wire, type XmlWire } from '@cos-slice/node';
import type { UploadPlace, WireFacts } from '../../support/place.ts';
import { COS_CREDENTIALS, type CosFacade, startCosFacade } from './cos-facade.ts';
import { contentsOf, makeBucket, s3 } from './s3.ts';

/** Smaller than any server takes them, so that many parts are few bytes. */
export const PART_BYTES: number = 64 * 1024;

const FACTS = { sliceBytes: PART_BYTES, integrity: ['none', 'md5'], instant: false, onePerPath: false } as const;
/** Ceph's releases that are in use ignore the condition of finish, and its clock is the machine's. */
export const S3_FACTS: WireFacts = { ...FACTS, keepsSlices: false, movesClock: false };
export const COS_FACTS: WireFacts = { ...FACTS, keepsSlices: true, movesClock: true };

/** A bucket of Ceph that is uploaded to over a wire. */
export interface WirePlace extends UploadPlace {
  readonly options: { readonly wire: XmlWire; readonly signer: Credentials };
  readonly bucket: string;
  /** Where faults can be had. */
  readonly facade?: CosFacade;
}

/** What a wire comes to. */
interface Door {
  readonly port: number;
  readonly signer: Credentials;
  wireAt(endpoint: string): XmlWire;
  /** Of an object, in front of its path, at the gateway. */
  readonly urlPrefix: string;
  readonly astray: UploadPlace['astray'];
}

function placeBehind(
  endpoint: string,
  bucket: string,
  { port, signer, wireAt, urlPrefix, astray }: Door,
): Omit<WirePlace, 'close'> {
  const through = (at: number) => ({ wire: wireAt(`http://127.0.0.1:${at}`), signer });
  const get = async (path: string): Promise<Buffer> => {
    const { status, bytes, text } = await s3(endpoint, 'GET', path);
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
    return bytes;
  };
  return {
    port,
    bucket,
    through,
    options: through(port),
    astray: { ...astray, key: { signer: { ...signer, secretKey: 'ANOTHER KEY' } } },
    read: (path) => get(`/${bucket}/${path.split('/').map(encodeURIComponent).join('/')}`),
    follow: (url) => get(urlPrefix + new URL(url).pathname),
    unfinished: async () => (await contentsOf(endpoint, bucket)).uploads,
  };
}

/** S3, as Ceph speaks it. @param via a gateway beside the one that is looked through */
export function s3PlaceAt(endpoint: string, bucket: string, via: string = endpoint): Omit<WirePlace, 'close'> {
  const profile = { ...profiles.ceph, minPartBytes: PART_BYTES };
  const signer = { secretId: 'AK', secretKey: 'SK' };
  return placeBehind(endpoint, bucket, {
    port: Number(new URL(via).port),
    signer,
    wireAt: (at) => s3Wire({ endpoint: at, bucket, profile }),
    urlPrefix: '',
    astray: {
      bucket: { wire: s3Wire({ endpoint: via, bucket: 'nobucket', profile }) },
      address: { wire: s3Wire({ endpoint: `${via}/wrong/prefix`, bucket, profile }) },
    },
  });
}

/** The XML API of COS, of which a façade on that port is one bucket. */
export function cosPlaceAt(endpoint: string, bucket: string, port: number, strict = false): Omit<WirePlace, 'close'> {
  const wireAt = (at: string): XmlWire =>
    cosXml({
      region: 'ap-shanghai',
      bucket: 'films',
      appId: '10055004',
      endpoint: at,
      profile: { ...cosProfile, minPartBytes: PART_BYTES },
      strict,
    });
  return placeBehind(endpoint, bucket, {
    port,
    signer: COS_CREDENTIALS,
    wireAt,
    urlPrefix: `/${bucket}`,
    // Its address is one bucket's.
    astray: { address: { wire: wireAt(endpoint) } },
  });
}

export async function startS3Place(endpoint: string): Promise<WirePlace> {
  return { ...s3PlaceAt(endpoint, await makeBucket(endpoint)), close: async () => {} };
}

/** The XML API of COS, in front of Ceph. */
export async function startCosPlace(endpoint: string, strict = false): Promise<WirePlace> {
  const bucket = await makeBucket(endpoint);
  const facade = await startCosFacade(endpoint, bucket);
  return { ...cosPlaceAt(endpoint, bucket, facade.port, strict), facade, close: () => facade.close() };
}
