import { createSigner } from '@cos-slice/node';
import { EXIT, UsageError } from '../failure.ts';
import { type AccountFlags, required, withEnvironment } from '../settings.ts';
import { checkAll, parseWhole } from '../units.ts';

export interface SignFlags extends AccountFlags {
  readonly once?: boolean;
  /** Undefined: bound when there is a path. */
  readonly bind?: boolean;
  readonly expires?: string;
  readonly query?: boolean;
  readonly json?: boolean;
}

const HOUR_SEC = 3600;
const NINETY_DAYS_SEC = 90 * 24 * HOUR_SEC;

/** Prints a signature. @returns the exit code */
export async function sign(target: string, flags: SignFlags): Promise<number> {
  const [, bucket = '', path = ''] = /^\/*([^/]+)(?:\/+(.*))?$/s.exec(target) ?? [];
  const [, lifetimeSec, { appId, secretId, secretKey }] = checkAll(
    () => checkTarget(target, { bucket, path }, flags),
    () => (flags.expires === undefined ? HOUR_SEC : parseWhole('--expires', flags.expires, 60, NINETY_DAYS_SEC)),
    () => required(withEnvironment(flags, process.env), ['appId', 'secretId', 'secretKey']),
  );
  const bound = flags.once || (flags.bind ?? path !== '');
  const effect = flags.once ? 'once' : 'multi';
  const nowSec = Math.floor(Date.now() / 1000);
  const signer = createSigner({ appId, bucket, secretId, secretKey, lifetimeSec, bound });
  const signature = await signer.sign({ appId, bucket, path, effect, nowSec }, new AbortController().signal);
  if (flags.json) {
    const expiry = flags.once ? {} : { expiresAtSec: nowSec + lifetimeSec };
    const facts = { ok: true, signature, appId, bucket, ...(bound ? { path } : {}), effect, ...expiry };
    process.stdout.write(`${JSON.stringify(facts)}\n`);
  } else {
    process.stdout.write(flags.query ? `sign=${encodeURIComponent(signature)}\n` : `${signature}\n`);
  }
  return EXIT.done;
}

function checkTarget(target: string, { bucket, path }: { bucket: string; path: string }, flags: SignFlags): void {
  if (bucket === '') throw new UsageError(`the target must be BUCKET or BUCKET/PATH, got '${target}'`);
  if (path === '' && (flags.once || flags.bind)) {
    throw new UsageError(`${flags.once ? '--once' : '--bind'} needs BUCKET/PATH: it is for one path`);
  }
  if (flags.once && flags.bind === false) throw new UsageError('--once is always for one path: leave out --no-bind');
  if (flags.once && flags.expires !== undefined) {
    throw new UsageError('--once has no time of expiry: leave out --expires');
  }
}
