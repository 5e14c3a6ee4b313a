import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileSpool, type FileSpool } from '../files/spool.ts';
import type { Spool } from '../store.ts';
import type { S3Body } from './client.ts';

/** What is shorter stays in memory. */
const IN_MEMORY_BYTES = 64 * 1024;

export interface S3Spool extends Spool {
  body(): Promise<S3Body & { readonly md5: string }>;
}

/** Keeps bytes in memory while they are few, and then in a file among the machine's temporary ones. */
export function createS3Spool(): S3Spool {
  const md5 = createHash('md5');
  let chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  let dir: string | undefined;
  let file: Promise<FileSpool> | undefined;
  let digest: string | undefined;

  async function openFile(): Promise<FileSpool> {
    dir = await mkdtemp(join(tmpdir(), 'cos-slice-'));
    const spool = await createFileSpool(join(dir, 'spool'));
    const waiting = chunks;
    chunks = [];
    for (const chunk of waiting) await spool.write(chunk);
    return spool;
  }

  async function* read(): AsyncIterable<Uint8Array> {
    if (file) yield* (await file).read();
    else yield* chunks;
  }

  return {
    get sizeBytes() {
      return sizeBytes;
    },
    write(bytes) {
      sizeBytes += bytes.length;
      md5.update(bytes);
      if (!file && sizeBytes <= IN_MEMORY_BYTES) {
        chunks.push(bytes);
        return undefined;
      }
      const opening = file;
      file = opening
        ? opening.then(async (spool) => {
            await spool.write(bytes);
            return spool;
          })
        : openFile().then(async (spool) => {
            await spool.write(bytes);
            return spool;
          });
      return file.then(() => {});
    },
    read,
    async body() {
      digest ??= md5.digest('base64');
      await file;
      return { sizeBytes, md5: digest, read };
    },
    async abort() {
      chunks = [];
      await file?.then((spool) => spool.abort()).catch(() => {});
      if (dir !== undefined) await rm(dir, { recursive: true, force: true }).catch(() => {});
    },
  };
}
