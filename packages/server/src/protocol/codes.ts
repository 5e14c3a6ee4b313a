/** Why a request is refused. The comments at {@link CODES} say when that is not plain. */
export type ProblemName =
  | 'unknownSecretId'
  | 'signatureUnreadable'
  | 'signatureExpired'
  | 'signatureBucket'
  | 'signatureFileId'
  | 'signatureAppId'
  | 'signatureMismatch'
  | 'bucketUnknown'
  | 'badListNum'
  | 'directoryNotEmpty'
  | 'sizeDiffers'
  | 'fileExists'
  | 'pathConflict'
  | 'badFlag'
  | 'invalidPath'
  | 'storeFailed'
  | 'storeRefused'
  | 'notFound'
  | 'badSliceSize'
  | 'checksumFailed'
  | 'notFinished'
  | 'otherNotFinished'
  | 'badUploadParts'
  | 'busy'
  | 'badParameter'
  | 'shaMissing';

/** Return codes (protocol section 5) and the HTTP status each is sent with. */
const CODES: Readonly<Record<ProblemName, readonly [code: number, status: number, name: string]>> = {
  unknownSecretId: [-47, 403, 'ERROR_PROXY_AUTH_SECRET_ID_UNKNOWN'],
  signatureUnreadable: [-48, 403, 'ERROR_PROXY_AUTH_UNREADABLE'],
  signatureExpired: [-59, 403, 'ERROR_PROXY_AUTH_SIGN_EXPIRED'],
  signatureBucket: [-61, 403, 'ERROR_PROXY_AUTH_BUCKET_DIFFERS'],
  signatureFileId: [-63, 403, 'ERROR_PROXY_AUTH_FILEID_DIFFERS'],
  signatureAppId: [-70, 403, 'ERROR_PROXY_AUTH_APPID_DIFFERS'],
  signatureMismatch: [-97, 403, 'ERROR_PROXY_AUTH_FAILED'],
  bucketUnknown: [-133, 404, 'ERROR_CMD_BUCKET_NOTEXIST'],
  badListNum: [-170, 400, 'ERROR_CMD_COS_INVALID_LIST_NUM'],
  directoryNotEmpty: [-173, 400, 'ERROR_CMD_COS_DIR_NOT_EMPTY'],
  sizeDiffers: [-175, 400, 'ERROR_CMD_COS_FILE_SIZE_NOT_EQU'],
  fileExists: [-177, 409, 'ERROR_CMD_COS_FILE_EXIST'],
  pathConflict: [-178, 409, 'ERROR_CMD_COS_PATH_CONFLICT'],
  badFlag: [-179, 400, 'ERROR_CMD_COS_INVALID_MOD_FLAG'],
  invalidPath: [-180, 400, 'ERROR_CMD_COS_INVALID_PATH'],
  storeFailed: [-181, 500, 'ERROR_CMD_COS_ERROR'],
  /** The storage below will not take it, however often it is asked: final, unlike -181. */
  storeRefused: [-180, 400, 'ERROR_CMD_COS_INVALID_PATH'],
  /** No such file; also what data and finish answer when their session is gone (expired, deleted, never there). */
  notFound: [-197, 404, 'ERROR_CMD_FILE_NOTEXIST'],
  badSliceSize: [-284, 400, 'ERROR_BAD_SLICE_SIZE'],
  /** The bytes do not match their SHA-1 or MD5: for a data request the slice, for finish the whole file. */
  checksumFailed: [-4016, 409, 'ERROR_SHA_CHECK_FAILED'],
  /** The same content is unfinished at this path; also a finish that came before every slice was stored. */
  notFinished: [-4019, 409, '_ERROR_FILE_NOT_FINISH_UPLOAD'],
  otherNotFinished: [-4020, 409, '_ERROR_OTHER_FILE_NOT_FINISH_UPLOAD'],
  badUploadParts: [-5965, 400, 'ERROR_UPLOADPARTS_NOT_JSON'],
  busy: [-5997, 503, 'ERROR_BUSY'],
  badParameter: [-5999, 400, 'ERROR_BAD_PARAMETER'],
  shaMissing: [-29094, 400, 'ERROR_FINISH_WITHOUT_SHA'],
};

/**
 * A refusal with its place in the protocol's table of codes. The detail is for people and is sent to the client:
 * it never holds a signature or a key.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: number;
  readonly status: number;
  /** Whether this is no fault of the request. */
  readonly isFault: boolean;
  /** When it is worth another try, where that can be said. */
  readonly retryAfterSec: number | undefined;

  constructor(problem: ProblemName, detail?: string, options?: ErrorOptions & { readonly retryAfterSec?: number }) {
    const [code, status, name] = CODES[problem];
    super(detail === undefined ? name : `${name}: ${detail}`, options);
    this.code = code;
    this.status = status;
    this.retryAfterSec = options?.retryAfterSec;
    this.isFault = problem === 'storeFailed' || problem === 'storeRefused';
  }
}
