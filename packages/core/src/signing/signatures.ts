import { CosSliceError, isCosSliceError } from '../errors.ts';
import { oneLine } from '../one-line.ts';
import type { Clock, SignClaim, Signer } from '../ports.ts';
import { renewalMs } from './renewal.ts';

/** The signatures of one upload. */
export interface Signatures {
  /**
   * `multi`: the upload's signature, kept until shortly before it expires, and fetched once however many ask at the same time.
   * `once`: a fresh one for one use.
   *
   * @throws CosSliceError `signing-failed`; `signal.reason` when aborted
   */
  get(effect: SignClaim['effect'], signal: AbortSignal): Promise<string>;
  /** The server called this signature expired at `serverDateMs`: sign again, by the server's clock. */
  refused(signature: string, serverDateMs: number | undefined): void;
  /** How often the signer was asked. */
  readonly asked: number;
}

export interface SignaturesContext {
  readonly clock: Clock;
  /** Aborted when the upload ends; whoever stops waiting earlier does not stop the others' request. */
  readonly life: AbortSignal;
  /** How long the signer may take. */
  readonly timeoutMs: number;
}

export function createSignatures(
  signer: Signer,
  claim: Omit<SignClaim, 'effect' | 'nowSec'>,
  { clock, life, timeoutMs }: SignaturesContext,
): Signatures {
  let skewMs = 0;
  let asked = 0;
  let kept = '';
  let renewAtMs = 0;
  let pending: Promise<string> | undefined;
  let refused: string | undefined;
  const serverNowMs = (): number => clock.nowMs() + skewMs;

  const ask = async (effect: SignClaim['effect'], signal: AbortSignal): Promise<string> => {
    signal.throwIfAborted();
    asked += 1;
    const nowMs = serverNowMs();
    // Who is late is told so: a request that hangs must not be what the next attempt waits for, too.
    const attempt = new AbortController();
    const stop = (): void => attempt.abort(signal.reason);
    signal.addEventListener('abort', stop);
    const late = clock.sleep(timeoutMs, attempt.signal).then((): never => {
      throw new CosSliceError('signing-failed', 'the signer did not answer in time', { remedy: 'backoff' });
    });
    let signature: string;
    try {
      const signing = signer.sign({ ...claim, effect, nowSec: Math.floor(nowMs / 1000), refused }, attempt.signal);
      signature = await Promise.race([signing, late]);
    } catch (cause) {
      signal.throwIfAborted();
      if (isCosSliceError(cause)) throw cause;
      throw new CosSliceError('signing-failed', `the signer failed: ${oneLine(cause)}`, { cause, remedy: 'backoff' });
    } finally {
      signal.removeEventListener('abort', stop);
      attempt.abort();
    }
    // What goes into a header must not be able to end it.
    if (typeof signature !== 'string' || !/^[\w+/=-]{4,8192}$/.test(signature)) {
      throw new CosSliceError('signing-failed', 'the signer must return the signature as base64 text');
    }
    if (effect === 'multi') {
      kept = signature;
      renewAtMs = renewalMs(signature, nowMs);
    }
    return signature;
  };

  return {
    get asked() {
      return asked;
    },
    async get(effect, signal) {
      if (effect === 'once') return ask(effect, signal);
      if (kept && serverNowMs() < renewAtMs) return kept;
      pending ??= ask(effect, life).finally(() => {
        pending = undefined;
      });
      return untilAborted(pending, signal);
    },
    refused(signature, serverDateMs) {
      if (kept !== signature) return;
      kept = '';
      refused = signature;
      if (serverDateMs !== undefined) skewMs = serverDateMs - clock.nowMs();
    },
  };
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop);
    // Listened to even by those who do not wait for it: its failure must not count as one that nobody handles.
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
    if (signal.aborted) stop();
  });
}
