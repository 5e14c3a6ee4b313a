import type { OptionIssue } from '../../errors.ts';
import { type Profile, profiles } from '../xml/profile.ts';
import { createXmlWire, type XmlWire } from '../xml/wire.ts';

export interface S3Place {
  /** `https://s3.eu-central-1.amazonaws.com`, `http://127.0.0.1:7480`. */
  readonly endpoint: string;
  readonly bucket: string;
  /** Default: as servers of the profile like it. */
  readonly pathStyle?: boolean | undefined;
  /** What the server is, by name or by its facts. Default: what the endpoint's host tells, or what all have in common. */
  readonly profile?: keyof typeof profiles | Profile | undefined;
  /** Sent with what makes an object: `Content-Type`, `Cache-Control`, `x-amz-meta-*`, `x-amz-storage-class`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Hosts of services that are known by name. */
const HOSTS: readonly (readonly [host: RegExp, profile: keyof typeof profiles])[] = [
  [/\.amazonaws\.com(\.cn)?$/, 'aws'],
  [/\.aliyuncs\.com$/, 'oss'],
  [/\.r2\.cloudflarestorage\.com$/, 'r2'],
];

const BUCKET = /^(?!\.+$)[\w.-]{1,255}$/;

/** S3, without what signs its requests. */
export function s3Wire({ endpoint, bucket, pathStyle, profile, headers }: S3Place): XmlWire {
  const base = String(endpoint).replace(/\/+$/, '');
  const [, scheme = '', host = '', prefix = ''] = /^(https?:\/\/)([^/?#@\s]+)([^?#\s]*)$/.exec(base) ?? [];
  const facts = typeof profile === 'object' ? profile : profiles[profile ?? profileOf(host)];
  const inPath = pathStyle ?? facts?.pathStyle ?? true;
  const issues: OptionIssue[] = [];
  if (host === '') issues.push({ option: 'wire.endpoint', message: 'must be a URL with http:// or https://' });
  if (!BUCKET.test(String(bucket))) issues.push({ option: 'wire.bucket', message: "must be a bucket's name" });
  if (facts === undefined) {
    issues.push({ option: 'wire.profile', message: `must be ${Object.keys(profiles).join(' or ')}` });
  }
  const urlOf = (name: string): string =>
    inPath ? `${scheme}${host}${prefix}/${name}/` : `${scheme}${name}.${host}${prefix}/`;
  return createXmlWire({
    name: 's3',
    profile: facts ?? profiles.s3,
    place: { endpoint: base, appId: '-', bucket },
    bucketName: bucket,
    bucketUrl: urlOf(bucket),
    otherBucketUrl: (other) => (BUCKET.test(other) ? urlOf(other) : undefined),
    copyFrom: bucket,
    headers,
    issues,
  });
}

function profileOf(host: string): keyof typeof profiles {
  const name = host.replace(/:\d+$/, '');
  return HOSTS.find(([pattern]) => pattern.test(name))?.[1] ?? 's3';
}
