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

export const ENVIRONMENT = {
  endpoint: 'COS_SLICE_ENDPOINT',
  appId: 'COS_APP_ID',
  secretId: 'COS_SECRET_ID',
  secretKey: 'COS_SECRET_KEY',
  signUrl: 'COS_SIGN_URL',
} as const;

const FLAGS = {
  endpoint: '--endpoint',
  appId: '--app-id',
  secretId: '--secret-id',
  secretKey: '--secret-key',
  signUrl: '--sign-url',
} as const;

type Name = keyof typeof ENVIRONMENT;

export function withEnvironment(flags: AccountFlags, environment: NodeJS.ProcessEnv): AccountFlags {
  const settings: Partial<Record<Name, string>> = {};
  for (const name of Object.keys(ENVIRONMENT) as Name[]) {
    const value = flags[name] ?? environment[ENVIRONMENT[name]];
    if (value !== undefined && value !== '') settings[name] = value;
  }
  return settings;
}

/** The settings named, or one message that names every missing one. @throws UsageError */
export function required<N extends Name>(settings: AccountFlags, names: readonly N[]): Record<N, string> {
  const missing = names.filter((name) => settings[name] === undefined);
  if (missing.length > 0) {
    const list = missing.map((name) => `${FLAGS[name]} (or ${ENVIRONMENT[name]})`).join(', ');
    throw new UsageError(`missing ${list}`);
  }
  return settings as Record<N, string>;
}

/** Signs here when there is a key, else asks the service at `--sign-url`. @throws UsageError */
export function toSigner(settings: AccountFlags, appId: string, bucket: string): Signer {
  if (settings.signUrl !== undefined && settings.secretKey === undefined) {
    return remoteSigner(settings.signUrl);
  }
  if (settings.secretId === undefined && settings.secretKey === undefined) {
    throw new UsageError(
      `missing ${FLAGS.secretId} and ${FLAGS.secretKey} (or ${ENVIRONMENT.secretId} and ${ENVIRONMENT.secretKey}), or ${FLAGS.signUrl} (or ${ENVIRONMENT.signUrl})`,
    );
  }
  const { secretId, secretKey } = required(settings, ['secretId', 'secretKey']);
  return createSigner({ appId, bucket, secretId, secretKey });
}

/** `bucket/dir/name` -> both. @throws UsageError */
export function parseTarget(text: string): { readonly bucket: string; readonly path: string } {
  const [, bucket, path] = /^\/*([^/]+)\/+(.*)$/s.exec(text) ?? [];
  if (bucket === undefined || path === undefined) {
    throw new UsageError(`the destination must be BUCKET/PATH, got '${text}'`);
  }
  return { bucket, path };
}
