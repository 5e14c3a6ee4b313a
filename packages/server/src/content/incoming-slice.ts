import type { Exchange } from '../exchange.ts';
import type { PartSink } from '../form/multipart.ts';
import { type ChainPlan, planChain } from '../integrity/chain-plan.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { type Fields, hexField, integerField, requiredField } from '../protocol/fields.ts';
import { isFinished, sessionOf } from '../sessions.ts';
import type { Session, SliceWriter } from '../store/store.ts';

const MD5_BYTES = 16;
const SHA1_BYTES = 20;

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

/**
 * Makes ready for the slice that `session` and `offset` name, so that its bytes can be written and checked as they
 * arrive.
 *
 * @throws ProtocolError -197 when the session is gone, -5999 for an offset where no slice starts (or, in a serial
 *   upload, not the next one), -4016 when the request is for another file than the session
 */
export async function receiveSlice(exchange: Exchange, fields: Fields): Promise<IncomingSlice> {
  const id = requiredField(fields, 'session');
  const offset = integerField(fields, 'offset');
  const session = await sessionOf(exchange, id);
  if (!session) {
    if (await isFinished(exchange, id)) return uselessSlice(undefined, id, offset, Number.POSITIVE_INFINITY);
    throw new ProtocolError('notFound', 'the upload session is gone');
  }
  const { sizeBytes, sliceSizeBytes } = session;
  const index = offset / sliceSizeBytes;
  // An empty file has no slices; some clients send one all the same.
  if (sizeBytes === 0 && offset === 0) return uselessSlice(session, id, offset, 0);
  if (!Number.isInteger(index) || index >= session.sliceCount) {
    throw new ProtocolError('badParameter', `no slice starts at offset ${offset}; they have ${sliceSizeBytes} bytes`);
  }
  if (exchange.settings.serialUpload && index > session.firstMissing()) {
    throw new ProtocolError(
      'badParameter',
      `slices must come in order; ${session.firstMissing() * sliceSizeBytes} is next`,
    );
  }
  const expectedBytes = Math.min(sliceSizeBytes, sizeBytes - offset);

  const writer = await session.openSlice(index);
  return createIncomingSlice({ exchange, session, offset, expectedBytes, writer });
}

async function planCheck(session: Session, startBytes: number, endBytes: number): Promise<ChainPlan | undefined> {
  const checkpoints = await session.checkpoints();
  if (!checkpoints || session.sha === undefined) return undefined;
  return planChain({ sizeBytes: session.sizeBytes, sha: session.sha, checkpoints }, startBytes, endBytes);
}

interface Parts {
  exchange: Exchange;
  session: Session;
  offset: number;
  expectedBytes: number;
  writer: SliceWriter;
}

function createIncomingSlice({ exchange, session, offset, expectedBytes, writer }: Parts): IncomingSlice {
  let datalen = 0;

  /** Whether what is stored, or is about to be, is what it should be. */
  async function matches(chain: ChainPlan | undefined, md5: string | undefined): Promise<boolean> {
    if (!chain && md5 === undefined) return true;
    const check = async () => exchange.checker.matches(await writer.written(), { chain, md5 });
    // Another writer may have put its own bytes there meanwhile.
    return (await check()) || check();
  }

  return {
    session,
    write(bytes) {
      datalen += bytes.length;
      // Checked before writing: what follows belongs to the next slice.
      if (datalen > expectedBytes) throw new ProtocolError('badParameter', `the slice exceeds ${expectedBytes} bytes`);
      return writer.write(bytes);
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
      const chain = await planCheck(session, offset, offset + expectedBytes);
      if (!(await matches(chain, datamd5))) {
        const expected = [datamd5 && 'datamd5', chain && 'uploadparts'].filter(Boolean).join(' or ');
        throw new ProtocolError('checksumFailed', `the slice does not match ${expected}`);
      }
      await writer.commit({ verified: chain?.coversSlice ?? false, atMs: exchange.nowMs });
      const reply = { session: session.id, offset, datalen };
      return datamd5 === undefined ? reply : { ...reply, datamd5 };
    },
    abort: () => writer.abort(),
  };
}

/** A slice that needs no storing: it is there already, or it is the nothing of an empty file. */
function uselessSlice(session: Session | undefined, id: string, offset: number, maxBytes: number): IncomingSlice {
  let datalen = 0;
  return {
    session,
    write(bytes) {
      datalen += bytes.length;
      if (datalen > maxBytes) throw new ProtocolError('badParameter', `the slice exceeds ${maxBytes} bytes`);
      return undefined;
    },
    store: async () => ({ session: id, offset, datalen }),
    abort: async () => {},
  };
}
