// What continuing later takes, in one chunk.
export { createRecorder } from '@cos-slice/core/recorder';
export { identityOf } from './identity.ts';
export { createIndexedDbStore } from './indexed-db-store.ts';
