import type { Store, Target } from '../store/store.ts';

/** A place that keeps what stores put there. */
export interface StorePlace {
  /**
   * Opens the place's store. More than once stands for another process: a second one beside the first, or one after another
   * that ended without closing it.
   */
  open(): Store;
  /** Whether a path may be an object and lead to others, too. */
  readonly isFlat?: boolean;
  /** Whether the place has a clock of its own, which tells when slices were stored. */
  readonly hasClock?: boolean;
}

export const target = (path = 'dir/file.bin'): Target => ({ appId: '1', bucket: 'b', path });

export async function put(
  store: Store,
  path: string,
  bytes: Uint8Array,
  overwrite = false,
  sha?: string,
): Promise<void> {
  const spool = await store.createSpool();
  await spool.write(bytes);
  await store.putObject(target(path), spool, { sha }, overwrite);
}

export async function content(store: Store, at: Target = target()): Promise<Buffer | undefined> {
  const object = await store.openObject(at);
  if (!object) return undefined;
  if (object.info.sizeBytes === 0) {
    await object.close();
    return Buffer.alloc(0);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of object.stream(0, object.info.sizeBytes - 1)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
