export { createBandwidth } from './batch/bandwidth.ts';
export { type Batch, createBatch } from './batch/batch.ts';
export { type AdaptiveLimiter, createLimiter, type LimiterOptions } from './batch/limiter.ts';
export { type AdjustableSeats, createSeats } from './batch/seats.ts';
export type { Bounds } from './batch/window.ts';
export { systemClock } from './clock.ts';
export * from './errors.ts';
export { combineCrc64, crc64Polynomials } from './integrity/crc64.ts';
export {
  type CallOptions,
  type ClientCore,
  type ClientOptions,
  createObjectClient,
  type ListOptions,
  type ObjectClient,
  type TransferOptions,
} from './objects/client.ts';
export {
  createDirect,
  type Direct,
  type DirectContent,
  type DirectOptions,
  type DirectPlace,
} from './objects/direct.ts';
export type {
  Download,
  DownloadOptions,
  DownloadProgress,
  DownloadResult,
  DownloadSnapshot,
  ObjectFacts,
  Sink,
} from './objects/download.ts';
export {
  createUnfinishedUploads,
  type UnfinishedContent,
  type UnfinishedUpload,
  type UnfinishedUploads,
} from './objects/unfinished.ts';
export { onAbort } from './on-abort.ts';
export { describeOptions, type OptionDefaults, type OptionRow } from './options/describe.ts';
export type { Config, RetryOptions, TimeoutOptions, UploadOptions } from './options/options.ts';
export { parseOptions } from './options/options.ts';
export type { WholeRule } from './options/table.ts';
export type * from './ports.ts';
export { type CosPlace, cosRegions } from './protocol/cos-xml/index.ts';
export type * from './protocol/entry.ts';
export { type JsonApiDialect, jsonApiDialect } from './protocol/json-api/dialect.ts';
export { jsonApi } from './protocol/json-api/index.ts';
export { cosEndpoint } from './protocol/json-api/target.ts';
export type * from './protocol/object-operations.ts';
export type * from './protocol/operations.ts';
export type { S3Place } from './protocol/s3/index.ts';
export type { Integrity, Overwrite, Target, Traits, Wire } from './protocol/wire.ts';
export { cosProfile, type Profile, profiles } from './protocol/xml/profile.ts';
export type { XmlWire } from './protocol/xml/wire.ts';
export { RemoteSignerError } from './signing/ask-endpoint.ts';
export type { GivenSigner } from './signing/authorizer.ts';
export { type CosRequest, type CosWindow, cosHeader, cosQuery, cosSignature } from './signing/cos-signature.ts';
export { createSigner, type SignerOptions } from './signing/create-signer.ts';
export { type RemoteCredentialsOptions, remoteCredentials } from './signing/remote-credentials.ts';
export { type RemoteSignerOptions, remoteSigner } from './signing/remote-signer.ts';
export { presignV4, signV4, UNSIGNED_PAYLOAD, type V4Request, type V4Scope } from './signing/sig-v4.ts';
export {
  type SignatureFields,
  type SignatureKey,
  signatureExpirySec,
  signatureText,
  signText,
  type TextSigner,
} from './signing/signature.ts';
export type { Deed, SigningAllowance } from './signing/signing-allowance.ts';
export {
  createSigningEndpoint,
  type SigningAnswer,
  type SigningEndpoint,
  type SigningEndpointOptions,
} from './signing/signing-endpoint.ts';
export { type TokenServerOptions, tokenServerSigner } from './signing/token-server-signer.ts';
export { createUpload } from './upload/create-upload.ts';
export { createNotifier, type Notifier } from './upload/notifier.ts';
export type { UploadPhase, UploadProgress } from './upload/progress.ts';
export * from './upload/upload.ts';
export { type CosXmlOptions, cosXml } from './wires/cos-xml.ts';
export { type S3Options, s3 } from './wires/s3.ts';
