import type { CosSliceError } from '../errors.ts';
import type { ByteRange, UploadPart, WireRequest, WireResponse } from '../ports.ts';

/** Where an object goes. */
export interface Target {
  readonly endpoint: string;
  readonly appId: string;
  readonly bucket: string;
  /** Not encoded, no leading slash. */
  readonly path: string;
}

/** What an upload asks of a server, free of field names and codes. */
export type Operation<C> =
  | {
      readonly op: 'init';
      readonly sizeBytes: number;
      readonly sliceSizeBytes: number;
      readonly sha?: string | undefined;
      readonly parts?: readonly UploadPart[] | undefined;
      readonly attributes?: string | undefined;
      readonly overwrite: boolean;
    }
  | { readonly op: 'list' }
  | {
      readonly op: 'slice';
      readonly session: string;
      readonly range: ByteRange;
      readonly content: C;
      readonly md5?: string | undefined;
      readonly sha?: string | undefined;
    }
  | { readonly op: 'finish'; readonly session: string; readonly sizeBytes: number; readonly sha?: string | undefined }
  | {
      readonly op: 'single';
      readonly sizeBytes: number;
      readonly content: C;
      readonly sha?: string | undefined;
      readonly attributes?: string | undefined;
      readonly overwrite: boolean;
    }
  | { readonly op: 'discard' };

export interface ObjectLocation {
  readonly accessUrl: string;
  readonly sourceUrl: string;
  readonly url: string;
  readonly resourcePath: string;
}

/** What a server answered, as far as an upload cares. */
export type Reply =
  /** A new session. */
  | { readonly kind: 'opened'; readonly session: string; readonly sliceSizeBytes: number; readonly serial: boolean }
  /** An unfinished upload and what it holds. */
  | {
      readonly kind: 'listed';
      readonly session: string;
      readonly sliceSizeBytes: number;
      readonly serial: boolean;
      readonly sizeBytes?: number | undefined;
      readonly sha?: string | undefined;
      readonly stored: readonly ByteRange[];
    }
  /** The object is complete. */
  | {
      readonly kind: 'present';
      readonly location: ObjectLocation;
      readonly sizeBytes?: number | undefined;
      readonly sha?: string | undefined;
    }
  /** One slice was stored; with a location when it was the one that completed the object. */
  | { readonly kind: 'stored'; readonly location?: ObjectLocation | undefined }
  /** Same content, unfinished: ask for the list. */
  | { readonly kind: 'unfinished' }
  /** Other content, unfinished. */
  | { readonly kind: 'conflict'; readonly error: CosSliceError }
  /** Nothing at the path. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'session-gone'; readonly error: CosSliceError }
  /** Finish was refused for a reason that may be missing slices. */
  | { readonly kind: 'incomplete'; readonly error: CosSliceError }
  | { readonly kind: 'discarded' }
  | { readonly kind: 'failed'; readonly error: CosSliceError };

/** One wire: requests out of operations, replies out of responses. Pure both ways. */
export interface Wire {
  /** The URL of an object, which all its requests go to. */
  locate(target: Target): string;
  encode<C>(operation: Operation<C>, url: string, signature: string): WireRequest<C>;
  decode<C>(operation: Operation<C>, response: WireResponse): Reply;
}
