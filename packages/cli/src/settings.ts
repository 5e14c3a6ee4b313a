import { createSigner, remoteSigner, type Signer } from '@cos-slice/node';
import { UsageError } from './failure.ts';
import { type Flag, type Flags, type Given, nameOf, optionDoc, readFlags, type Values } from './flags.ts';

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
export const CONNECTION: Settings<'endpoint' | keyof typeof ACCOUNT | 'url'> = {
  endpoint: setting(
    '--endpoint <URL>',
    `${optionDoc('endpoint')}, such as https://sh.file.myqcloud.com/files/v2`,
    'COS_SLICE_ENDPOINT',
  ),
  ...ACCOUNT,
  url: setting(
    '--sign-url <URL>',
    'ask this service for signatures instead of holding a key',
    'COS_SIGN_URL',
    'in-url',
  ),
} as const satisfies Flags;

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

export interface Connection {
  readonly endpoint: string;
  readonly appId: string;
  /** @param bound `false`: its signatures cover the whole bucket, and not one path each */
  readonly signerFor: (bucket: string, bound?: boolean) => Signer;
}

/** What a client needs, all that is missing named at once. @throws UsageError */
export function readConnection(given: Readonly<Record<string, Given>>, proxy: string | undefined): Connection {
  if (given.url && given.secretKey) {
    throw new UsageError('--sign-url and --secret-key exclude each other: give the one that is to sign');
  }
  const settings = readFlags(CONNECTION, given);
  // A flag goes before any variable; among variables, the service that was set up to sign.
  const signUrl = given.secretKey ? undefined : settings.url;
  if (signUrl !== undefined) {
    const { endpoint, appId } = required(CONNECTION, settings, ['endpoint', 'appId']);
    const remote = toRemoteSigner(signUrl, proxy);
    return { endpoint, appId, signerFor: (): Signer => remote };
  }
  const names = ['endpoint', 'appId', 'secretId', 'secretKey'] as const;
  const { endpoint, appId, secretId, secretKey } = required(CONNECTION, settings, names);
  const signerFor: Connection['signerFor'] = (bucket, bound = true) =>
    createSigner({ appId, bucket, secretId, secretKey, bound });
  return { endpoint, appId, signerFor };
}

/** `user:password@` in the URL becomes basic authentication, which fetch does not do by itself. */
function toRemoteSigner(text: string, proxy: string | undefined): Signer {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError('--sign-url (or COS_SIGN_URL) must be a URL that starts with http:// or https://');
  }
  const { username, password } = url;
  const through = proxy === undefined ? {} : { proxy };
  if (username === '' && password === '') return remoteSigner({ url: text, ...through });
  url.username = '';
  url.password = '';
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return remoteSigner({ url: url.href, headers: { Authorization: `Basic ${credentials}` }, ...through });
}

/** `bucket/dir/name` -> both. @throws UsageError */
export function parseTarget(text: string): { readonly bucket: string; readonly path: string } {
  const [, bucket, path] = /^\/*([^/]+)\/+(.*)$/s.exec(text) ?? [];
  if (bucket === undefined || path === undefined) {
    throw new UsageError(`the destination must be BUCKET/PATH (or BUCKET/ to keep the file's name), got '${text}'`);
  }
  return { bucket, path };
}
