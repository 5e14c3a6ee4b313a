export { type Cloud, type CloudEntry, createCloud } from './cloud.ts';
export { cloudStore } from './cloud-store.ts';
export { describeStore } from './store-contract.ts';
export type { StorePlace } from './store-place.ts';
