import type { ResumeRecord, ResumeStore } from '@cos-slice/browser';
import type { Body, Meta, Uppy } from '@uppy/core';

/**
 * What a file in Uppy's state carries of its unfinished upload: plain JSON, no signature. Golden Retriever keeps it with the
 * file.
 */
export interface CosSliceFile extends ResumeRecord {
  /** The destination it belongs to; for another one it is ignored. */
  readonly destination: string;
  /** Object path. */
  readonly path: string;
}

declare module '@uppy/core/utils' {
  export interface LocalUppyFile<M extends Meta, B extends Body> {
    cosSlice?: CosSliceFile | undefined;
  }
  export interface RemoteUppyFile<M extends Meta, B extends Body> {
    cosSlice?: CosSliceFile | undefined;
  }
}

/** Remembers an upload in its file's own state, and in `beneath`, which outlives Uppy's state. */
export function createFileStore<M extends Meta, B extends Body>(
  uppy: Uppy<M, B>,
  fileId: string,
  path: string,
  beneath: ResumeStore | false,
): ResumeStore {
  const put = (cosSlice: CosSliceFile | undefined): void => {
    // A file that was removed must not come back as a stump.
    if (uppy.getFile(fileId)) uppy.setFileState(fileId, { cosSlice });
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
      put({ ...record, destination, path });
      if (beneath !== false) await beneath.save(destination, record);
    },
    async remove(destination) {
      put(undefined);
      if (beneath !== false) await beneath.remove(destination);
    },
    async lock(destination) {
      return (beneath !== false && (await beneath.lock?.(destination))) || (async () => {});
    },
  };
}
