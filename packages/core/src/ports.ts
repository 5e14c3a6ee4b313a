/**
 * Everything the core needs from the world, and nothing else. A platform package implements these; `@cos-slice/core/testing`
 * has a contract suite for each.
 *
 * `C` is a platform's slice content: pooled bytes in Node.js, a `Blob` in browsers. The core carries it, never looks inside.
 */

/** A run of bytes: `offset` and `length` in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** What is uploaded. Its size is known and does not change. */
export interface Source<C> {
  readonly sizeBytes: number;
  /**
   * Reads one slice. Several may be read at once, and the same one again for a retry.
   *
   * @throws CosSliceError `source-changed`, `source-unreadable`, or `source-not-replayable` (a stream asked to go back);
   *   `signal.reason` when aborted.
   */
  slice(range: ByteRange, signal: AbortSignal): Promise<C>;
  /** Bytes of memory that a slice takes until it is released. Absent: as many as it has. */
  heldBytes?(range: ByteRange): number;
  /** Gives a slice's memory back. Called exactly once per content that `slice` returned, when its request has ended. */
  release?(content: C): void;
  /** The server has acknowledged these bytes: they are not asked for again while the session lives. */
  stored?(range: ByteRange): void;
  /**
   * A text that is equal for equal content and, as far as sampling can tell, only then: made from size, head and tail at
   * least, never from name or date alone. `undefined`: cannot be told (a stream), so the upload is not resumed later.
   */
  identity(signal: AbortSignal): Promise<string | undefined>;
  /** The identity tells of every change, as a file's time of change does, and not only of those that samples show. */
  readonly tellsChanges?: boolean | undefined;
  /**
   * Checks that the source is still what it was at the start, and ends where it said. May take as long as reading it all.
   *
   * @throws CosSliceError `source-changed`, `source-unreadable`; `signal.reason` when aborted
   */
  verify?(signal?: AbortSignal): Promise<void>;
  /**
   * Its bytes come in their own time (a stream that somebody writes to while it is uploaded): reading them may take as long as
   * it likes. Anything else that does not get on for `timeouts.noProgressMs` is taken to hang.
   */
  readonly unhurried?: boolean | undefined;
  /** Frees handles. Called exactly once, when the upload has ended and nothing reads any more. */
  close?(): Promise<void>;
}

/** One HTTP request as data, so that a retry encodes it anew. Its body is a form, raw content, text, or none. */
export interface WireRequest<C> {
  readonly method: string;
  /** Absolute URL, percent-encoded. */
  readonly url: string;
  /** Beside those that the body and the authorization bring. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Put there by the `Authorizer`. Secret. */
  readonly authorization?: Authorization | undefined;
  /** Form fields in order: the body is `multipart/form-data` then, one part per field, `content` last. */
  readonly fields?: readonly (readonly [name: string, value: string])[] | undefined;
  /** Bytes of the source: the form's last part, or the whole body of a request that has no fields. */
  readonly content?:
    | {
        readonly name: string;
        readonly body: C;
        readonly sizeBytes: number;
        /** Of a part: bytes that come after it, in parts of its size. Those who sign may do so for several at once. */
        readonly bytesAfter?: number | undefined;
      }
    | undefined;
  /** The whole body of a request that has neither fields nor content. */
  readonly text?: string | undefined;
}

export interface Authorization {
  /** Of the `Authorization` header. */
  readonly value: string;
  /** The query parameter that may carry the value instead, url-encoded: the transport's choice, since a header costs pages a preflight. */
  readonly query?: string | undefined;
}

export interface WireResponse {
  readonly status: number;
  /** Value of a reply header, or undefined when absent or hidden (CORS). Name in any case. */
  header(name: string): string | undefined;
  /** Headers may be hidden (CORS): one that is absent may have been sent all the same. */
  readonly filtered?: boolean;
  /** The body as text. Transports refuse bodies above 64 MiB with `bad-reply`. */
  readonly body: string;
}

