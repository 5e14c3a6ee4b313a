import type { Store, StoreLimits } from '../store.ts';
import { type Abilities, probeAbilities } from './abilities.ts';
import { createCalls } from './calls.ts';
import { createClient, type S3CallInfo } from './client.ts';
import { credentialsFromEnvironment, type S3CredentialsSource, untrimmedIssue } from './credentials.ts';
import { createS3Directories } from './directories.ts';
import { createKeys, type S3Location } from './keys.ts';
import { createS3Locker, type LockerTimes } from './locker.ts';
import { createObjects } from './objects.ts';
import { createS3OnceRegister } from './once.ts';
import { createRecords } from './records.ts';
import { createSessions } from './sessions.ts';
import { createS3Spool, type S3Spool } from './spool.ts';
import { tidyStore } from './tidy.ts';
import { createTransport } from './transport.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const MAX_PARTS = 10_000;
/** S3 copies no more in one request. */
const MAX_COPY_BYTES = 5 * GIB;

export interface S3StoreOptions extends S3Location {
  /** Such as `http://ceph.example:7480`. Default: that of AWS for the region. */
  readonly endpoint?: string;
  /** Default `us-east-1`, which stores other than AWS mostly do not look at. */
  readonly region?: string;
  /** Default {@link credentialsFromEnvironment}. A function is asked again when what it gave is about to expire. */
  readonly credentials?: S3CredentialsSource;
  /** Where the objects of a bucket lie, by `<appid>/<bucket>`. Default `<prefix>/<appid>/<bucket>/` in `bucket`. */
  readonly mapping?: Readonly<Record<string, S3Location>>;
  /** Whether the bucket comes first in the path, and not in the host's name. Default: except on AWS and COS. */
  readonly pathStyle?: boolean;
  /** The smallest part that the store takes, which is the smallest slice. Default 5 MiB; 1 MiB on COS. */
  readonly minPartBytes?: number;
  /** The largest slice. Default 5 GiB. */
  readonly maxPartBytes?: number;
  /** The store copies no more in one request. Default 5 GiB. */
  readonly maxCopyBytes?: number;
  /** What the store heeds, where that is known already. Default: tried out at the start. */
  readonly abilities?: Abilities;
  readonly lockTimes?: LockerTimes;
  /** Told of each request to the store. Must not throw. */
  readonly onCall?: (info: S3CallInfo) => void;
  /** Told at the start what the store heeds. */
  readonly onAbilities?: (abilities: Abilities) => void;
}

/**
 * Keeps objects in a store that speaks S3, at `<prefix>/<appid>/<bucket>/<path>`, and everything else below
 * `<prefix>/.cos-slice/`. Any number of servers may use it at the same time; none of them remembers anything that another needs.
 *
 * @throws TypeError for options that cannot be used
 */
export function s3Store(options: S3StoreOptions): Store {
  const { bucket, prefix, mapping, region = 'us-east-1', maxCopyBytes = MAX_COPY_BYTES } = options;
  const endpoint = options.endpoint ?? `https://s3.${region}.amazonaws.com`;
  checkOptions(options, endpoint);
  const { hostname } = new URL(endpoint);
  const isCos = /\.(myqcloud\.com|tencentcos\.cn)$/.test(hostname);
  const isAws = /\.amazonaws\.com(\.cn)?$/.test(hostname);
  const transport = createTransport({
    endpoint,
    region,
    credentials: options.credentials ?? (() => credentialsFromEnvironment()),
    pathStyle: options.pathStyle ?? !(isAws || isCos),
  });
  const client = createClient(transport, options.onCall);
  const calls = createCalls(client);
  const keys = createKeys({ bucket, prefix }, mapping);
  let probing = options.abilities && Promise.resolve(options.abilities);

  const abilities = (): Promise<Abilities> =>
    (probing ??= probeAbilities(calls, keys.own).then(
      (found) => {
        options.onAbilities?.(found);
        return found;
      },
      (error) => {
        probing = undefined;
        throw error;
      },
    ));

  const locker = createS3Locker(calls, keys.own, abilities, options.lockTimes);
  const objects = createObjects({ calls, keys, locker, maxCopyBytes });
  const records = createRecords(calls, keys, abilities);
  const sessions = createSessions({ calls, keys, records, objects, abilities });
  const limits: StoreLimits = {
    minSliceBytes: options.minPartBytes ?? (isCos ? MIB : 5 * MIB),
    maxSliceBytes: options.maxPartBytes ?? 5 * GIB,
    maxSlices: MAX_PARTS,
    order: 'any',
    checksLateSha: false,
  };

  return {
    limits,
    onceRegister: createS3OnceRegister(calls, keys, abilities),
    async open() {
      await abilities();
    },
    createSession: sessions.create,
    getSession: sessions.get,
    findSession: sessions.find,
    sessions: sessions.all,
    createSpool: async () => createS3Spool(),
    putObject: (target, spool, labels, overwrite) => objects.put(target, spool as S3Spool, labels, overwrite),
    copyKnown: objects.copyKnown,
    async checkVacant(target, overwrite) {
      if (!overwrite) await objects.checkVacant(target, overwrite);
      else keys.object(target);
    },
    statObject: objects.stat,
    openObject: objects.open,
    deleteObject: objects.delete,
    describeObject: objects.describe,
    copyObject: (source, target, signedBy, overwrite) => objects.copy(source, target, signedBy, overwrite, false),
    moveObject: (source, target, signedBy, overwrite) => objects.copy(source, target, signedBy, overwrite, true),
    directories: createS3Directories({ calls, keys, objects, locker }),
    tidy: () => tidyStore({ calls, keys, objects, locker, records }),
    async close() {
      client.close();
    },
  };
}

function checkOptions(options: S3StoreOptions, endpoint: string): void {
  const { bucket, credentials = {}, minPartBytes, maxPartBytes, maxCopyBytes } = options;
  const issues: string[] = [];
  if (typeof bucket !== 'string' || !/^[\w.-]{3,255}$/.test(bucket)) issues.push('bucket: the name of one is needed');
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    issues.push('endpoint: must be an http or https URL');
  }
  const untrimmed = untrimmedIssue(credentials);
  if (untrimmed) issues.push(`credentials: ${untrimmed}`);
  for (const [name, value] of Object.entries({ minPartBytes, maxPartBytes, maxCopyBytes })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      issues.push(`${name}: must be a positive whole number`);
    }
  }
  if (issues.length > 0) throw new TypeError(`s3Store: ${issues.join('; ')}`);
}
