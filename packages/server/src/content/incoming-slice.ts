import type { Exchange } from '../exchange.ts';
import { isSerial } from '../limits.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { type Fields, hexField, integerField, requiredField } from '../protocol/fields.ts';
import { sessionOf, unlessGone } from '../sessions.ts';
import { type Session, type SliceWriter, StoreError } from '../store/store.ts';
import { receiveRepeated } from './repeated-slice.ts';
import type { IncomingSlice } from './slice.ts';

const MD5_BYTES = 16;
const SHA1_BYTES = 20;

/**
 * Makes ready for the slice that `session` and `offset` name, so that its bytes can be written as they arrive.
 *
 * @throws ProtocolError -197 when the session is gone, -5999 for an offset where no slice starts (or, in a serial
 *   upload, not the next one)
 */
export async function receiveSlice(exchange: Exchange, fields: Fields): Promise<IncomingSlice> {
  const id = requiredField(fields, 'session');
  const offset = integerField(fields, 'offset');
  const session = await sessionOf(exchange, id);
  const slice = session && (await unlessGone(openSlice(exchange, session, offset, fields.has('datamd5'))));
  return slice ?? receiveRepeated(exchange, id, offset);
}

async function openSlice(
  exchange: Exchange,
  session: Session,
  offset: number,
  hasMd5: boolean,
): Promise<IncomingSlice> {
  const { sizeBytes, sliceSizeBytes } = session;
  const index = offset / sliceSizeBytes;
  // An empty file has no slices; some clients send one all the same.
  if (sizeBytes === 0 && offset === 0) return createIncomingSlice({ session, offset, expectedBytes: 0, nowMs: 0 });
  if (!Number.isInteger(index) || index >= session.sliceCount) {
    throw new ProtocolError('badParameter', `no slice starts at offset ${offset}; they have ${sliceSizeBytes} bytes`);
  }
  if (isSerial(exchange.settings)) {
    const { firstMissing } = await session.snapshot();
    if (index > firstMissing) {
      throw new ProtocolError('badParameter', `slices must come in order; ${firstMissing * sliceSizeBytes} is next`);
    }
  }
  const expectedBytes = Math.min(sliceSizeBytes, sizeBytes - offset);
  const writer = await session.openSlice(index, hasMd5);
  return createIncomingSlice({ session, offset, expectedBytes, writer, nowMs: exchange.nowMs });
}

interface Parts {
  readonly session: Session;
  readonly offset: number;
  readonly expectedBytes: number;
  /** None for the nothing of an empty file. */
  readonly writer?: SliceWriter;
  readonly nowMs: number;
}

function createIncomingSlice({ session, offset, expectedBytes, writer, nowMs }: Parts): IncomingSlice {
  let datalen = 0;
  return {
    session,
    write(bytes) {
      datalen += bytes.length;
      // Checked before writing: what follows belongs to the next slice.
      if (datalen > expectedBytes) throw new ProtocolError('badParameter', `the slice exceeds ${expectedBytes} bytes`);
      return writer?.write(bytes);
    },
    async store(fields) {
      if (datalen !== expectedBytes) {
        throw new ProtocolError('badParameter', `the slice has ${datalen} bytes instead of ${expectedBytes}`);
      }
      const sha = hexField(fields, 'sha', SHA1_BYTES);
      if (sha !== undefined && session.sha !== undefined && sha !== session.sha) {
        throw new ProtocolError('checksumFailed', 'sha is not that of the session');
      }
      const datamd5 = hexField(fields, 'datamd5', MD5_BYTES);
      await writer?.commit({ md5: datamd5, atMs: nowMs }).catch(nameMismatch);
      const reply = { session: session.id, offset, datalen };
      return datamd5 === undefined ? reply : { ...reply, datamd5 };
    },
    abort: async () => writer?.abort(),
  };
}

function nameMismatch(error: unknown): never {
  if (error instanceof StoreError && error.problem === 'mismatch') {
    throw new ProtocolError('checksumFailed', 'the slice does not match its datamd5 or uploadparts', { cause: error });
  }
  throw error;
}
