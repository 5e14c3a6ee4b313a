export * from './errors.ts';
export type * from './options.ts';
export type * from './ports.ts';
export { createUpload } from './upload/drive.ts';
export type * from './upload/progress.ts';
export * from './upload/upload.ts';
export type * from './upload/window.ts';
