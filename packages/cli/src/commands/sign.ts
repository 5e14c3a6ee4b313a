import { createSigner } from '@cos-slice/node';
import { EXIT, UsageError } from '../failure.ts';
import { type AccountFlags, required, withEnvironment } from '../settings.ts';
import { parseWhole } from '../units.ts';

export interface SignFlags extends AccountFlags {
  readonly once?: boolean;
  readonly expires: string;
  readonly json?: boolean;
}

const NINETY_DAYS_SEC = 90 * 24 * 3600;

/** Prints a signature. @returns the exit code */
export async function sign(target: string, flags: SignFlags): Promise<number> {
  const [, bucket = '', path = ''] = /^\/*([^/]+)(?:\/+(.*))?$/s.exec(target) ?? [];
  if (bucket === '') throw new UsageError(`the target must be BUCKET or BUCKET/PATH, got '${target}'`);
  if (flags.once && path === '')
    throw new UsageError('--once needs BUCKET/PATH: a signature for one use is for one object');
  const lifetimeSec = parseWhole('--expires', flags.expires, 60, NINETY_DAYS_SEC);
  const { appId, secretId, secretKey } = required(withEnvironment(flags, process.env), [
    'appId',
    'secretId',
    'secretKey',
  ]);
  const signer = createSigner({ appId, bucket, secretId, secretKey, lifetimeSec, bound: path !== '' });
  const nowSec = Math.floor(Date.now() / 1000);
  const effect = flags.once ? 'once' : 'multi';
  const signature = await signer.sign({ appId, bucket, path, effect, nowSec }, new AbortController().signal);
  const facts = { signature, bucket, path, effect, ...(flags.once ? {} : { expiresAtSec: nowSec + lifetimeSec }) };
  process.stdout.write(flags.json ? `${JSON.stringify(facts)}\n` : `${signature}\n`);
  return EXIT.done;
}
