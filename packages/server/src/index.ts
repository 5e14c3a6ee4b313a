export { paceGarbageCollection } from './garbage-collection.ts';
export type { Locker } from './locker.ts';
export { createMetrics, type Metrics } from './metrics/metrics.ts';
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
export type { Abilities as S3Abilities } from './store/s3/abilities.ts';
export type { S3CallInfo } from './store/s3/client.ts';
export { credentialsFromEnvironment, type S3Credentials, type S3CredentialsSource } from './store/s3/credentials.ts';
export type { S3Location } from './store/s3/keys.ts';
export type { LockerTimes } from './store/s3/locker.ts';
export { type S3StoreOptions, s3Store } from './store/s3/s3-store.ts';
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
