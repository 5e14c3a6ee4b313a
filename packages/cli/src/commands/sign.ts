import { createSigner } from '@cos-slice/node';
import type { Call, Command } from '../command.ts';
import { EXIT, UsageError } from '../failure.ts';
import { type Flags, readFlags, switchFlag, wholeFlag } from '../flags.ts';
import { ACCOUNT, required } from '../settings.ts';
import { checkAll } from '../units.ts';

const HOUR_SEC = 3600;
const LIFETIME_SEC = { min: 60, max: 90 * 24 * HOUR_SEC };

const OWN = {
  lifetimeSec: wholeFlag('--expires <SECONDS>', 'how long it is good for', LIFETIME_SEC, HOUR_SEC),
  once: switchFlag('--once', 'for a single use within minutes, such as deleting'),
  bind: {
    usage: '--bind',
    doc: 'bind it to the path (default when there is one)',
    opposite: { usage: '--no-bind', doc: 'let it cover the whole bucket' },
    read: (given): boolean | undefined => (given === undefined ? undefined : given === true),
  },
  query: switchFlag('--query', 'print sign=... to put into a URL'),
  json: switchFlag('--json', 'print JSON'),
} as const satisfies Flags;

export const sign: Command = {
  name: 'sign',
  summary: 'print a signature',
  description: 'Prints a signature for the Authorization header, or for ?sign= when percent-encoded (--query).',
  operands: [
    { usage: '<BUCKET[/PATH]>', doc: 'what it is for: a path and what is below it, or without one the whole bucket' },
  ],
  flags: { ...OWN, ...ACCOUNT },
  notes: ['With --json: {"ok":true, "signature", "appId", "bucket", "path", "effect", "expiresAtSec"}'],
  examples: [
    'cos-slice sign films --expires 600',
    'curl "http://127.0.0.1:9000/files/v2/10000000/demo/film.mp4?$(cos-slice sign demo/film.mp4 --query)" -o film.mp4',
    'curl -H "Authorization: $(cos-slice sign demo/film.mp4 --once)" -F op=delete http://127.0.0.1:9000/files/v2/10000000/demo/film.mp4',
  ],
  variables: {},
  async run({ operands: [target = ''], given }) {
    const [, bucket = '', path = ''] = /^\/*([^/]+)(?:\/+(.*))?$/s.exec(target) ?? [];
    const [, flags, { appId, secretId, secretKey }] = checkAll(
      () => checkTarget(target, { bucket, path }, given),
      () => readFlags(OWN, given),
      () => required(ACCOUNT, readFlags(ACCOUNT, given), ['appId', 'secretId', 'secretKey']),
    );
    const { once, lifetimeSec } = flags;
    const bound = once || (flags.bind ?? path !== '');
    const effect = once ? 'once' : 'multi';
    const nowSec = Math.floor(Date.now() / 1000);
    const signer = createSigner({ appId, bucket, secretId, secretKey, lifetimeSec, bound, folders: true });
    const signature = await signer.sign({ appId, bucket, path, effect, nowSec }, new AbortController().signal);
    if (flags.json) {
      const expiry = once ? {} : { expiresAtSec: nowSec + lifetimeSec };
      const facts = { ok: true, signature, appId, bucket, ...(bound ? { path } : {}), effect, ...expiry };
      process.stdout.write(`${JSON.stringify(facts)}\n`);
    } else {
      process.stdout.write(flags.query ? `sign=${encodeURIComponent(signature)}\n` : `${signature}\n`);
    }
    return EXIT.done;
  },
};

function checkTarget(target: string, { bucket, path }: { bucket: string; path: string }, given: Call['given']): void {
  const { once, bind, lifetimeSec } = given;
  if (bucket === '') throw new UsageError(`the target must be BUCKET or BUCKET/PATH, got '${target}'`);
  if (path === '' && (once || bind)) {
    throw new UsageError(`${once ? '--once' : '--bind'} needs BUCKET/PATH: it is for one path`);
  }
  if (once && bind === false) throw new UsageError('--once is always for one path: leave out --no-bind');
  if (once && lifetimeSec !== undefined) throw new UsageError('--once has no time of expiry: leave out --expires');
}
