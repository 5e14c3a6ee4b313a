import { createSigner, remoteSigner, type Signer } from '@cos-slice/node';
import { UsageError } from './failure.ts';

/** Who asks, and where. Flags go before the environment. */
export interface AccountFlags {
  readonly endpoint?: string;
  readonly appId?: string;
  readonly secretId?: string;
  readonly secretKey?: string;
  readonly signUrl?: string;
}

type Name = keyof AccountFlags;

const NAMES: Readonly<Record<Name, { flag: string; variable: string }>> = {
  endpoint: { flag: '--endpoint', variable: 'COS_SLICE_ENDPOINT' },
  appId: { flag: '--app-id', variable: 'COS_APP_ID' },
  secretId: { flag: '--secret-id', variable: 'COS_SECRET_ID' },
  secretKey: { flag: '--secret-key', variable: 'COS_SECRET_KEY' },
  signUrl: { flag: '--sign-url', variable: 'COS_SIGN_URL' },
};

export function withEnvironment(flags: AccountFlags, environment: NodeJS.ProcessEnv): AccountFlags {
  const settings: Partial<Record<Name, string>> = {};
  for (const name of Object.keys(NAMES) as Name[]) {
    const value = flags[name] ?? environment[NAMES[name].variable];
    // Empty is what an unset variable becomes in scripts.
    if (value !== undefined && value !== '') settings[name] = value;
  }
  return settings;
}

/** The settings named, or one message that names every missing one. @throws UsageError */
export function required<N extends Name>(settings: AccountFlags, names: readonly N[]): Record<N, string> {
  const missing = names.filter((name) => settings[name] === undefined);
  if (missing.length > 0) {
    const list = missing.map((name) => `${NAMES[name].flag} (or ${NAMES[name].variable})`).join(', ');
    throw new UsageError(`missing ${list}`);
  }
  return settings as Record<N, string>;
}

export interface UploadSettings {
  readonly endpoint: string;
  readonly appId: string;
  readonly signerFor: (bucket: string) => Signer;
}

/** What an upload needs, all that is missing named at once. @throws UsageError */
export function uploadSettings(
  flags: AccountFlags & { readonly proxy?: string },
  environment: NodeJS.ProcessEnv,
): UploadSettings {
  if (flags.signUrl && flags.secretKey) {
    throw new UsageError('--sign-url and --secret-key exclude each other: give the one that is to sign');
  }
  const settings = withEnvironment(flags, environment);
  // A flag goes before any variable; among variables, the service that was set up to sign.
  const signUrl = flags.secretKey ? undefined : settings.signUrl;
  if (signUrl !== undefined) {
    const { endpoint, appId } = required(settings, ['endpoint', 'appId']);
    const remote = toRemoteSigner(signUrl, flags.proxy);
    return { endpoint, appId, signerFor: (): Signer => remote };
  }
  const { endpoint, appId, secretId, secretKey } = required(settings, ['endpoint', 'appId', 'secretId', 'secretKey']);
  const signerFor = (bucket: string): Signer => createSigner({ appId, bucket, secretId, secretKey });
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
