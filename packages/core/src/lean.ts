// For platforms that load code late: what an upload takes that goes straight on. `late.ts` has the rest.
export { parseOptionsFor } from './options/options.ts';
export { leanJsonApi } from './protocol/json-api/lean.ts';
export type { Recorded, Recorder } from './upload/recorder.ts';
export { startUpload } from './upload/start-upload.ts';
export type { WhenTaken } from './upload/when-taken.ts';
