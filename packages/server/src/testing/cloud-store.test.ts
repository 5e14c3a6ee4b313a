import { createCloud } from './cloud.ts';
import { cloudStore } from './cloud-store.ts';
import { describeStore } from './store-contract.ts';

describeStore('cloudStore', async () => {
  const cloud = createCloud();
  return { open: () => cloudStore(cloud), isFlat: true };
});
