import type { OptionIssue } from '../../errors.ts';
import { cosProfile, type Profile } from '../xml/profile.ts';
import { createXmlWire, type XmlWire } from '../xml/wire.ts';

export interface CosPlace {
  /** `ap-shanghai`, or a name of the JSON API (`sh`), which is translated. */
  readonly region: string;
  /** Without the application's id. */
  readonly bucket: string;
  readonly appId: string | number;
  /** Another address of the bucket: a domain of your own, or of acceleration, `https://films-10055004.cos.accelerate.myqcloud.com`. */
  readonly endpoint?: string | undefined;
  /** Facts of another server that speaks the protocol. */
  readonly profile?: Profile | undefined;
  /** Sent with what makes an object: `Content-Type`, `Cache-Control`, `x-cos-meta-*`, `x-cos-acl`, `x-cos-storage-class`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Regions of the JSON API, and what the XML API calls them. */
export const cosRegions: Readonly<Record<string, string>> = {
  tj: 'ap-beijing-1',
  bj: 'ap-beijing',
  sh: 'ap-shanghai',
  gz: 'ap-guangzhou',
  cd: 'ap-chengdu',
  sgp: 'ap-singapore',
  hk: 'ap-hongkong',
  ca: 'na-toronto',
  ger: 'eu-frankfurt',
};

const BUCKET = /^[a-z0-9][a-z0-9-]{0,49}$/;

/** The XML API of COS, without what signs its requests. */
export function cosXmlWire({ region, bucket, appId, endpoint, profile, headers }: CosPlace): XmlWire {
  const issues: OptionIssue[] = [];
  const check = (option: string, isRight: boolean, message: string): void => {
    if (!isRight) issues.push({ option: `wire.${option}`, message });
  };
  const id = String(appId);
  check('region', /^[a-z0-9-]{1,40}$/.test(String(region)), "must be a region's name, such as ap-shanghai");
  check('bucket', BUCKET.test(String(bucket)), "must be a bucket's name, without the application's id");
  check('bucket', !String(bucket).endsWith(`-${id}`), "must not end in the application's id: it is added");
  check('appId', /^\d{1,20}$/.test(id), "must be the application's id, a number");
  const own = endpoint === undefined ? undefined : String(endpoint).replace(/\/+$/, '');
  check('endpoint', own === undefined || /^https?:\/\/[^/?#@\s]+$/.test(own), 'must be a URL with a host and no path');
  const hostOf = (name: string): string => `${name}-${id}.cos.${cosRegions[region] ?? region}.myqcloud.com`;
  const host = hostOf(bucket);
  const base = own ?? `https://${host}`;
  return createXmlWire({
    name: 'cos-xml',
    profile: profile ?? cosProfile,
    place: { endpoint: base, appId: id, bucket },
    bucketName: `${bucket}-${id}`,
    bucketUrl: `${base}/`,
    // An address of its own is one bucket's.
    otherBucketUrl: (other) => (own === undefined && BUCKET.test(other) ? `https://${hostOf(other)}/` : undefined),
    copyFrom: host,
    headers,
    issues,
  });
}
