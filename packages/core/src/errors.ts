/** What went wrong, as a literal to branch on. */
export type ErrorCode =
  /** Options that cannot work; `issues` lists every one. */
  | 'invalid-options'
  /** The source does not exist or cannot be read. */
  | 'source-unreadable'
  /** The source changed while it was uploaded; nothing was finished. */
  | 'source-changed'
  /** Bytes of a one-pass stream are needed again and are gone. */
  | 'source-not-replayable'
  /** No connection, or it broke. */
  | 'network'
  /** An attempt took too long; `phase` says where. */
  | 'timeout'
  /** The reply is not one of this protocol. */
  | 'bad-reply'
  /** The signer failed. */
  | 'signing-failed'
  /** Credentials, signature, bucket or application id refused. */
  | 'unauthorized'
  /** The signature expired, and a fresh one did too. */
  | 'signature-expired'
  | 'bucket-not-found'
  | 'not-found'
  /** A directory is at the path where a file is wanted, or the reverse. */
  | 'wrong-kind'
  /** The directory is not empty. */
  | 'not-empty'
  /** Something is at the path already, and `overwrite` is off. */
  | 'exists'
  /** Another content's unfinished upload is at the path. */
  | 'conflict'
  /** The object changed while it was downloaded; nothing of it was put in place. */
  | 'object-changed'
  /** What is downloaded cannot be kept: the disk is full, the folder may not be written. */
  | 'target-unwritable'
  /** Bytes arrived differently from how they were sent. */
  | 'integrity'
  /** The server lost the upload's session again and again. */
  | 'session-lost'
  /** The server refused the request as malformed. */
  | 'bad-request'
  /** The server is overloaded or failing. */
  | 'unavailable'
  /** Another process uploads to the same path. */
  | 'locked'
  | 'hashing-failed';

/** How a failure may be met: retried after a pause, retried with a fresh signature, or not at all. */
export type Remedy = 'backoff' | 'resign' | 'none';

export interface OptionIssue {
  /** Name of the option, dotted: `timeouts.connectMs`. */
  readonly option: string;
  readonly message: string;
}

export interface ErrorDetails {
  readonly cause?: unknown;
  /** Default: `none`. */
  readonly remedy?: Remedy | undefined;
  /** The server's own code: a negative number (protocol section 5), or the text that other wires use. */
  readonly wireCode?: number | string | undefined;
  readonly httpStatus?: number | undefined;
  readonly requestId?: string | undefined;
  /** From `Retry-After`, in ms. */
  readonly retryAfterMs?: number | undefined;
  /** The reply's `Date`, epoch ms. */
  readonly serverDateMs?: number | undefined;
  /** Timeouts: where the attempt stood. */
  readonly phase?: 'connect' | 'response' | 'no-progress' | undefined;
  /** Network: nothing answers at that address (refused, no such host), as opposed to a connection that broke. */
  readonly unreachable?: boolean | undefined;
  /** Network: the platform does not tell why, and the request may as well have been forbidden as lost (pages). */
  readonly opaque?: boolean | undefined;
  /** Network: the host answers otherwise, so that it is no network that is missing. */
  readonly reached?: boolean | undefined;
  /**
   * Network: the other side had closed a kept connection; nothing of a reply came. Timeouts: the connection hangs while others
   * move. Again at once, on another one.
   */
  readonly stale?: boolean | undefined;
  readonly issues?: readonly OptionIssue[] | undefined;
}

const brand = Symbol.for('cos-slice.error');

/** Every error of cos-slice. `message` is one line and says what to do; signatures and keys never appear in it. */
export class CosSliceError extends Error {
  override readonly name = 'CosSliceError';
  readonly code: ErrorCode;
  readonly remedy: Remedy;
  declare readonly wireCode?: number | string;
  declare readonly httpStatus?: number;
  declare readonly requestId?: string;
  declare readonly retryAfterMs?: number;
  declare readonly serverDateMs?: number;
  declare readonly phase?: 'connect' | 'response' | 'no-progress';
  declare readonly unreachable?: boolean;
  declare readonly opaque?: boolean;
  declare readonly reached?: boolean;
  declare readonly stale?: boolean;
  declare readonly issues?: readonly OptionIssue[];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const { cause, remedy = 'none', ...facts } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.remedy = remedy;
    for (const [name, fact] of Object.entries(facts)) if (fact !== undefined) Object.assign(this, { [name]: fact });
    Object.defineProperty(this, brand, { value: true });
  }
}

/**
 * Whether a value is a CosSliceError, of this copy of the package or of another one (two versions, two realms).
 *
 * @param code when given, also whether it has this code
 */
export function isCosSliceError(value: unknown, code?: ErrorCode): value is CosSliceError {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as Record<symbol, unknown>)[brand] === true &&
    (code === undefined || (value as CosSliceError).code === code)
  );
}
