export type { Locker } from './locker.ts';
export type { Account, RequestInfo, SliceServerOptions, SliceSizeOptions } from './options.ts';
export { createSliceServer, type SliceServer } from './server.ts';
export type { OnceRegister } from './signature/once.ts';
export type {
  DirectoryInfo,
  DirectoryLabels,
  DirectoryStore,
  Entry,
  ListPage,
  ListRequest,
} from './store/directory-store.ts';
export { type FileStoreOptions, fileStore } from './store/files/file-store.ts';
export {
  type Authority,
  type ByteWriter,
  type Checkpoints,
  type Expectation,
  type ObjectInfo,
  type ObjectLabels,
  type ObjectProperties,
  type OpenObject,
  type Origin,
  type Session,
  type SessionFacts,
  type SessionInit,
  type SessionSnapshot,
  type SessionTerms,
  type SliceMark,
  type SliceWriter,
  type Spool,
  type Store,
  StoreError,
  type StoreLimits,
  type StoreProblem,
  type Target,
} from './store/store.ts';
