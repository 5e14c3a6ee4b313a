import { systemClock } from '../clock.ts';
import type { Credentials, CredentialsProvider } from '../ports.ts';
import { askEndpoint, TIMEOUT_MS } from './ask-endpoint.ts';
import { isCredentials } from './credentials.ts';
import { createKeeper } from './keeper.ts';
import { refuseIssues, timeoutIssues } from './option-issues.ts';
import { postOf, type RemoteSignerOptions } from './remote-signer.ts';

export interface RemoteCredentialsOptions extends RemoteSignerOptions {
  /** Sent with each request as JSON, for the endpoint to decide by: `{ prefix: 'inbox/' }`. Default: `{}`. */
  readonly body?: object;
}

const NAME = 'the credentials endpoint';
const SHAPE = '{"secretId", "secretKey", "token", "expiresAtSec"}, or as STS of Tencent Cloud or AWS does';

/**
 * Asks the application's own endpoint for temporary credentials, so that the lasting ones stay there: `POST url`, answered by
 * `{"secretId", "secretKey", "token", "expiresAtSec"}` as JSON, or by what `GetFederationToken` and `AssumeRole` answer. They
 * allow whatever their policy says to whoever has them: bind it to what the user may write.
 *
 * They are asked for once however many uploads want them, and anew shortly before they end.
 *
 * @throws RemoteSignerError (from `credentials`)
 */
export function remoteCredentials(options: string | RemoteCredentialsOptions): CredentialsProvider {
  const settings = typeof options === 'string' ? { url: options } : options;
  const issues = timeoutIssues(settings?.timeoutMs);
  if (typeof settings?.url !== 'string' || settings.url === '') {
    issues.unshift({ option: 'url', message: 'must be the URL of the endpoint that answers with credentials' });
  }
  refuseIssues('remoteCredentials', issues);
  // Uploads that begin together ask together; each keeps for itself what it gets.
  const keeper = createKeeper<Credentials>({
    clock: systemClock,
    timeoutMs: settings.timeoutMs ?? TIMEOUT_MS,
    name: NAME,
    must: `answer ${SHAPE}`,
    isUsable: isCredentials,
  });
  const ask = async (signal: AbortSignal): Promise<Credentials> => {
    const init = await postOf(settings, settings.body ?? {}, signal);
    return askEndpoint({ name: NAME, shape: SHAPE, ...settings }, init, readCredentials);
  };
  return {
    credentials: (signal) => keeper.get('credentials', { ask, lifeMs: () => 0, isRefused: () => false }, signal),
  };
}

/** Credentials by any of the names that they go by. Their life counts by the endpoint's clock: ours may be wrong. */
function readCredentials(
  reply: Readonly<Record<string, unknown>>,
  sentAtSec: number | undefined,
): Credentials | undefined {
  const body = Object(reply.Response ?? reply);
  const given = Object(body.credentials ?? body.Credentials ?? body);
  const read: Credentials = {
    secretId: given.secretId ?? given.tmpSecretId ?? given.TmpSecretId ?? given.AccessKeyId,
    secretKey: given.secretKey ?? given.tmpSecretKey ?? given.TmpSecretKey ?? given.SecretAccessKey,
    token: given.token ?? given.sessionToken ?? given.Token ?? given.SessionToken,
    expiresAtSec: toSeconds(given.expiresAtSec ?? body.expiredTime ?? body.ExpiredTime ?? given.Expiration),
    startsAtSec: toSeconds(given.startsAtSec ?? body.startTime) ?? sentAtSec,
  };
  return isCredentials(read) ? read : undefined;
}

function toSeconds(value: unknown): number | undefined {
  if (typeof value !== 'string') return value as number | undefined;
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? undefined : dateMs / 1000;
}
