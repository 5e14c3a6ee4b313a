import {
  type ClientOptions,
  type Credentials,
  type CredentialsProvider,
  cosXml,
  createSigner,
  type RequestSigner,
  s3,
  type Wire,
} from '@cos-slice/node';
import { UsageError } from './failure.ts';
import { type Flags, type Given, nameOf, readFlags, type Values } from './flags.ts';
import { nameOfBucket, type WireName, wireOf } from './place.ts';
import { CONNECTION, COS_VARIABLES, required, S3_VARIABLES, toRemoteCredentials, toRemoteSigner } from './settings.ts';

/** A bucket's server, and what lets requests through to it. */
export interface Reach {
  readonly wire: WireName;
  /** What the library wants to be told. */
  readonly options: Pick<ClientOptions, 'endpoint' | 'appId' | 'bucket' | 'signer' | 'wire'>;
  readonly endpoint: string;
  /** Of the bucket, without a slash at its end. */
  readonly address: string;
}

/**
 * @param bucket as it is typed
 * @param bound `false`: signatures of the JSON API cover the whole bucket, and not one path each
 */
export type Connection = (bucket: string, bound?: boolean) => Reach;

/** What is spoken with a bucket's server. @throws UsageError */
export function wireFor(bucket: string, given: GivenFlags): WireName {
  return wireOf(bucket) ?? readFlags({ wire: CONNECTION.wire }, given).wire ?? 'json';
}

type GivenFlags = Readonly<Record<string, Given>>;
type Settings = Values<typeof CONNECTION>;

/**
 * What clients of these buckets need, all that is missing named at once.
 *
 * @param buckets as they are typed
 * @throws UsageError
 */
export function readConnection(given: GivenFlags, proxy: string | undefined, buckets: readonly string[]): Connection {
  const signing = WAYS_TO_SIGN.filter((name) => given[name]).map((name) => nameOf(CONNECTION[name]));
  if (signing.length > 1) {
    throw new UsageError(`${signing.join(' and ')} exclude each other: give the one that is to sign`);
  }
  const made = new Map<WireName, Connection>();
  for (const bucket of buckets) {
    const named = wireOf(bucket);
    if (named !== undefined && given.wire !== undefined && given.wire !== named) {
      throw new UsageError(`${bucket} and --wire ${given.wire} exclude each other: leave one of them out`);
    }
    const wire = wireFor(bucket, given);
    const connection = made.get(wire) ?? MAKERS[wire](given, proxy);
    made.set(wire, connection);
    if (wire === 'cos') connection(bucket);
  }
  return (bucket, bound) => {
    const wire = wireFor(bucket, given);
    return (made.get(wire) ?? MAKERS[wire](given, proxy))(bucket, bound);
  };
}

