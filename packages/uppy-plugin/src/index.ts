export { CosSliceError, cosEndpoint, isCosSliceError, remoteSigner } from '@cos-slice/browser';
export { default, default as CosSlice } from './cos-slice.ts';
export type { CosSliceFile } from './file-store.ts';
export { type CosSliceStrings, enUS, type FailureKey, type StatusKey, zhCN } from './locale.ts';
export type { GivenPath } from './object-paths.ts';
export type { CosSliceOptions } from './options.ts';
