import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** When temporary ones end. */
  readonly expiration?: Date | undefined;
}

/** Credentials, or what gets them: called again when those it gave are about to end. */
export type S3CredentialsSource = S3Credentials | (() => Promise<S3Credentials>);

/** Temporary credentials are renewed so long before their end. */
const RENEW_BEFORE_MS = 5 * 60_000;
const CONTAINER_HOST = 'http://169.254.170.2';
const CONTAINER_MS = 5000;

/** Asks the source when there is need to, for all who wait at once. */
export function createCredentials(source: S3CredentialsSource): () => Promise<S3Credentials> {
  if (typeof source !== 'function') return async () => source;
  const ask = async (): Promise<S3Credentials> => {
    const credentials = await source();
    refuseUntrimmed(credentials);
    return credentials;
  };
  let current: Promise<S3Credentials> | undefined;
  let renewAtMs = Number.POSITIVE_INFINITY;
  return () => {
    if (current && performance.now() < renewAtMs) return current;
    const asking = ask();
    current = asking;
    renewAtMs = Number.POSITIVE_INFINITY;
    asking.then(
      ({ expiration }) => {
        // From their arrival on: clocks may be set.
        const lifeMs = expiration ? expiration.getTime() - Date.now() : Number.POSITIVE_INFINITY;
        renewAtMs = performance.now() + lifeMs - RENEW_BEFORE_MS;
      },
      () => {
        if (current === asking) current = undefined;
      },
    );
    return asking;
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where the tools of AWS look, too: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; the profile
 * `AWS_PROFILE` of `AWS_SHARED_CREDENTIALS_FILE` (`~/.aws/credentials`); the endpoint that containers and pods have
 * (`AWS_CONTAINER_CREDENTIALS_FULL_URI` or `_RELATIVE_URI`).
 *
 * @throws Error when there is nothing at any of these places
 */
export async function credentialsFromEnvironment(env: Environment = process.env): Promise<S3Credentials> {
  const found = fromVariables(env) ?? (await fromFile(env)) ?? (await fromContainer(env));
  if (found) return found;
  throw new Error(
    'no credentials for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials',
  );
}

/**
 * What is wrong with the first value that has a line break in it or white space around it: files end in a line break, and so do
 * the keys that are read from them. Of a header with a line break in it runtimes show the whole.
 */
export function untrimmedIssue(values: object): string | undefined {
  const isUntrimmed = (value: unknown): boolean => typeof value === 'string' && /^\s|\s$|\p{Cc}/u.test(value);
  const name = Object.entries(values).find(([, value]) => isUntrimmed(value))?.[0];
  return name && `${name} has a line break in it or white space around it: take that out`;
}

/** @throws Error */
function refuseUntrimmed(values: object): void {
  const issue = untrimmedIssue(values);
  if (issue) throw new Error(issue);
}

function fromVariables(env: Environment): S3Credentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN } = env;
  if (!accessKeyId || !secretAccessKey) return undefined;
  refuseUntrimmed({ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN });
  return { accessKeyId, secretAccessKey, ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }) };
}

async function fromFile(env: Environment): Promise<S3Credentials | undefined> {
  const file = env.AWS_SHARED_CREDENTIALS_FILE ?? join(env.HOME ?? homedir(), '.aws', 'credentials');
  const text = await readFile(file, 'utf8').catch((error) => {
    // One that was named must be there.
    if (env.AWS_SHARED_CREDENTIALS_FILE !== undefined) throw error;
    return '';
  });
  const profile = env.AWS_PROFILE ?? 'default';
  const values = readProfile(text, profile);
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey, aws_session_token: token } = values;
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey, ...(token && { sessionToken: token }) };
  if (env.AWS_PROFILE === undefined) return undefined;
  throw new Error(`the profile ${profile} has no aws_access_key_id and aws_secret_access_key in ${file}`);
}

function readProfile(text: string, profile: string): Record<string, string> {
  const values: Record<string, string> = {};
  let isWanted = false;
  for (const line of text.split(/\r?\n/)) {
    const section = /^\s*\[\s*(.+?)\s*\]/.exec(line)?.[1];
    if (section !== undefined) isWanted = section === profile;
    const [, name, value] = /^\s*([\w]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (isWanted && name !== undefined && value !== undefined) values[name] = value;
  }
  return values;
}

/** How far who answers is behind our clock, which may be wrong: what ends is to end by ours. */
function behindMs({ headers }: Response): number {
  const sentAtMs = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(sentAtMs) ? 0 : Date.now() - sentAtMs;
}

async function fromContainer(env: Environment): Promise<S3Credentials | undefined> {
  const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  const url = env.AWS_CONTAINER_CREDENTIALS_FULL_URI ?? (relative && CONTAINER_HOST + relative);
  if (!url) return undefined;
  const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  const token = file ? (await readFile(file, 'utf8')).trim() : env.AWS_CONTAINER_AUTHORIZATION_TOKEN;
  refuseUntrimmed({ [file ? 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE' : 'AWS_CONTAINER_AUTHORIZATION_TOKEN']: token });
  const response = await fetch(url, {
    headers: token ? { Authorization: token } : {},
    signal: AbortSignal.timeout(CONTAINER_MS),
  });
  if (!response.ok) throw new Error(`the container's credentials answered ${response.status}`);
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = (await response.json()) as Record<string, string>;
  if (!AccessKeyId || !SecretAccessKey) throw new Error("the container's credentials have no keys in them");
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    ...(Token && { sessionToken: Token }),
    ...(Expiration && { expiration: new Date(Date.parse(Expiration) + behindMs(response)) }),
  };
}