const MAKERS: Readonly<Record<WireName, (given: GivenFlags, proxy: string | undefined) => Connection>> = {
  json(given, proxy) {
    const settings = readFlags(CONNECTION, given);
    const signUrl = wayToSign({ ...settings, credentialsUrl: undefined }, given).url;
    const needed = signUrl === undefined ? KEYS : [];
    const { endpoint, appId, secretId, secretKey } = required(CONNECTION, settings, ['endpoint', 'appId', ...needed]);
    const remote = signUrl === undefined ? undefined : toRemoteSigner(signUrl, proxy);
    return (typed, bound = true) => {
      const bucket = nameOfBucket(typed);
      const signer = remote ?? createSigner({ appId, bucket, secretId, secretKey, bound });
      const address = [endpoint.replace(/\/+$/, ''), appId, bucket].join('/');
      return { wire: 'json', options: { endpoint, appId, bucket, signer }, endpoint, address };
    };
  },
  cos(given, proxy) {
    const flags = withVariables(COS_VARIABLES);
    const settings = readFlags(flags, given);
    const { region } = required(flags, settings, ['region', ...keysNeeded(settings, given)]);
    const signer = signerOf(settings, given, proxy);
    return (typed) => {
      const { bucket, appId } = cosBucket(nameOfBucket(typed), settings.appId);
      const { endpoint } = settings;
      const wire = cosXml({ region, bucket, appId, ...(endpoint !== undefined && { endpoint }) });
      return { wire: 'cos', options: { wire, signer }, ...addressOf(wire) };
    };
  },
  s3(given, proxy) {
    const flags = withVariables(S3_VARIABLES);
    const { AWS_DEFAULT_REGION, AWS_ENDPOINT_URL, ...environment } = process.env;
    const settings = readFlags(flags, given, {
      ...environment,
      AWS_REGION: environment.AWS_REGION || AWS_DEFAULT_REGION,
      AWS_ENDPOINT_URL_S3: environment.AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL,
    });
    const { region, server, pathStyle } = settings;
    const domain = region?.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
    const aws = region === undefined ? undefined : `https://s3.${region}.${domain}`;
    const endpoint = settings.endpoint ?? aws;
    required(flags, { ...settings, endpoint }, ['endpoint', ...keysNeeded(settings, given)]);
    const signer = signerOf(settings, given, proxy);
    return (typed) => {
      const wire = s3({
        endpoint: endpoint ?? '',
        bucket: nameOfBucket(typed),
        ...(region !== undefined && { region }),
        ...(server !== undefined && { profile: server }),
        ...(pathStyle && { pathStyle }),
      });
      return { wire: 's3', options: { wire, signer }, ...addressOf(wire) };
    };
  },
};

const WAYS_TO_SIGN = ['url', 'credentialsUrl', 'secretKey'] as const;
const KEYS = ['secretId', 'secretKey'] as const;

/** The one that signs. A flag goes before any variable; among variables, the service that was set up to sign. */
function wayToSign(settings: Settings, given: GivenFlags): Partial<Pick<Settings, (typeof WAYS_TO_SIGN)[number]>> {
  const way = WAYS_TO_SIGN.find((name) => given[name]) ?? WAYS_TO_SIGN.find((name) => settings[name] !== undefined);
  return way === undefined ? {} : { [way]: settings[way] };
}

function keysNeeded(settings: Settings, given: GivenFlags): readonly (typeof KEYS)[number][] {
  const { url, credentialsUrl } = wayToSign(settings, given);
  return (url ?? credentialsUrl) === undefined ? KEYS : [];
}

function signerOf(
  settings: Settings,
  given: GivenFlags,
  proxy: string | undefined,
): RequestSigner | Credentials | CredentialsProvider {
  const { url, credentialsUrl } = wayToSign(settings, given);
  if (url !== undefined) return toRemoteSigner(url, proxy);
  if (credentialsUrl !== undefined) return toRemoteCredentials(credentialsUrl, proxy);
  const { secretId = '', secretKey = '', token } = settings;
  return { secretId, secretKey, ...(token !== undefined && { token }) };
}

/** `films-10055004`, or `films` where the id is set. @throws UsageError */
function cosBucket(name: string, known: string | undefined): { readonly bucket: string; readonly appId: string } {
  const [, bucket = name, appId = known] = /^(.+)-(\d{5,})$/.exec(name) ?? [];
  if (appId !== undefined) return { bucket, appId };
  throw new UsageError(
    `${name} lacks the application's id: give cos://${name}-APPID, or ${nameOf(CONNECTION.appId)} (or ${CONNECTION.appId.variable})`,
  );
}

function withVariables(variables: Readonly<Record<string, string>>): typeof CONNECTION {
  const flags: Flags = CONNECTION;
  const entries = Object.entries(flags).map(([name, flag]) => {
    const variable = variables[name];
    return [name, variable === undefined ? flag : { ...flag, variable }];
  });
  return Object.fromEntries(entries);
}

function addressOf(wire: Wire): Pick<Reach, 'endpoint' | 'address'> {
  const { endpoint = '', appId = '', bucket = '' } = wire.place ?? {};
  return { endpoint, address: wire.locate({ endpoint, appId, bucket, path: '' }).replace(/\/$/, '') };
}
