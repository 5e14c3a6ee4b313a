import { createHash } from 'node:crypto';
import { StoreError, type Target } from '../store.ts';
import type { Place } from './calls.ts';

/** Begins the keys of all that is not an object of a client. */
const OWN = '.cos-slice/';

/** A bucket of the store below, or what begins with a prefix in it. */
export interface S3Location {
  readonly bucket: string;
  /** What keys begin with; a slash comes behind it. Default nothing. */
  readonly prefix?: string | undefined;
}

export interface Keys {
  /** @throws StoreError `refused` for a path that would be among the server's own things */
  object(target: Target): Place;
  /** The marker of a directory, and what the keys in it begin with: it ends in a slash, unless it is empty. */
  directory(target: Target): Place;
  /** Something of the server's own. */
  own(name: string): Place;
  /** What keys in a directory begin with that are not there for clients. */
  isOwn(place: Place): boolean;
  /** All places that hold objects. */
  readonly locations: readonly Required<S3Location>[];
}

/**
 * Objects lie at `<prefix>/<appid>/<bucket>/<path>`, or below what the mapping says for `<appid>/<bucket>`; all else at
 * `<prefix>/.cos-slice/`.
 */
export function createKeys(home: S3Location, mapping: Readonly<Record<string, S3Location>> = {}): Keys {
  const { bucket, prefix } = normalise(home);
  const mapped = new Map(Object.entries(mapping).map(([name, location]) => [name, normalise(location)]));

  function inBucket(target: Target): Place {
    const own = mapped.get(`${target.appId}/${target.bucket}`);
    return own
      ? { bucket: own.bucket, key: own.prefix + target.path }
      : { bucket, key: `${prefix}${target.appId}/${target.bucket}/${target.path}` };
  }
  const isOwn = (place: Place) => place.bucket === bucket && `${place.key}/`.startsWith(prefix + OWN);

  return {
    object(target) {
      const place = inBucket(target);
      if (isOwn(place)) throw new StoreError('refused', { detail: `${OWN} is the server's own` });
      return place;
    },
    directory(target) {
      const place = inBucket(target);
      return target.path === '' ? place : { ...place, key: `${place.key}/` };
    },
    own: (name) => ({ bucket, key: prefix + OWN + name }),
    isOwn,
    locations: [{ bucket, prefix }, ...mapped.values()],
  };
}

/** Stands for a path in keys of the server's own. */
export function targetHash({ appId, bucket, path }: Target): string {
  return createHash('sha1').update(`${appId}/${bucket}/${path}`).digest('hex');
}

function normalise({ bucket, prefix = '' }: S3Location): Required<S3Location> {
  const bare = prefix.replace(/^\/+|\/+$/g, '');
  return { bucket, prefix: bare === '' ? '' : `${bare}/` };
}
