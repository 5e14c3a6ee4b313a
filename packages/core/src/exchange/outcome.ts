import type { CosSliceError } from '../errors.ts';
import type { AttemptReport } from '../ports.ts';

/** What an attempt that has failed tells a limiter of the way to the server. */
export function outcomeOf({ code, stale }: CosSliceError): AttemptReport['outcome'] {
  if (stale) return 'neutral';
  // A signature that expires on the way is a sign that too much is on the way.
  if (code === 'unavailable' || code === 'signature-expired') return 'busy';
  return code === 'network' || code === 'timeout' ? 'failed' : 'neutral';
}
