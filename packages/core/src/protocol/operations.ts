import type { CosSliceError } from '../errors.ts';
import type { ByteRange, UploadPart } from '../ports.ts';
import type { Absent, ObjectLocation } from './location.ts';
import type { ObjectAnswers, ObjectQuestions } from './object-operations.ts';

export type { Absent, ObjectLocation };

/** What is asked of a server, operation by operation, free of field names and codes. */
interface Questions<C> {
  /** Opens a session, or learns that none is needed. */
  init: {
    readonly sizeBytes: number;
    readonly sliceSizeBytes: number;
    readonly sha?: string | undefined;
    readonly parts?: readonly UploadPart[] | undefined;
    /** Slices and the whole will come with their CRC-64. */
    readonly crc64?: boolean | undefined;
  } & Creating;
  /** What is at the path: an unfinished upload and what it holds, an object, or nothing. */
  list: {
    /** The session to look at, and its slice size, where they are known. A wire that finds unfinished uploads by itself needs neither. */
    readonly session?: string | undefined;
    readonly sliceSizeBytes?: number | undefined;
    /** Of the whole content, where that is known: what the session has made must have it. */
    readonly crc64?: string | undefined;
  };
  slice: {
    readonly session: string;
    /** Of the slice, from 0. */
    readonly index: number;
    readonly range: ByteRange;
    /** Of the whole content. */
    readonly sizeBytes?: number | undefined;
    readonly content: C;
    readonly md5?: string | undefined;
    readonly crc64?: string | undefined;
    /** Of the whole content, when the session was opened with it. */
    readonly sha?: string | undefined;
  };
  finish: {
    readonly session: string;
    readonly sizeBytes: number;
    readonly sha?: string | undefined;
    /** Of every slice, in order, on a wire that tags them. Empty where the tag is not known. */
    readonly tags?: readonly string[] | undefined;
    readonly overwrite: boolean;
    /** Of the whole content: what is made must have it. */
    readonly crc64?: string | undefined;
  };
  /** The whole content in one request. */
  single: {
    readonly sizeBytes: number;
    readonly content: C;
    readonly sha?: string | undefined;
    readonly md5?: string | undefined;
    readonly crc64?: string | undefined;
  } & Creating;
  /** Removes an unfinished upload. */
  discard: {
    /**
     * The session that is meant. A server that `sessionDelete` tells of removes that one and never an object; others remove
     * what is at the path.
     */
    readonly session?: string | undefined;
  };
}

interface Creating {
  /** What this run makes is marked with it, on wires that keep marks: the answer may get lost. */
  readonly mark?: string | undefined;
  readonly attributes?: string | undefined;
  readonly overwrite: boolean;
}

/** What may be answered to each, beside a conflict. */
interface Answers {
  init: Opened | Present | Unfinished;
  list: Listed | Present | Absent;
  slice: Stored | Present | SessionGone;
  finish: Present | SessionGone | Incomplete;
  single: Present;
  discard: Discarded;
}

/** What uploads ask. */
export type OperationName = keyof Answers;
/** What is asked about objects that are there. */
export type ObjectOperationName = keyof ObjectAnswers;
/** What is asked about all uploads of a bucket that are not finished, on wires that list them. */
export type SessionOperationName = keyof SessionAnswers;
export type AnyOperationName = OperationName | ObjectOperationName | SessionOperationName;

export type Operation<C, Op extends AnyOperationName = OperationName> = Question<C> & {
  readonly op: Op;
  /** How far it has come, on a wire that needs several requests for it: `More.more` of the reply before. */
  readonly more?: unknown;
};

interface SessionQuestions {
  /** A page of them. */
  sessions: {
    /** What their paths begin like. */
    readonly prefix: string;
    /** From the page before. */
    readonly context?: readonly [path: string, session: string] | undefined;
  };
}

interface AllQuestions<C> extends Questions<C>, ObjectQuestions, SessionQuestions {}

type Question<C> = { readonly [Op in AnyOperationName]: { readonly op: Op } & AllQuestions<C>[Op] }[AnyOperationName];

interface SessionAnswers {
  sessions: SessionPage;
}

interface AllAnswers extends Answers, ObjectAnswers, SessionAnswers {}

/** What a server answered, as far as its client cares. */
export type Answer<Op extends AnyOperationName = OperationName> = AllAnswers[Op] | Conflict;
export type Reply<Op extends AnyOperationName = OperationName> = Answer<Op> | Failure | More;

/** The operation takes another request. */
export interface More {
  readonly kind: 'more';
  /** What that one has to know: only the wire looks into it. */
  readonly more: unknown;
  /** The same for a request that takes back what has been begun, should no answer come any more. */
  readonly undo?: unknown;
}

/** A session, new or found. */
export interface SessionFacts {
  readonly session: string;
  readonly sliceSizeBytes: number;
  /** One slice at a time, in order. */
  readonly serial: boolean;
  /** The server can discard this session and nothing else. */
  readonly sessionDelete?: boolean | undefined;
}

export interface Opened extends SessionFacts {
  readonly kind: 'opened';
}

/** An unfinished upload and what it holds. */
export interface Listed extends SessionFacts {
  readonly kind: 'listed';
  readonly sizeBytes?: number | undefined;
  readonly sha?: string | undefined;
  readonly stored: readonly StoredRange[];
}

export interface StoredRange extends ByteRange {
  readonly tag?: string | undefined;
  /** Of the bytes that are there, in hex, where the server tells. */
  readonly md5?: string | undefined;
}

/** The object is complete. */
export interface Present {
  readonly kind: 'present';
  readonly location: ObjectLocation;
  readonly sizeBytes?: number | undefined;
  readonly sha?: string | undefined;
  /** The session that it was uploaded in, or empty for none or another one, where the server tells. */
  readonly madeBy?: string | undefined;
}

/** Uploads that are not finished. */
export interface SessionPage {
  readonly kind: 'sessions';
  readonly sessions: readonly {
    readonly path: string;
    readonly session: string;
    readonly startedAt?: Date | undefined;
  }[];
  readonly context?: readonly [path: string, session: string] | undefined;
}

/** One slice was stored; with a location when it was the one that completed the object. */
export interface Stored {
  readonly kind: 'stored';
  readonly location?: ObjectLocation | undefined;
  /** What finish has to bring for this slice, on a wire that tags them. */
  readonly tag?: string | undefined;
}

/** Same content, unfinished: ask for the list. */
export interface Unfinished {
  readonly kind: 'unfinished';
}

/** Other content, unfinished. */
export interface Conflict {
  readonly kind: 'conflict';
  readonly error: CosSliceError;
}

export interface SessionGone {
  readonly kind: 'session-gone';
  readonly error: CosSliceError;
}

/** Finish was refused for a reason that may be missing slices. */
export interface Incomplete {
  readonly kind: 'incomplete';
  readonly error: CosSliceError;
}

export interface Discarded {
  readonly kind: 'discarded';
}

export interface Failure {
  readonly kind: 'failed';
  readonly error: CosSliceError;
  /** As in `More`. Absent: it is as it was. */
  readonly undo?: unknown;
}

/** Whether a server may have to go through a whole object before it answers: content that it knows is copied, slices are merged. */
export function mayTakeLong<C>(operation: Operation<C, AnyOperationName>): boolean {
  const { op } = operation;
  if (op === 'copy' || op === 'move') return true;
  return (op === 'init' && operation.sha !== undefined) || (op === 'finish' && operation.tags !== undefined);
}
