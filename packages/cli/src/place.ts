import { UsageError } from './failure.ts';

/** What is spoken with a bucket's server: the JSON API, the XML API of COS, S3. */
export const WIRES = ['json', 'cos', 's3'] as const;
export type WireName = (typeof WIRES)[number];

/** What is in a bucket. A directory's path ends in a slash, and the bucket's is empty. */
export interface Place {
  /** As it is typed: `films`, `s3://films`, `cos://films-10055004`. */
  readonly bucket: string;
  readonly path: string;
}

const PLACE = /^((?:json|cos|s3):\/\/|\/*)([^/]+)(?:\/+(.*))?$/s;

/** `BUCKET`, `BUCKET/`, `BUCKET/dir/name`, `s3://BUCKET/dir/name` -> both. @throws UsageError */
export function parsePlace(text: string): Place {
  const [, scheme = '', name, path = ''] = PLACE.exec(text) ?? [];
  if (name === undefined || /^\w+:$/.test(name)) {
    throw new UsageError(`give BUCKET/PATH, cos://BUCKET-APPID/PATH or s3://BUCKET/PATH, got '${text}'`);
  }
  return { bucket: `${scheme.replace(/^\/+$/, '')}${name}`, path };
}

/** A place that is not the bucket itself. @throws UsageError */
export function parsePath(text: string): Place {
  const place = parsePlace(text);
  if (place.path === '') throw new UsageError(`'${text}' is a bucket: give BUCKET/PATH`);
  return place;
}

/** `BUCKET/PATH`, as it is typed. */
export function showPlace({ bucket, path }: Place): string {
  return `${bucket}/${path}`;
}

/** What an address says is spoken; undefined: nothing. */
export function wireOf(bucket: string): WireName | undefined {
  return WIRES.find((wire) => bucket.startsWith(`${wire}://`));
}

/** Of a bucket, without what is spoken there. */
export function nameOfBucket(bucket: string): string {
  return bucket.replace(/^\w+:\/\//, '');
}

/** With the slash that directories have. */
export function asDirectory(path: string): string {
  return path === '' || path.endsWith('/') ? path : `${path}/`;
}

export function isDirectory(path: string): boolean {
  return path === '' || path.endsWith('/');
}

/** The last segment, without a slash. */
export function nameOfPath(path: string): string {
  return path.replace(/\/$/, '').replace(/^.*\//s, '');
}
