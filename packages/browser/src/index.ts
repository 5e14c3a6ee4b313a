export {
  type AdaptiveLimiter,
  type Bounds,
  CosSliceError,
  cosEndpoint,
  createLimiter,
  createUpload,
  type ErrorCode,
  type Integrity,
  isCosSliceError,
  type Limiter,
  type OptionIssue,
  type Remedy,
  RemoteSignerError,
  type RemoteSignerOptions,
  type ResumeRecord,
  type ResumeStore,
  type RetryOptions,
  remoteSigner,
  type SignClaim,
  type Signer,
  SLICE_IN_FLIGHT,
  SLICE_RESUMED,
  SLICE_RETRYING,
  SLICE_STORED,
  SLICE_WAITING,
  type TimeoutOptions,
  type Upload,
  type UploadOptions,
  type UploadPhase,
  type UploadProgress,
  type UploadResult,
  type UploadSnapshot,
} from '@cos-slice/core';
export { type BlobSource, createBlobSource } from './blob-source.ts';
export { type BrowserHasher, createWorkerHasher, type StartHashWorker } from './hash/hasher.ts';
export { createIndexedDbStore, type IndexedDbStoreOptions } from './indexed-db-store.ts';
export { createBrowserNetwork } from './network.ts';
export { createFetchTransport } from './transport/fetch-transport.ts';
export { createXhrTransport } from './transport/xhr-transport.ts';
export { type UploadBlobOptions, uploadBlob } from './upload-blob.ts';
