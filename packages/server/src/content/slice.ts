import type { PartSink } from '../form/multipart.ts';
import type { Fields } from '../protocol/fields.ts';
import type { Session } from '../store/store.ts';

/** One slice on its way in. */
export interface IncomingSlice extends PartSink {
  /** Undefined when the session is finished already and the slice came once more. */
  readonly session: Session | undefined;
  /** Checks that the slice is whole and genuine, and stores it. @throws ProtocolError -5999 length, -4016 checksums */
  store(fields: Fields): Promise<SliceReply>;
  /** Forgets what is not stored. Never fails. */
  abort(): Promise<void>;
}

export interface SliceReply {
  readonly session: string;
  readonly offset: number;
  readonly datalen: number;
  readonly datamd5?: string;
}
