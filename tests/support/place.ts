import type { UploadOptions } from '@cos-slice/node';

/** What an upload needs to come to a place. */
export type PlaceOptions = Pick<UploadOptions, 'endpoint' | 'appId' | 'bucket' | 'signer' | 'wire'>;

/** Where the suites upload to, over whichever wire. */
export interface UploadPlace {
  readonly port: number;
  readonly options: PlaceOptions;
  /** The same by way of another port of this machine, from where bytes go on to `port`. */
  through(port: number): PlaceOptions;
  /** What has been stored, read past the wire. @throws with 404 or ENOENT where nothing is */
  read(path: string): Promise<Buffer>;
  /** What a URL that an upload has told leads to. */
  follow(url: string): Promise<Buffer>;
  /** What is there of uploads that have not ended, looked at past the wire. */
  unfinished(): Promise<string[]>;
  /** What leads astray: another bucket, another address, another key. */
  readonly astray: Readonly<Partial<Record<'bucket' | 'address' | 'key', Partial<PlaceOptions>>>>;
  close(): Promise<void>;
}

/** What a wire and the servers behind it can promise, and how the suites use it. */
export interface WireFacts {
  /** Bytes of a slice: as few as are taken here, so that many slices are few bytes. */
  readonly sliceBytes: number;
  readonly integrity: readonly ('none' | 'md5' | 'sha1')[];
  /** Content that the bucket holds need not be sent. */
  readonly instant: boolean;
  /**
   * There is one unfinished upload at a path, which everybody hears of. Elsewhere each upload has its own, whoever finishes last
   * wins, and one whose first answer was lost stays behind without parts.
   */
  readonly onePerPath: boolean;
  /** Of uploads in slices at the same time that must not replace anything, one wins. Elsewhere the last one may replace the others. */
  readonly keepsSlices: boolean;
  /** The servers' clock can be another one than the machine's. */
  readonly movesClock: boolean;
}

export const JSON_FACTS: WireFacts = {
  sliceBytes: 1024 * 1024,
  integrity: ['none', 'md5', 'sha1'],
  instant: true,
  onePerPath: true,
  keepsSlices: true,
  movesClock: true,
};
