import type { ResumeRecord, ResumeStore } from '@cos-slice/browser';
import type { Body, Meta, Uppy } from '@uppy/core';
import type { GivenPath } from './object-paths.ts';

/**
 * What a file in Uppy's state carries of its unfinished upload: plain JSON, no signature. Golden Retriever keeps it with the
 * file.
 */
export interface CosSliceFile extends Omit<ResumeRecord, 'hash'> {
  /** The destination it belongs to; for another one it is ignored. */
  readonly destination: string;
  /** Object path. */
  readonly path: string;
}

declare module '@uppy/core/utils' {
  export interface LocalUppyFile<M extends Meta, B extends Body> {
    cosSlice?: CosSliceFile | undefined;
    cosSlicePath?: GivenPath | undefined;
  }
  export interface RemoteUppyFile<M extends Meta, B extends Body> {
    cosSlice?: CosSliceFile | undefined;
    cosSlicePath?: GivenPath | undefined;
  }
}

export interface FileStoreParts<M extends Meta, B extends Body> {
  readonly uppy: Uppy<M, B>;
  readonly fileId: string;
  readonly path: string;
  /** Outlives Uppy's state. */
  readonly beneath: ResumeStore | false;
  /** Resolves when an upload to the same path that was cancelled has let go of it. */
  readonly free: () => Promise<void>;
}

/** Remembers an upload in its file's own state, and in the store beneath. */
export function createFileStore<M extends Meta, B extends Body>(parts: FileStoreParts<M, B>): ResumeStore {
  const { uppy, fileId, path, beneath, free } = parts;
  const put = (cosSlice: CosSliceFile | undefined): void => {
    const file = uppy.getFile(fileId);
    // A file that was removed must not come back as a stump; what says nothing new is not worth a copy of the state.
    if (file && file.cosSlice !== cosSlice) uppy.setFileState(fileId, { cosSlice });
  };
  return {
    async load(destination) {
      const own = uppy.getFile(fileId)?.cosSlice;
      if (own?.version === 1 && own.destination === destination && own.session !== undefined) {
        const { destination: _destination, path: _path, ...record } = own;
        return record;
      }
      return beneath === false ? undefined : beneath.load(destination);
    },
    async save(destination, record) {
      // How far hashing came grows with the file: it has no place in a state that is copied and kept again and again.
      const { hash: _hash, ...plain } = record;
      if (plain.session !== undefined) put({ ...plain, destination, path });
      if (beneath !== false) await beneath.save(destination, record);
    },
    async remove(destination) {
      put(undefined);
      if (beneath !== false) await beneath.remove(destination);
    },
    async lock(destination) {
      await free();
      return (beneath !== false && (await beneath.lock?.(destination))) || (async () => {});
    },
  };
}
