export {
  type AdaptiveLimiter,
  type Authority,
  type Bandwidth,
  type Bounds,
  type CallOptions,
  type Changes,
  CosSliceError,
  type CosXmlOptions,
  type Credentials,
  type CredentialsProvider,
  cosEndpoint,
  cosProfile,
  cosRegions,
  cosXml,
  createBandwidth,
  createLimiter,
  createSigningEndpoint,
  createUpload,
  type DirectoryEntry,
  type Download,
  type DownloadOptions,
  type DownloadProgress,
  type DownloadResult,
  type DownloadSnapshot,
  type Entry,
  type ErrorCode,
  type FileEntry,
  type Integrity,
  isCosSliceError,
  type JsonApiDialect,
  jsonApiDialect,
  type ListOptions,
  type ObjectClient,
  type OptionIssue,
  type OptionRow,
  type Profile,
  profiles,
  type RefusedRequest,
  type Remedy,
  type RemoteCredentialsOptions,
  RemoteSignerError,
  type RemoteSignerOptions,
  type RequestSigner,
  type RequestToSign,
  type ResumeRecord,
  type ResumeStore,
  type RetryOptions,
  type S3Options,
  type SignClaim,
  type SignedRequest,
  type Signer,
  type SignerOptions,
  type SigningAllowance,
  type SigningAnswer,
  type SigningEndpoint,
  type SigningEndpointOptions,
  SLICE_IN_FLIGHT,
  SLICE_RESUMED,
  SLICE_RETRYING,
  SLICE_STORED,
  SLICE_WAITING,
  s3,
  type TimeoutOptions,
  type TokenServerOptions,
  type TransferOptions,
  type UnfinishedContent,
  type UnfinishedUpload,
  type UnfinishedUploads,
  type Upload,
  type UploadOptions,
  type UploadPhase,
  type UploadProgress,
  type UploadResult,
  type UploadSnapshot,
  type Wire,
  type XmlWire,
} from '@cos-slice/core';
export {
  type Client,
  type ClientOptions,
  createClient,
  type DownloadFileOptions,
  downloadDirectory,
  type UploadToOptions,
  uploadDirectory,
} from './client.ts';
export { type CopyDirectoryOptions, copyDirectory } from './directory/copy-directory.ts';
export type { DownloadDirectoryOptions } from './directory/download-directory.ts';
export type {
  ActiveFile,
  Amount,
  DirectoryEvent,
  DirectoryOptions,
  DirectoryProgress,
  DirectoryResult,
  DirectoryTransfer,
  LocalFile,
  Skip,
} from './directory/types.ts';
export type { UploadDirectoryOptions } from './directory/upload-directory.ts';
export type { ProblemReason } from './directory/walk.ts';
export { createDispatcherTransport, type DispatcherTransportOptions } from './dispatcher-transport.ts';
export { createHasher } from './hasher.ts';
export { createNetwork, type EndpointNetwork } from './network.ts';
export { describeOptions } from './options.ts';
export { type ProxyChoice, proxyOf } from './proxy.ts';
export {
  type ProxiedCredentialsOptions,
  type ProxiedSignerOptions,
  type ProxiedTokenServerOptions,
  remoteCredentials,
  remoteSigner,
  tokenServerSigner,
} from './remote-signer.ts';
export { createFileResumeStore, defaultStateDir, type FileResumeStoreOptions } from './resume-store.ts';
export { createSigner } from './signer.ts';
export { createBytesSource } from './source-bytes.ts';
export { type FileSource, type FileSourceOptions, openFileSource } from './source-file.ts';
export type { ObjectSource } from './source-object.ts';
export { type ByteStream, createStreamSource, type WebByteStream } from './source-stream.ts';
export type { SizedStream, UploadSource } from './sources.ts';
export { createHttpTransport, type HttpTransportOptions } from './transport.ts';
export { createUnfinishedUploads } from './unfinished.ts';
export { reach, type UploadFileOptions, uploadFile } from './upload-file.ts';
