// What continuing later takes, in one chunk.
export { identityOf } from './identity.ts';
export { createIndexedDbStore } from './indexed-db-store.ts';
