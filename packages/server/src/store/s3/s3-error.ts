/** What an S3 store says that another try cannot mend, and how it is put to the client. */
const REFUSALS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    AccessDenied: 'the server may not do that in its object store',
    AllAccessDisabled: 'the server may not do that in its object store',
    InvalidAccessKeyId: "the server's key is not known to its object store",
    SignatureDoesNotMatch: "the server's key is not the one its object store knows",
    NoSuchBucket: 'the object store has no such bucket',
    KeyTooLongError: 'the path is too long for the object store',
    KeyTooLong: 'the path is too long for the object store',
    EntityTooLarge: 'the file is too large for the object store',
    MetadataTooLarge: 'what is said of the file is too long for the object store',
    InvalidObjectName: 'the object store cannot have such a name',
  }),
);

const PASSING_CODES: ReadonlySet<string> = new Set([
  'RequestTimeout',
  'UserNetworkTooSlow',
  'IncompleteBody',
  'SlowDown',
  'OperationAborted',
  'InternalError',
]);

/** What an S3 store answered instead of success. */
export class S3Error extends Error {
  override readonly name = 'S3Error';
  /** 200 for an error that came in the body of a reply which had begun as a success. */
  readonly status: number;
  /** As in the reply's XML, or made of the status where there is none. */
  readonly code: string;

  /** @param doing the request, such as `PUT films/a.mp4` */
  constructor(status: number, code: string, doing: string, message = '') {
    const said = [`the object store answered ${status} ${code} to ${doing}`, ...(message === '' ? [] : [message])].join(
      ': ',
    );
    super(said.replace(/\s+/g, ' '));
    this.status = status;
    this.code = code;
  }

  /** Whether the same request may succeed later. */
  get isPassing(): boolean {
    return this.status >= 500 || this.status === 429 || PASSING_CODES.has(this.code);
  }

  /** Why it is final, for the client; undefined when it may pass or is something else. */
  get refusal(): string | undefined {
    return REFUSALS.get(this.code);
  }
}

/** Whether a request failed because there is nothing at its key, or no such upload. */
export function isMissing(error: unknown): boolean {
  // Ceph says NoSuchKey of an upload that is not there, too.
  return (
    error instanceof S3Error &&
    error.status === 404 &&
    (error.code === 'NoSuchKey' || error.code === 'NoSuchUpload' || error.code === 'NotFound')
  );
}

/** Whether a condition of the request was not met; 409 is what AWS says to some of those who ask at the same moment. */
export function isConditionFailed(error: unknown): boolean {
  return error instanceof S3Error && (error.status === 412 || error.code === 'ConditionalRequestConflict');
}

export async function ifThere<T>(pending: Promise<T>): Promise<T | undefined> {
  return pending.catch((error) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
}
