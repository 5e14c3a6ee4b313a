import type { Authority, Entry } from './entry.ts';
import type { Absent, ObjectLocation } from './location.ts';

/** What is asked about objects and directories. A path that ends in a slash is a directory's, the empty one the bucket's. */
export interface ObjectQuestions {
  stat: { readonly path: string };
  /** A page of what is directly in a directory, or of what is there and begins like the path. */
  entries: {
    readonly path: string;
    readonly pageSize: number;
    readonly pattern: ListPattern;
    readonly order: ListOrder;
    /** From the page before. */
    readonly context?: string | undefined;
  };
  'create-directory': { readonly attributes?: string | undefined };
  remove: object;
  move: Transfer;
  copy: Transfer;
  update: Changes;
}

interface Transfer {
  readonly to: Place;
  readonly overwrite: boolean;
  /** An attempt before this one may have been carried out, as a whole or in part. */
  readonly again?: boolean | undefined;
}

/** A path in a bucket. */
export interface Place {
  readonly appId: string;
  readonly bucket: string;
  readonly path: string;
}

export interface ObjectAnswers {
  stat: Described | Absent;
  entries: Page;
  'create-directory': Done;
  remove: Done;
  move: Done;
  copy: Done;
  update: Done;
}

export type ListPattern = 'both' | 'files' | 'directories';
/** Of names: their bytes in UTF-8. */
export type ListOrder = 'ascending' | 'descending';

/** What may be changed of an object; of a directory only `attributes`. What is not given stays as it is. */
export interface Changes {
  /** Text stored with it (`biz_attr`). */
  readonly attributes?: string | undefined;
  readonly authority?: Authority | undefined;
  /** Sent with every download: `Cache-Control`, `Content-Type`, `Content-Disposition`, `x-cos-meta-*`. They replace all there were. */
  readonly customHeaders?: Readonly<Record<string, string>> | undefined;
}

export interface Described {
  readonly kind: 'described';
  readonly entry: Entry;
}

export interface Page {
  readonly kind: 'page';
  readonly entries: readonly Entry[];
  /** Leads to the next page; undefined on the last one. */
  readonly context?: string | undefined;
}

export interface Done {
  readonly kind: 'done';
  readonly location: ObjectLocation;
}
