export type { Account, RequestInfo, SliceServerOptions, SliceSizeOptions } from './options.ts';
export { createSliceServer, type SliceServer } from './server.ts';
export { type FileStoreOptions, fileStore } from './store/files/file-store.ts';
export {
  type ByteWriter,
  type Checkpoints,
  type FileRange,
  type ObjectInfo,
  type ObjectLabels,
  type OpenObject,
  type Session,
  type SessionInit,
  type SliceWriter,
  type Spool,
  type Store,
  StoreError,
  type StoreProblem,
  type Target,
} from './store/store.ts';
