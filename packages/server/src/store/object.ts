/** Where an object lives. Names have been checked: they are safe to use as file names or keys. */
export interface Target {
  readonly appId: string;
  readonly bucket: string;
  /** Decoded, without a leading slash. */
  readonly path: string;
}

/** Who may read an object without a signature: nobody, everybody, or (when it says nothing) whoever may read its bucket. */
export type Authority = 'eWRPrivate' | 'eWPrivateRPublic';

/** What clients say of an object, and may change at any time. */
export interface ObjectProperties {
  /** The client's `biz_attr`. */
  readonly attributes?: string | undefined;
  readonly authority?: Authority | undefined;
  /** Sent along with downloads; in the client's spelling, and such as may be sent. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** What an object was copied or moved from, as it was then: so that a request whose reply was lost can be answered again. */
export interface Origin {
  readonly path: string;
  readonly revision: string;
}

/** What is known about an object's bytes and travels with it. */
export interface ObjectLabels extends ObjectProperties {
  /** Lowercase hex SHA-1 of the content, if it was verified. */
  readonly sha?: string | undefined;
  /** The upload session that made the object, so that a finish whose reply was lost can be answered again. */
  readonly session?: string | undefined;
  /** Stands for the signature of the request that made the object at once, so that it can be answered again, too. */
  readonly signedBy?: string | undefined;
  readonly origin?: Origin | undefined;
}

export interface ObjectInfo extends ObjectLabels {
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  /** Changes whenever the content does. */
  readonly revision: string;
}

/** An object opened for reading: all reads see the same content, even if the object is replaced meanwhile. */
export interface OpenObject {
  readonly info: ObjectInfo;
  /** Bytes `start` to `end` inclusive; ends the object's use when read to the end or destroyed. */
  stream(start: number, end: number): NodeJS.ReadableStream & { destroy(): void };
  close(): Promise<void>;
}
