import type { OptionIssue } from '../errors.ts';
import type {
  Authorizer,
  Clock,
  Crc64,
  Credentials,
  CredentialsProvider,
  RequestSigner,
  SignClaim,
  WireRequest,
  WireResponse,
} from '../ports.ts';
import type { AnyOperationName, ObjectOperationName, Operation, OperationName, Reply } from './operations.ts';

/**
 * What is checked, and by whom, on the way:
 * - `none`: the size, by the server.
 * - `md5`: an MD5 of every slice, by the server; one that echoes it is checked in turn.
 * - `crc64`: a CRC-64 of every slice, and of the whole once it is there, by the server or with what it tells; on wires that have one.
 * - `sha1`: SHA-1 of the whole content and of every slice in its place, by the server; makes instant upload possible.
 *   Costs a pass over the content before the first byte is sent.
 */
export type Integrity = 'none' | 'md5' | 'crc64' | 'sha1';
/** What becomes of an object that is at the path: it stays and is an error, is replaced, stays and is enough, or the new one gets another name. */
export type Overwrite = boolean | 'skip' | 'rename';

/** Where an object goes. */
export interface Target {
  readonly endpoint: string;
  readonly appId: string;
  readonly bucket: string;
  /** Not encoded, no leading slash. */
  readonly path: string;
}

/** What a planner must know of a wire. */
export interface Traits {
  /** Bytes of a slice: what may be asked for, and whose word is the last. */
  readonly sliceSize: {
    readonly default: number;
    readonly min: number;
    readonly max: number;
    readonly step: number;
    readonly chosenBy: 'server' | 'client';
  };
  /** Slices of one upload. */
  readonly maxParts: number;
  /** Bytes of an object that goes in one request. */
  readonly maxSingleBytes: number;
  readonly integrity: readonly Integrity[];
  /** The CRC-64 of `crc64`. */
  readonly crc64?: Crc64 | undefined;
  /** The server finds an unfinished upload by its path; elsewhere one can only be gone on with when its session is remembered. */
  readonly detectsUnfinished: boolean;
  /** A stored slice is answered with a tag, and finish brings them all. */
  readonly tagsSlices: boolean;
  /** What a signature is good for: any request about an object, or one request, whose bytes it covers. */
  readonly signatureCovers: 'object' | 'request';
}

export interface AuthorizerOptions {
  readonly clock: Clock;
  /** How long whoever is asked for credentials or signatures may take. */
  readonly timeoutMs: number;
  /** How long signatures are good that may be used for a while, in seconds. Default 3600. */
  readonly lifetimeSec?: number | undefined;
}

export type Adapt = <C>(request: WireRequest<C>, op: AnyOperationName) => WireRequest<C>;

/** One wire: requests out of operations, replies out of responses. Pure. By default it is one that uploads go over. */
export interface Wire<Name extends AnyOperationName = OperationName> {
  /** Names it in resume records. */
  readonly name: string;
  readonly traits: Traits;
  /** What a deployment wants otherwise in requests, those of all operations on objects included. */
  readonly adapt?: Adapt | undefined;
  /** What is wrong with a target, such as a path that the wire cannot name. */
  check(target: Target): readonly OptionIssue[];
  /** The URL of an object, which its requests go to. */
  locate(target: Target): string;
  /** The request for an operation, without its authorization. */
  encode<C, Op extends Name>(operation: Operation<C, Op>, at: string): WireRequest<C>;
  /** Where it goes, on a wire that is made for one place: options of the same names are not needed then. */
  readonly place?: Omit<Target, 'path'> | undefined;
  /** The part that is about objects which are there. Absent: the JSON API's, which a client loads with it. */
  readonly objects?: Wire<ObjectOperationName> | undefined;
  /** Copies and moves may go into another bucket of the server. */
  readonly copiesBetweenBuckets?: boolean | undefined;
  /** Makes credentials, or somebody who signs requests, into what lets requests through. */
  authorizer?(given: Credentials | CredentialsProvider | RequestSigner, options: AuthorizerOptions): Authorizer;
  /** What an `authorizer` cannot be made of: how it must be otherwise. */
  signerMust?(signer: unknown): string | undefined;
  /** Puts a signer's text where it belongs. */
  attach<C>(request: WireRequest<C>, signature: string): WireRequest<C>;
  /** How often a signature for this operation may be used. */
  effectOf(op: Name): SignClaim['effect'];
  /**
   * @param at what `encode` was given
   * @returns a promise where some answers are made sense of by code that is loaded first
   */
  decode<C, Op extends Name>(
    operation: Operation<C, Op>,
    response: WireResponse,
    at: string,
  ): Reply<Op> | Promise<Reply<Op>>;
}

/** The slice size to ask for: what is wanted, or more where the file would have too many slices. */
export function sliceSizeFor(
  { sliceSize, maxParts }: Pick<Traits, 'sliceSize' | 'maxParts'>,
  sizeBytes: number,
  wantedBytes: number,
): number {
  const leastBytes = Math.ceil(sizeBytes / maxParts / sliceSize.step) * sliceSize.step;
  return Math.min(sliceSize.max, Math.max(wantedBytes, leastBytes));
}

/** A wire whose requests are adapted to a deployment. */
export function adapted<Name extends AnyOperationName>(wire: Wire<Name>, adapt?: Adapt): Wire<Name> {
  if (!adapt) return wire;
  return { ...wire, adapt, encode: (operation, at) => adapt(wire.encode(operation, at), operation.op) };
}
