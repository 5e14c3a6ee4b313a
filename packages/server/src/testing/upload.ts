import { createUploadPartsReader } from '../integrity/upload-parts.ts';
import type { Checkpoints } from '../store/store.ts';
import { type FormValue, post, type Reply } from './client.ts';
import { md5, patternBytes, sha1 } from './content.ts';

/** A well-behaved uploader in slices, one request at a time unless a test does otherwise. */
export interface Uploader {
  bytes: Buffer;
  sliceSize: number;
  session: string;
  init(extra?: Record<string, FormValue>): Promise<Reply>;
  data(index: number, extra?: Record<string, FormValue>): Promise<Reply>;
  list(): Promise<Reply>;
  finish(extra?: Record<string, FormValue>): Promise<Reply>;
  /** init, every slice, finish. */
  all(): Promise<Reply>;
}

export const SLICE_BYTES = 65536;

export function createUploader(
  url: string,
  bytes: Buffer = patternBytes(0, 3 * SLICE_BYTES + 100),
  signature?: string,
): Uploader {
  const uploader: Uploader = {
    bytes,
    sliceSize: SLICE_BYTES,
    session: '',
    async init(extra = {}) {
      const reply = await post(
        url,
        { op: 'upload_slice_init', filesize: bytes.length, slice_size: uploader.sliceSize, insertOnly: 0, ...extra },
        signature,
      );
      const { data } = reply.json();
      uploader.session = data?.session ?? uploader.session;
      uploader.sliceSize = data?.slice_size ?? uploader.sliceSize;
      return reply;
    },
    data(index, extra = {}) {
      const offset = index * uploader.sliceSize;
      const filecontent = bytes.subarray(offset, offset + uploader.sliceSize);
      return post(
        url,
        { op: 'upload_slice_data', session: uploader.session, offset, filecontent, ...extra },
        signature,
      );
    },
    list: () => post(url, { op: 'upload_slice_list' }, signature),
    finish: (extra = {}) =>
      post(url, { op: 'upload_slice_finish', session: uploader.session, filesize: bytes.length, ...extra }, signature),
    async all() {
      await uploader.init();
      for (let index = 0; index * uploader.sliceSize < bytes.length; index++) await uploader.data(index);
      return uploader.finish();
    },
  };
  return uploader;
}

/** `sha` and `uploadparts` for init, by the protocol's own description of the chaining state. */
export async function integrityFields(bytes: Buffer, stepBytes: number): Promise<{ sha: string; uploadparts: string }> {
  const { createSHA1 } = await import('hash-wasm');
  const hasher = (await createSHA1()).init();
  const parts = [];
  for (let offset = 0; offset < bytes.length; offset += stepBytes) {
    const part = bytes.subarray(offset, offset + stepBytes);
    hasher.update(part);
    const isLast = offset + part.length === bytes.length;
    const datasha = isLast ? sha1(bytes) : Buffer.from(hasher.save().slice(4, 24)).toString('hex');
    parts.push({ offset, datalen: part.length, datasha });
  }
  return { sha: sha1(bytes), uploadparts: JSON.stringify(parts) };
}

/** What a store is given of these fields. */
export async function checkpointsOf(bytes: Buffer, stepBytes: number): Promise<Checkpoints | undefined> {
  const reader = createUploadPartsReader();
  reader.write(Buffer.from((await integrityFields(bytes, stepBytes)).uploadparts));
  return reader.end()?.checkpoints;
}

export const md5Of = (bytes: Buffer, index: number): string =>
  md5(bytes.subarray(index * SLICE_BYTES, (index + 1) * SLICE_BYTES));
