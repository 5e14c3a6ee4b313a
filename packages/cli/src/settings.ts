import {
  type CredentialsProvider,
  profiles,
  type RequestSigner,
  remoteCredentials,
  remoteSigner,
  type Signer,
} from '@cos-slice/node';
import { UsageError } from './failure.ts';
import { choiceFlag, type Flag, type Flags, nameOf, optionDoc, switchFlag, type Values } from './flags.ts';
import { WIRES, type WireName } from './place.ts';

/** A text that is the same in a flag, a variable and a file with one line. Empty counts as not given. */
function setting(usage: string, doc: string, variable: string, secret?: Flag['secret']): Flag<string | undefined> {
  return {
    usage,
    doc,
    variable,
    ...(secret && { secret }),
    read(given, name) {
      const text = String(given ?? '');
      // Nobody sees what a file or an editor has added, and a key that has it fits nothing.
      if (/[\r\n]/.test(text)) throw new UsageError(`${name} holds a line break: give it without`);
      if (text !== text.trim()) throw new UsageError(`${name} begins or ends in white space: cut it off`);
      return text === '' ? undefined : text;
    },
  };
}

/** What an S3 server is. */
export type ServerKind = keyof typeof profiles;

const APP_ID = setting('--app-id <ID>', optionDoc('appId'), 'COS_APP_ID');
const SECRET_ID = setting('--secret-id <ID>', 'secret id', 'COS_SECRET_ID');
const SECRET_KEY = setting('--secret-key <KEY>', 'secret key', 'COS_SECRET_KEY', 'always');

type Settings<N extends string> = Readonly<Record<N, Flag<string | undefined>>>;

/** Who somebody is to a server. */
export const ACCOUNT: Settings<'appId' | 'secretId' | 'secretKey'> = {
  appId: APP_ID,
  secretId: SECRET_ID,
  secretKey: SECRET_KEY,
};

/** How a server is reached, and by whom. */
export const CONNECTION: Settings<'endpoint' | 'region' | 'token' | 'url' | 'credentialsUrl' | keyof typeof ACCOUNT> & {
  readonly wire: Flag<WireName | undefined>;
  readonly server: Flag<ServerKind | undefined>;
  readonly pathStyle: Flag<boolean>;
} = {
  wire: {
    ...choiceFlag('--wire <WIRE>', 'what a BUCKET without cos:// or s3:// speaks', WIRES, 'json'),
    variable: 'COS_SLICE_WIRE',
  },
  endpoint: setting(
    '--endpoint <URL>',
    `${optionDoc('endpoint')}, such as https://sh.file.myqcloud.com/files/v2; of s3 its server's, of cos one instead of the usual`,
    'COS_SLICE_ENDPOINT',
  ),
  region: setting('--region <NAME>', 'of cos and s3: such as ap-shanghai or us-east-1', 'COS_REGION'),
  ...ACCOUNT,
  token: setting('--token <TOKEN>', 'of temporary credentials for cos and s3', 'COS_SECRET_TOKEN', 'always'),
  url: setting(
    '--sign-url <URL>',
    'ask this service for signatures instead of holding a key: of json for one of a path, of cos and s3 for those of requests',
    'COS_SIGN_URL',
    'in-url',
  ),
  credentialsUrl: setting(
    '--credentials-url <URL>',
    'of cos and s3: ask this service for temporary credentials instead of holding a key',
    'COS_CREDENTIALS_URL',
    'in-url',
  ),
  server: choiceFlag(
    '--server <KIND>',
    'what an s3 server is, where its address does not tell',
    Object.keys(profiles) as ServerKind[],
  ),
  pathStyle: switchFlag('--path-style', 'of s3: the bucket in the path, also where a server likes it in its name'),
} as const satisfies Flags;

/** The variables that the other wires have for the same, by the flags' names. */
export const COS_VARIABLES: Readonly<Record<string, string>> = { endpoint: 'COS_ENDPOINT' };
export const S3_VARIABLES: Readonly<Record<string, string>> = {
  endpoint: 'AWS_ENDPOINT_URL_S3',
  region: 'AWS_REGION',
  secretId: 'AWS_ACCESS_KEY_ID',
  secretKey: 'AWS_SECRET_ACCESS_KEY',
  token: 'AWS_SESSION_TOKEN',
};

/** Through what a server is reached. */
export const PROXY: Flag<string | undefined> = {
  usage: '--proxy <URL>',
  doc: optionDoc('proxy'),
  secret: 'in-url',
  read(given, name) {
    const text = given === undefined ? undefined : String(given);
    if (text !== undefined && !(URL.canParse(text) && /^https?:/i.test(text))) {
      throw new UsageError(`${name} must be the URL of a proxy, such as http://proxy.example:3128`);
    }
    return text;
  },
};

/** Variables that every command minds which talks to a server. */
export const NETWORK_VARIABLES: Readonly<Record<string, string>> = {
  HTTP_PROXY: 'which proxy to go through; HTTPS_PROXY and NO_PROXY, too',
  NODE_EXTRA_CA_CERTS: 'a file of more certificates to trust',
  COS_ENDPOINT: 'of cos: what --endpoint is',
  AWS_REGION: 'of s3, as are AWS_ENDPOINT_URL(_S3), AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN',
};

/** The settings named, or one message that names every missing one. @throws UsageError */
export function required<F extends Flags, N extends keyof F & string>(
  flags: F,
  values: Values<F>,
  names: readonly N[],
): Record<N, string> {
  const missing = names.flatMap((name) => (values[name] === undefined ? (flags[name] ?? []) : []));
  if (missing.length > 0) {
    throw new UsageError(`missing ${missing.map((flag) => `${nameOf(flag)} (or ${flag.variable})`).join(', ')}`);
  }
  return values as Record<N, string>;
}

export function toRemoteSigner(text: string, proxy: string | undefined): Signer & RequestSigner {
  return remoteSigner({ ...toService(text, CONNECTION.url), ...(proxy !== undefined && { proxy }) });
}

export function toRemoteCredentials(text: string, proxy: string | undefined): CredentialsProvider {
  return remoteCredentials({ ...toService(text, CONNECTION.credentialsUrl), ...(proxy !== undefined && { proxy }) });
}

/** `user:password@` in the URL becomes basic authentication, which fetch does not do by itself. @throws UsageError */
function toService(text: string, flag: Flag): { readonly url: string; readonly headers?: Record<string, string> } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(`${nameOf(flag)} (or ${flag.variable}) must be a URL that starts with http:// or https://`);
  }
  const { username, password } = url;
  if (username === '' && password === '') return { url: text };
  url.username = '';
  url.password = '';
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return { url: url.href, headers: { Authorization: `Basic ${credentials}` } };
}
