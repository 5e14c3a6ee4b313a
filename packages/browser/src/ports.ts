// The pieces that `uploadBlob` wires up, for applications that wire their own with core's `createUpload`. An entry of its own,
// so that `uploadBlob` can load the heavier ones when they are first needed.
export { type AdjustableSeats, createSeats, createUpload, type Seated } from '@cos-slice/core';
export { type BlobSource, createBlobSource } from './blob-source.ts';
export { type BrowserHasher, createWorkerHasher, type StartHashWorker } from './hash/hasher.ts';
export { createIndexedDbStore, type IndexedDbStoreOptions } from './indexed-db-store.ts';
export { createBrowserNetwork } from './network.ts';
export { describeOptions } from './options.ts';
export { createFetchTransport } from './transport/fetch-transport.ts';
export { createXhrTransport } from './transport/xhr-transport.ts';
