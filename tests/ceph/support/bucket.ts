import type { S3StoreOptions } from '@cos-slice/server';
import { inject } from 'vitest';
import type { CephPlace } from '../setup.ts';
import { CREDENTIALS } from './s3.ts';

/** Undefined where there is no Ceph. */
export const ceph: CephPlace | undefined = inject('ceph');

export function storeOptions(endpoint: string, bucket: string): S3StoreOptions {
  return { endpoint, bucket, credentials: CREDENTIALS };
}
