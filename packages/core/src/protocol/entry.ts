import type { ObjectLocation } from './location.ts';

/** Who may read an object: everybody, whoever has a signature, or whoever may read its bucket. */
export type Authority = 'public-read' | 'private' | 'inherit';

interface EntryFacts {
  /** From the bucket, without a leading slash; a directory's ends in one. */
  readonly path: string;
  /** The last segment, without a slash. Empty: the bucket itself. */
  readonly name: string;
  /** Text stored with it (`biz_attr`), or empty. */
  readonly attributes: string;
  readonly createdAt?: Date | undefined;
  readonly modifiedAt?: Date | undefined;
}

export interface DirectoryEntry extends EntryFacts {
  readonly kind: 'directory';
}

export interface FileEntry extends EntryFacts, ObjectLocation {
  readonly kind: 'file';
  readonly sizeBytes: number;
  /** In lowercase hex, where the server knows it. */
  readonly sha1?: string | undefined;
  /** In lowercase hex, where the server tells it (`stat`). */
  readonly md5?: string | undefined;
  /** As the server has it, where it tells one: the same as long as the object is the same. */
  readonly etag?: string | undefined;
  readonly authority: Authority;
  readonly customHeaders: Readonly<Record<string, string>>;
}

/** What a server tells of an object or a directory. */
export type Entry = FileEntry | DirectoryEntry;
