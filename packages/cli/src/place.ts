import { UsageError } from './failure.ts';

/** What is in a bucket, by its name. A directory's path ends in a slash, and the bucket's is empty. */
export interface Place {
  readonly bucket: string;
  readonly path: string;
}

/** `BUCKET`, `BUCKET/`, `BUCKET/dir/name` -> both. @throws UsageError */
export function parsePlace(text: string): Place {
  const [, bucket, path = ''] = /^\/*([^/]+)(?:\/+(.*))?$/s.exec(text) ?? [];
  if (bucket === undefined) throw new UsageError(`give BUCKET/PATH, got '${text}'`);
  return { bucket, path };
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
