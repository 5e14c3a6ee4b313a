export { type Cloud, type CloudEntry, createCloud } from './cloud.ts';
export { cloudStore } from './cloud-store.ts';
export { describeStore, type StorePlace } from './store-contract.ts';