export interface SendContext {
  readonly signal: AbortSignal;
  /** Connect timeout in ms, for transports that time it themselves; the core's own timers run in any case. */
  readonly connectMs: number;
  /** The connection stands and the body is being sent. */
  onConnected(): void;
  /** Bytes of `content` handed to the network so far in this attempt: counts up to `content.sizeBytes`. */
  onSent(totalBytes: number): void;
  /** What the content has to be taken from, piece by piece, before it is sent. Only for transports that say that they do. */
  readonly bandwidth?: Bandwidth | undefined;
}

export interface ReceiveContext {
  /** Ends the request, and the reading of its body. */
  readonly signal: AbortSignal;
  /** As in `SendContext`. */
  readonly connectMs: number;
}

/** A response whose body is read as it comes. */
export interface StreamedResponse {
  readonly status: number;
  header(name: string): string | undefined;
  /** To be read once. @throws CosSliceError `network`; `signal.reason` when aborted */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Transport<C> {
  /** False when the platform cannot tell how much has been sent (fetch): timeouts are then for the whole attempt. */
  readonly reportsProgress: boolean;
  /** It takes content from `SendContext.bandwidth` piece by piece; otherwise that is done for a request as a whole, before. */
  readonly paces?: boolean | undefined;
  /** Requests may wait unseen before they leave (browsers: six connections to a host): the first sign may come late, or never. */
  readonly queues?: boolean | undefined;
  /**
   * Sends one request and resolves for every HTTP status. Makes one attempt: the core retries.
   *
   * @throws CosSliceError `network`; `signal.reason` when aborted.
   */
  send(request: WireRequest<C>, context: SendContext): Promise<WireResponse>;
  /**
   * Sends a request without a body and resolves with the head of its response, whatever its status. For downloads.
   *
   * @throws CosSliceError `network`; `signal.reason` when aborted
   */
  receive?(request: WireRequest<C>, context: ReceiveContext): Promise<StreamedResponse>;
}

/** What a signature must allow (protocol section 2). */
export interface SignClaim {
  readonly appId: string;
  readonly bucket: string;
  /** Path without a leading slash, not encoded: of an object, of a directory (ends in a slash), or empty: the bucket's. */
  readonly path: string;
  /**
   * `multi`: any number of uses until it expires. `once`: one use, for deleting, changing, moving and copying. `download`: any
   * number of downloads until it expires, and nothing else where the server tells them apart.
   */
  readonly effect: 'multi' | 'once' | 'download';
  /** Now in epoch seconds, corrected by the server's clock where a reply has shown that ours is wrong. */
  readonly nowSec: number;
  /**
   * A signature, or a URL that has one, that the server has just called expired: a signer that keeps signatures must not return
   * it again.
   */
  readonly refused?: string | undefined;
}

export interface Signer {
  /** Its `multi` signatures are good for all of the bucket, so that one does for many paths. */
  readonly unbound?: boolean | undefined;
  /** @returns the signature, base64 as it goes on the wire. @throws anything; a CosSliceError keeps its code. */
  sign(claim: SignClaim, signal: AbortSignal): Promise<string>;
}

/** Lets requests through. What a `Signer` is made into on a wire whose signatures cover the object and not the request. */
export interface Authorizer {
  /** How many signatures somebody was asked for. Absent: one for each request. */
  readonly asked?: number;
  /** @returns the request with what lets it through. @throws anything; a CosSliceError keeps its code. */
  authorize<C>(request: WireRequest<C>, claim: SignClaim, signal: AbortSignal): Promise<WireRequest<C>>;
  /** @returns the URL of a request without a body that anybody may make as long as the signature lives. @throws as `authorize` */
  presign?<C>(request: WireRequest<C>, claim: SignClaim, signal: AbortSignal): Promise<string>;
}

/** What requests are signed with on wires whose signatures cover the request. What AWS calls the access key's id and the secret access key. */
export interface Credentials {
  readonly secretId: string;
  /** Keep it out of browsers, unless it is a temporary one. */
  readonly secretKey: string;
  /** Of temporary credentials: STS calls it the session token. */
  readonly token?: string | undefined;
  /** Of temporary credentials: when they end, in epoch seconds. They are asked for anew shortly before. */
  readonly expiresAtSec?: number | undefined;
  /** When they began, in epoch seconds by the same clock, where that is known: a clock of ours that is wrong does no harm then. */
  readonly startsAtSec?: number | undefined;
}

export interface CredentialsProvider {
  /** @throws anything; a CosSliceError keeps its code. */
  credentials(signal: AbortSignal): Credentials | Promise<Credentials>;
}

/** A request for which a signature is wanted: what the signature has to cover, as data. */
export interface RequestToSign {
  /** `PUT` */
  readonly method: string;
  /** `films`; of COS `films-10055004`. */
  readonly bucket: string;
  /** Of the object, not encoded, no leading slash. Empty: the bucket. */
  readonly key: string;
  /** Names as they are sent, values not encoded. A name that stands alone has an empty one. */
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case. Of content `content-length`, in bytes. `host` goes without saying. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What lets a request through: a URL, headers, or both. */
export interface SignedRequest {
  /** Where the request goes: absolute, with the signature in its query. Default: where it would have gone. */
  readonly url?: string | undefined;
  /** Sent with it, such as `Authorization`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How long it lets the same request through, in seconds from now on. */
  readonly expiresInSec: number;
}

/** Why a request is not signed, in one line. */
export interface RefusedRequest {
  readonly refused: string;
}

/** Has requests signed by somebody who holds the keys. */
export interface RequestSigner {
  /**
   * @returns an answer for each request, in their order. @throws anything; a CosSliceError keeps its code
   */
  signRequests(
    requests: readonly RequestToSign[],
    signal: AbortSignal,
  ): Promise<readonly (SignedRequest | RefusedRequest)[]>;
}

/** One entry of `uploadparts` (protocol section 3). */
export interface UploadPart {
  readonly offset: number;
  readonly datalen: number;
  readonly datasha: string;
}

export interface FileHash {
  /** SHA-1 of the whole content, lowercase hex. */
  readonly sha: string;
  readonly parts: readonly UploadPart[];
}

/** How far hashing came. Plain JSON; only the hasher that made it looks inside `data`. */
export interface HashCheckpoint {
  readonly hashedBytes: number;
  readonly data: string;
}

export interface HashContext {
  readonly signal: AbortSignal;
  /** Continue from here; a hasher that cannot use it starts over. */
  readonly from?: HashCheckpoint | undefined;
  /** Failed attempts before this one: a way of hashing that hung once is better not gone again. */
  readonly attempt?: number | undefined;
  onProgress(hashedBytes: number): void;
  onCheckpoint(checkpoint: HashCheckpoint): void;
}

/** CRC-64/XZ, which COS tells of what it has stored, and CRC-64/NVME, which S3 does. */
export type Crc64 = 'crc64-xz' | 'crc64-nvme';

/** Of a part of the content. */
export interface Checksum {
  readonly sizeBytes: number;
  /** Lowercase hex. */
  readonly digest: string;
}

export interface Hasher<C> {
  /** Digest of one slice's content, lowercase hex. */
  digest(algorithm: 'md5' | 'sha1' | Crc64, content: C, signal: AbortSignal): Promise<string>;
  /** The CRC-64 of the whole content out of those of its parts, by offset, without reading anything. */
  combine(algorithm: Crc64, parts: ReadonlyMap<number, Checksum>, sizeBytes: number): Promise<string>;
  /** SHA-1 and `uploadparts` of the whole source, in steps of `sliceSizeBytes` (a multiple of 64). */
  uploadParts(source: Source<C>, sliceSizeBytes: number, context: HashContext): Promise<FileHash>;
}

/** What is remembered of an unfinished upload. Plain JSON, no signature, no key. */
export interface ResumeRecord {
  readonly version: 1;
  /** `Wire.name` of the wire that the session belongs to. Absent in records that are older than the name: the JSON API. */
  readonly wire?: string | undefined;
  /** `Source.identity()` of the content the session belongs to. */
  readonly identity: string;
  readonly sizeBytes: number;
  readonly sliceSizeBytes: number;
  /** Absent while hashing. */
  readonly session?: string | undefined;
  readonly sha?: string | undefined;
  /** Init was called with this `sha`: the server may have made the object without us hearing of it. */
  readonly initCalled?: boolean | undefined;
  /** Finish was called: the server may have completed the upload without us hearing of it. */
  readonly finishing?: boolean | undefined;
  /** The session was opened for parts with CRC-64s, which it keeps to. */
  readonly integrity?: 'crc64' | undefined;
  /** CRC-64 of the whole content, in hex, once all parts are stored. */
  readonly crc64?: string | undefined;
  readonly hash?: HashCheckpoint | undefined;
  /**
   * Tags of slices in order, empty for those that are not known to be stored with the MD5 that the source has. Those that are
   * need not be read again as long as the identity is the same, where it tells of every change.
   */
  readonly proven?: readonly string[] | undefined;
  /** As the session was opened with: finish goes by it. */
  readonly overwrite?: boolean | undefined;
  /** Which of the names for the object it goes to, with `overwrite: 'rename'`: 1 is the one with ` (1)`. */
  readonly name?: number | undefined;
  readonly attributes?: string | undefined;
  /** Epoch ms. */
  readonly savedAtMs: number;
}

/** Keyed by destination: one upload per path. A failing store never fails an upload; only `lock` may refuse one. */
export interface ResumeStore {
  load(key: string): Promise<ResumeRecord | undefined>;
  /** @throws anything, when the record could not be kept: the upload then says that it is not `resumable` */
  save(key: string, record: ResumeRecord): Promise<void>;
  remove(key: string): Promise<void>;
  /**
   * Keeps others from uploading to the same destination at once.
   *
   * @returns the unlock function. @throws CosSliceError `locked`; `signal.reason` when aborted
   */
  lock?(key: string, signal?: AbortSignal): Promise<() => Promise<void>>;
}

export interface Clock {
  /** Wall time, epoch ms: for signatures and records only. It may jump, in both directions. */
  nowMs(): number;
  /** Ms since some moment, never going back: for every span of time. */
  monotonicMs(): number;
  /** Resolves after `delayMs`; rejects with `signal.reason` when aborted. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** Whether there is a network at all. Being offline waits and costs no retry. */
export interface Network {
  online(): boolean;
  /** @returns the unsubscribe function */
  subscribe(listener: () => void): () => void;
}

/** Bytes per second, shared by all who take from it. */
export interface Bandwidth {
  /** May be set at any time. */
  bytesPerSecond: number;
  /** Resolves when so many bytes may go, in the order of the calls. @throws `signal.reason` when aborted */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

/** How an attempt that held a place went, for the adaptive window. */
export interface AttemptReport {
  /** `busy`: the server asked for less. `failed`: network trouble. `neutral`: says nothing about the network. */
  readonly outcome: 'ok' | 'busy' | 'failed' | 'neutral';
  readonly bytes: number;
}

/** Somebody who wants a seat. */
export interface Seated {
  /** There is one: called from within `join`, or later. */
  enter(): void;
}

/** Seats for uploads: whoever has none opens nothing. */
export interface Seats {
  /** Waits for a seat, unless it has one. Whoever had one before comes first. */
  join(one: Seated): void;
  /** Gives the seat back, or stops waiting for one. */
  leave(one: Seated): void;
}

/** Places for requests, shared by all uploads of a client. */
export interface Limiter {
  /** Places at this moment; moves with the adaptive window. */
  readonly limit: number;
  /** Seats for the uploads that share the limiter: bounds what they hold open. Absent: all of them are open at once. */
  readonly seats?: Seats | undefined;
  /**
   * @param owner whose request it is: among those who wait, whoever has the fewest places comes first
   * @param bytes of content that will be held in memory until the place is given back. Default 0
   * @returns the function that gives the place back. @throws `signal.reason` when aborted while waiting
   */
  acquire(signal: AbortSignal, owner?: object, bytes?: number): Promise<(report: AttemptReport) => void>;
  /** @returns the unsubscribe function; the listener is called when `limit` has changed */
  subscribe(listener: () => void): () => void;
}

/** What a platform brings. `network` defaults to always online, `clock` and `random` to the runtime's. */
export interface Platform<C> {
  readonly transport: Transport<C>;
  readonly hasher: Hasher<C>;
  readonly network?: Network;
  readonly clock?: Clock;
  /** A number in [0, 1), for jitter and signatures. */
  readonly random?: () => number;
}
