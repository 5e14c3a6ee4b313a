import type { ObjectInfo, Origin, Target } from './object.ts';

/** What is said of a directory. */
export interface DirectoryLabels {
  /** The client's `biz_attr`. */
  readonly attributes?: string | undefined;
  /** Stands for the signature of the request that created or moved it, so that it can be answered again. */
  readonly signedBy?: string | undefined;
  readonly origin?: Origin | undefined;
}

export interface DirectoryInfo extends DirectoryLabels {
  /** Whether somebody has created it, so that it stays when nothing is in it any more. */
  readonly isCreated: boolean;
  readonly modifiedAtMs: number;
}

/** What is directly in a directory. */
export type Entry =
  | { readonly kind: 'object'; readonly name: string; readonly info: ObjectInfo }
  | { readonly kind: 'directory'; readonly name: string; readonly info: DirectoryInfo };

/** Where an entry stands in the order of all, which is that of the bytes: its name, with a slash behind a directory's. */
export function keyOf({ kind, name }: Pick<Entry, 'kind' | 'name'>): string {
  return kind === 'directory' ? `${name}/` : name;
}

export interface ListRequest {
  /** Only entries of this kind. */
  readonly kind?: Entry['kind'] | undefined;
  /** How names begin. */
  readonly prefix: string;
  readonly order: 'ascending' | 'descending';
  /** Only what comes behind this key in that order, whether there still is such an entry or not. */
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface ListPage {
  readonly entries: readonly Entry[];
  readonly hasMore: boolean;
  /** How much is in the directory, of any name, where that is known. */
  readonly counts?: { readonly directories: number; readonly objects: number };
}

/**
 * The directories that objects are in. One that nobody has created is there as long as something is in it. Targets are paths
 * without a slash behind them; the bucket itself is the empty path.
 */
export interface DirectoryStore {
  /**
   * A page of what is directly in a directory; undefined when there is no directory. Whoever reads on from page to page finds
   * everything once that is there all the while, whatever else comes and goes, and a page costs as much as it has entries.
   */
  list(target: Target, request: ListRequest): Promise<ListPage | undefined>;
  stat(target: Target): Promise<DirectoryInfo | undefined>;
  /** @throws StoreError `exists` when somebody has created it before, `path-conflict` where an object is in the way */
  create(target: Target, labels: DirectoryLabels): Promise<void>;
  /** Whether there was such a directory. It counts as created then. */
  describe(target: Target, attributes: string | undefined): Promise<boolean>;
  /**
   * Moves a directory with everything in it; unfinished uploads stay bound to their paths. False when there is none. It counts
   * as created then.
   *
   * @throws StoreError `path-conflict` when anything is at the target
   */
  move(source: Target, target: Target, signedBy: string): Promise<boolean>;
  /** Whether there was such a directory. @throws StoreError `not-empty` */
  delete(target: Target): Promise<boolean>;
}
