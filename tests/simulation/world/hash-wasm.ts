import { createSha1, type Sha1 } from '@cos-slice/testkit/simulated/sha1';

export async function createSHA1(): Promise<Sha1> {
  return createSha1();
}
