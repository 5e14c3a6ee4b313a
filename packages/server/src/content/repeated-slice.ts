import { createHash } from 'node:crypto';
import type { Exchange } from '../exchange.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { hexField } from '../protocol/fields.ts';
import { objectToStay } from '../sessions.ts';
import type { IncomingSlice } from './slice.ts';

const MD5_BYTES = 16;

/**
 * A slice of an upload that is finished: the client has not heard of it. It is there already, provided that these are the
 * bytes the file has at that place.
 *
 * @throws ProtocolError -197 when the session has not become the file at the path
 */
export async function receiveRepeated(exchange: Exchange, id: string, offset: number): Promise<IncomingSlice> {
  const { store } = exchange.settings;
  const object = await objectToStay(exchange);
  if (object?.session !== id) throw gone();
  const leftBytes = object.sizeBytes - offset;
  if (leftBytes < 0 || (leftBytes === 0 && offset > 0)) {
    throw new ProtocolError('badParameter', `the file ends before offset ${offset}`);
  }
  const hash = createHash('md5');
  let datalen = 0;

  /** Of the file, where the slice should be. */
  async function md5OfStored(): Promise<string> {
    const opened = await store.openObject(exchange.target);
    const stored = createHash('md5');
    try {
      if (opened?.info.session !== id) throw gone();
      if (datalen > 0) {
        for await (const chunk of opened.stream(offset, offset + datalen - 1)) stored.update(chunk as Uint8Array);
      }
    } finally {
      await opened?.close().catch(() => {});
    }
    return stored.digest('hex');
  }

  return {
    session: undefined,
    write(bytes) {
      datalen += bytes.length;
      if (datalen > leftBytes) throw new ProtocolError('badParameter', `only ${leftBytes} bytes of the file follow`);
      hash.update(bytes);
      return undefined;
    },
    async store(fields) {
      if (datalen === 0 && leftBytes > 0) throw new ProtocolError('badParameter', 'the slice has no bytes');
      const datamd5 = hexField(fields, 'datamd5', MD5_BYTES);
      const md5 = hash.digest('hex');
      if ((datamd5 !== undefined && datamd5 !== md5) || (await md5OfStored()) !== md5) {
        throw new ProtocolError('checksumFailed', 'the upload is finished, and its file has other bytes there');
      }
      const reply = { session: id, offset, datalen };
      return datamd5 === undefined ? reply : { ...reply, datamd5 };
    },
    abort: async () => {},
  };
}

function gone(): ProtocolError {
  return new ProtocolError('notFound', 'the upload session is gone');
}
