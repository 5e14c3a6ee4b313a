import { onTestFinished } from 'vitest';
import { type S3StoreOptions, s3Store } from '../store/s3/s3-store.ts';
import type { Store } from '../store/store.ts';
import { type MockS3, startMockS3 } from './mock-s3.ts';

/** An object store in memory, and servers on it, each known by a key of its own. All end with the test. */
export interface MockS3Place {
  readonly mock: MockS3;
  /** Default of `accessKeyId`: AK. */
  open(accessKeyId?: string): Store;
}

export async function startMockS3Place(more: Partial<S3StoreOptions> = {}): Promise<MockS3Place> {
  const mock = await startMockS3();
  onTestFinished(() => mock.close());
  return {
    mock,
    open(accessKeyId = 'AK') {
      const store = s3Store({
        endpoint: mock.endpoint,
        bucket: 'bucket',
        credentials: { accessKeyId, secretAccessKey: 'SK' },
        abilities: { putsIfNew: true, ifMatch: 'bare', completesIfNew: false, tagsAreMd5s: true },
        ...more,
      });
      onTestFinished(() => store.close());
      return store;
    },
  };
}
