import type { Credentials, SignClaim, WireRequest } from '../ports.ts';
import type { XmlWire } from '../protocol/xml/wire.ts';

/** What a signature has to cover of a request that somebody else signs. */
export interface Covered {
  /** What is left of the URL. */
  readonly url: string;
  /** What is not: the rest of the query, as it is sent. */
  readonly rest?: string | undefined;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** How a wire signs. */
export interface RequestSigning {
  readonly wire: Pick<XmlWire, 'bucketName' | 'bucketUrl'>;
  cover<C>(request: WireRequest<C>): Covered;
  sign<C>(request: WireRequest<C>, credentials: Credentials, claim: SignClaim): Promise<WireRequest<C>>;
  /** @returns the URL with a signature in its query, which covers the query and the headers */
  presign<C>(request: WireRequest<C>, credentials: Credentials, claim: SignClaim): Promise<string>;
}
