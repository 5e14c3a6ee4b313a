import { createHash } from 'node:crypto';
import { type Checked, createFingerprint, type SliceCheck } from '../../integrity/slice-check.ts';
import { type SliceMark, type SliceWriter, StoreError } from '../store.ts';
import type { Calls, Place, Upload } from './calls.ts';
import type { Outgoing, S3Reply } from './client.ts';
import { isConditionFailed, isMissing, S3Error } from './s3-error.ts';

export interface SliceGround {
  readonly calls: Calls;
  readonly upload: Upload;
  readonly index: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  readonly check: SliceCheck;
  /** Where the first content of the slice is noted, so that no other takes its place. */
  readonly claim: Place;
  /** What the upload has become, if it has. */
  finished(): Promise<{ readonly place: Place; readonly etag: string } | undefined>;
  /** @throws StoreError `gone` when the session has ended */
  assertAlive(): Promise<unknown>;
}

/**
 * Passes a slice on as a part while it comes. Its last bytes are held back until all of it has been checked: a request that
 * breaks off before them leaves no part.
 */
export function createS3SliceWriter(ground: SliceGround): SliceWriter {
  const { calls, upload, index, sizeBytes, check } = ground;
  let heldBack: Uint8Array | undefined;
  let writtenBytes = 0;
  let part: Outgoing | undefined;
  /** What had to wait for the request to begin, one after another. */
  let waiting: Promise<void> | undefined;
  let waitingCount = 0;
  let failure: unknown;

  function pass(bytes: Uint8Array): Promise<void> | undefined {
    if (part && waitingCount === 0) return part.write(bytes);
    waitingCount += 1;
    waiting = (waiting ?? begin()).then(async () => {
      await part?.write(bytes);
      waitingCount -= 1;
    });
    return waiting;
  }

  async function begin(): Promise<void> {
    part = await calls.streamPart(upload, index + 1, sizeBytes).catch((error) => {
      failure = error;
      return undefined;
    });
  }

  /** @returns whether nobody had noted any. @throws StoreError `differs` when other bytes have been noted */
  async function claimFor(fingerprint: string): Promise<boolean> {
    try {
      await calls.put(ground.claim, fingerprint, { ifNew: true });
      return true;
    } catch (error) {
      if (!isConditionFailed(error)) throw error;
      const noted = (await calls.read(ground.claim))?.text;
      if (noted !== undefined && noted !== fingerprint) throw new StoreError('differs');
      return false;
    }
  }

  /** @param lateMd5 the MD5 that it must have, where that was not known before its bytes came */
  async function sendRest(md5: string | undefined, lateMd5: string | undefined): Promise<void> {
    await waiting;
    if (!part && !failure) await begin();
    const ending = part?.end(heldBack as Uint8Array);
    if (!ending) throw failure;
    const reply = await ending.catch(asBusy);
    const stored = md5Of(reply);
    const isRight = stored === undefined ? lateMd5 === undefined : stored === (md5 ?? lateMd5 ?? stored);
    if (isRight) return;
    // It must not stand as the slice: a part of no bytes counts as none.
    await (await calls.streamPart(upload, index + 1, 0)).end(Buffer.alloc(0));
    if (lateMd5 !== undefined && stored !== undefined) throw new StoreError('mismatch');
    const detail = stored === undefined ? 'did not tell what it received' : 'received other bytes than were sent';
    throw new StoreError('busy', { detail: `the object store ${detail}` });
  }

  /** What has been acknowledged must not be put at risk for bytes that may be wrong. @throws StoreError `mismatch` */
  async function isStoredWith(lateMd5: string): Promise<boolean> {
    const parts = await calls.listParts(upload);
    const stored = parts?.find(({ number, sizeBytes: partBytes }) => number === index + 1 && partBytes === sizeBytes);
    if (stored && stored.etag !== lateMd5) throw new StoreError('mismatch');
    return stored !== undefined;
  }

  /** The upload has ended: what it has become may have these very bytes. */
  async function compareWithFinished(fingerprint: string, lateMd5: string | undefined): Promise<void> {
    const object = await ground.finished();
    if (!object) {
      await calls.delete(ground.claim).catch(() => {});
      throw new StoreError('gone');
    }
    const range = { start: ground.startBytes, end: ground.startBytes + sizeBytes - 1 };
    const finished = await createFingerprint();
    const md5 = createHash('md5');
    for await (const chunk of await calls.open(object.place, range, object.etag)) {
      finished.update(chunk as Buffer);
      if (lateMd5 !== undefined) md5.update(chunk as Buffer);
    }
    if (finished.end() !== fingerprint) throw new StoreError('differs');
    if (lateMd5 !== undefined && md5.digest('hex') !== lateMd5) throw new StoreError('mismatch');
  }

  return {
    write(bytes) {
      if (bytes.length === 0) return undefined;
      check.write(bytes);
      writtenBytes += bytes.length;
      const next = heldBack;
      heldBack = bytes;
      return next && pass(next);
    },
    async commit({ md5: promised }: SliceMark) {
      try {
        const { fingerprint, md5, isGenuine }: Checked = check.end();
        if (writtenBytes !== sizeBytes) {
          await ground.assertAlive();
          throw new StoreError('mismatch');
        }
        const lateMd5 = md5 === undefined ? promised : undefined;
        if (!isGenuine || (promised ?? md5) !== (md5 ?? promised)) throw new StoreError('mismatch');
        // Only one content passes the file's own SHA-1 states.
        const isFirst = !check.coversSlice && (await claimFor(fingerprint));
        if (!isFirst && lateMd5 !== undefined && (await isStoredWith(lateMd5))) return;
        await sendRest(md5, lateMd5).catch(async (error) => {
          if (isMissing(error)) return compareWithFinished(fingerprint, lateMd5);
          // Bytes that were not meant must not keep out those that were.
          if (isFirst && error instanceof StoreError && error.problem === 'mismatch') await calls.delete(ground.claim);
          throw error;
        });
      } finally {
        await stop();
      }
    },
    abort: stop,
  };

  async function stop(): Promise<void> {
    await waiting;
    part?.abort();
  }
}

/** A store that has too much to do, or that broke off: the bytes are gone, and the client has to send them again. */
function asBusy(error: unknown): never {
  if (error instanceof S3Error && !error.isPassing) throw error;
  throw new StoreError('busy', { cause: error, detail: 'the object store did not take the slice' });
}

/** What the store says that it received: a part's tag is its MD5, though not under some kinds of encryption. */
function md5Of({ headers }: S3Reply): string | undefined {
  const etag = headers.etag?.replaceAll('"', '');
  const isDigest = /^[0-9a-f]{32}$/.test(etag ?? '');
  const isEncrypted =
    headers['x-amz-server-side-encryption'] !== undefined ||
    headers['x-amz-server-side-encryption-customer-algorithm'] !== undefined;
  return isDigest && !isEncrypted ? etag : undefined;
}
