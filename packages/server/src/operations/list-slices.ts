import type { Exchange } from '../exchange.ts';
import type { LongList } from '../http/reply.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { ifFresh, objectToStay, unlessGone } from '../sessions.ts';
import type { Session, SessionSnapshot } from '../store/store.ts';
import { describeSession } from './init.ts';

/**
 * `upload_slice_list`: what is stored of the upload at the path, or the file's URLs when it is finished. `made_by` is our own: the
 * session that has become the file, so that whoever did not hear of its finish can tell its own file from another's.
 */
export async function listSlices(exchange: Exchange): Promise<object> {
  const { store } = exchange.settings;
  const session = await ifFresh(exchange, await store.findSession(exchange.target));
  const snapshot = session && (await unlessGone(session.snapshot()));
  if (snapshot) {
    return {
      ...describeSession(exchange, session),
      filesize: session.sizeBytes,
      ...(session.sha !== undefined && { sha: session.sha }),
      listparts: storedParts(session, snapshot),
    };
  }
  const object = await objectToStay(exchange);
  if (!object) throw new ProtocolError('notFound');
  const { sizeBytes, sha, session: made_by = '' } = object;
  return { ...exchange.urls, filesize: sizeBytes, ...(sha !== undefined && { sha }), made_by };
}

/** How many slices are looked at before others get their turn, when none of them is stored. */
const SLICES_A_STEP = 2 ** 14;

function* storedParts({ sliceCount, sliceSizeBytes, sizeBytes }: Session, { isStored }: SessionSnapshot): LongList {
  for (let index = 0; index < sliceCount; index++) {
    const offset = index * sliceSizeBytes;
    if (isStored(index)) yield { offset, datalen: Math.min(sliceSizeBytes, sizeBytes - offset) };
    else if (index % SLICES_A_STEP === 0) yield undefined;
  }
}
