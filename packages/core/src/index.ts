export * from './errors.ts';
export type { Config, Integrity, RetryOptions, TimeoutOptions, UploadOptions } from './options.ts';
export { cosEndpoint, parseOptions, SINGLE_REQUEST_LIMIT_BYTES } from './options.ts';
export type * from './ports.ts';
export { createSigner, type SignerOptions } from './signing/create-signer.ts';
export { RemoteSignerError, type RemoteSignerOptions, remoteSigner } from './signing/remote-signer.ts';
export {
  type SignatureFields,
  type SignatureKey,
  signatureExpirySec,
  signatureText,
  signText,
} from './signing/signature.ts';
export { createUpload, systemClock } from './upload/drive.ts';
export { type AdaptiveLimiter, createLimiter } from './upload/limiter.ts';
export type { UploadProgress } from './upload/progress.ts';
export * from './upload/upload.ts';
export type { Bounds } from './upload/window.ts';
