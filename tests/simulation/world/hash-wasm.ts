import { createSha1, type Sha1 } from '@cos-slice/testkit/simulated/sha1';

export async function createSHA1(): Promise<Sha1> {
  return createSha1();
}

/** Another hash is as good as this one for telling contents apart. */
export async function createXXHash64(): Promise<Sha1> {
  return createSha1();
}
