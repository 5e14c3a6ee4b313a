import { createHash } from 'node:crypto';
import type { SliceCheck } from '../../integrity/slice-check.ts';
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

  /** @throws StoreError `differs` when other bytes have been noted */
  async function claimFor(md5: string): Promise<void> {
    try {
      await calls.put(ground.claim, md5, { ifNew: true });
    } catch (error) {
      if (!isConditionFailed(error)) throw error;
      const noted = (await calls.read(ground.claim))?.text;
      if (noted !== undefined && noted !== md5) throw new StoreError('differs');
    }
  }

  async function sendRest(md5: string): Promise<void> {
    await waiting;
    if (!part && !failure) await begin();
    const ending = part?.end(heldBack as Uint8Array);
    if (!ending) throw failure;
    const reply = await ending.catch(asBusy);
    if (!isOther(reply, md5)) return;
    // It must not stand as the slice: a part of no bytes counts as none.
    await (await calls.streamPart(upload, index + 1, 0)).end(Buffer.alloc(0));
    throw new StoreError('busy', { detail: 'the object store received other bytes than were sent' });
  }

  /** The upload has ended: what it has become may have these very bytes. */
  async function compareWithFinished(md5: string): Promise<void> {
    const object = await ground.finished();
    if (!object) {
      await calls.delete(ground.claim).catch(() => {});
      throw new StoreError('gone');
    }
    const range = { start: ground.startBytes, end: ground.startBytes + sizeBytes - 1 };
    const hash = createHash('md5');
    for await (const chunk of await calls.open(object.place, range, object.etag)) hash.update(chunk as Buffer);
    if (hash.digest('hex') !== md5) throw new StoreError('differs');
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
        const { md5, isGenuine } = check.end();
        if (writtenBytes !== sizeBytes) {
          await ground.assertAlive();
          throw new StoreError('mismatch');
        }
        if (!isGenuine || (promised !== undefined && promised !== md5)) throw new StoreError('mismatch');
        // Only one content passes the file's own SHA-1 states.
        if (!check.coversSlice) await claimFor(md5);
        await sendRest(md5).catch((error) => {
          if (!isMissing(error)) throw error;
          return compareWithFinished(md5);
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

/** Where a part's tag is its MD5, which it is not under some kinds of encryption. */
function isOther({ headers }: S3Reply, md5: string): boolean {
  const etag = headers.etag?.replaceAll('"', '');
  const isDigest = /^[0-9a-f]{32}$/.test(etag ?? '');
  const isEncrypted =
    headers['x-amz-server-side-encryption'] !== undefined ||
    headers['x-amz-server-side-encryption-customer-algorithm'] !== undefined;
  return isDigest && !isEncrypted && etag !== md5;
}
