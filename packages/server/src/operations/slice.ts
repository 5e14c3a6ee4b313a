import { createHash, type Hash } from 'node:crypto';
import type { PartSink } from '../form/multipart.ts';
import { type ChainCheck, createChainCheck } from '../integrity/chain-check.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { type Fields, hexField, integerField, requiredField } from '../protocol/fields.ts';
import type { Session, SliceWriter } from '../store/store.ts';
import { type Exchange, isFinished, sessionOf } from './exchange.ts';

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
  const md5 = hexField(fields, 'datamd5', MD5_BYTES);
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

  // A slice that is stored already is only counted: what it says now does not matter.
  const check = session.isStored(index) ? undefined : await openCheck(session, offset, offset + expectedBytes);
  let writer: SliceWriter;
  try {
    writer = await session.openSlice(index);
  } catch (error) {
    check?.release();
    throw error;
  }
  return createIncomingSlice({ exchange, session, offset, expectedBytes, writer, check, md5 });
}

async function openCheck(session: Session, startBytes: number, endBytes: number): Promise<ChainCheck | undefined> {
  const checkpoints = await session.checkpoints();
  if (!checkpoints || session.sha === undefined) return undefined;
  return createChainCheck({ sizeBytes: session.sizeBytes, sha: session.sha, checkpoints }, startBytes, endBytes);
}

interface Parts {
  exchange: Exchange;
  session: Session;
  offset: number;
  expectedBytes: number;
  writer: SliceWriter;
  check: ChainCheck | undefined;
  /** The slice's digest, if it was announced before the content. */
  md5: string | undefined;
}

function createIncomingSlice({ exchange, session, offset, expectedBytes, writer, check, md5 }: Parts): IncomingSlice {
  const hash: Hash | undefined = md5 === undefined ? undefined : createHash('md5');
  let datalen = 0;
  let ended = false;

  function end(): void {
    if (!ended) check?.release();
    ended = true;
  }

  async function md5Matches(expected: string): Promise<boolean> {
    if (hash) return hash.digest('hex') === expected;
    // Announced after the content: read it back.
    const late = createHash('md5');
    let lateBytes = 0;
    for await (const chunk of writer.read()) {
      late.update(chunk);
      lateBytes += chunk.length;
    }
    return lateBytes !== datalen || late.digest('hex') === expected;
  }

  return {
    session,
    write(bytes) {
      datalen += bytes.length;
      // Checked before writing: what follows belongs to the next slice.
      if (datalen > expectedBytes) throw new ProtocolError('badParameter', `the slice exceeds ${expectedBytes} bytes`);
      hash?.update(bytes);
      check?.update(bytes);
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
      if (datamd5 !== undefined && !(await md5Matches(datamd5))) {
        throw new ProtocolError('checksumFailed', 'the slice does not match its datamd5');
      }
      if (check && !check.matches) throw new ProtocolError('checksumFailed', 'the slice does not match uploadparts');
      await writer.commit({ verified: check?.coversSlice ?? false, atMs: exchange.nowMs });
      end();
      const reply = { session: session.id, offset, datalen };
      return datamd5 === undefined ? reply : { ...reply, datamd5 };
    },
    async abort() {
      end();
      await writer.abort();
    },
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
