// @ts-check
// What a hash alone costs over the same file: nobody who hashes on one core can upload faster.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { createSHA1 } from 'hash-wasm';

const READ_BYTES = 1024 * 1024;

/** @param {import('./main.js').ClientJob} job */
export async function prepare({ file, variant, sizeBytes }) {
  // uploadparts want the chaining state after each slice, which node:crypto does not give.
  const hash = variant === 'sha1-states' ? (await createSHA1()).init() : createHash(variant ?? 'md5');
  return async () => {
    const handle = await open(file);
    let [current, other] = [Buffer.alloc(READ_BYTES), Buffer.alloc(READ_BYTES)];
    let pending = handle.read(current, 0, READ_BYTES, 0);
    for (let position = 0; position < sizeBytes; ) {
      const { bytesRead } = await pending;
      if (bytesRead === 0) throw new Error('the file ends early');
      const block = current.subarray(0, bytesRead);
      position += bytesRead;
      [current, other] = [other, current];
      pending = handle.read(current, 0, READ_BYTES, position);
      hash.update(block);
      if ('save' in hash) hash.save();
    }
    await pending;
    await handle.close();
    hash.digest('hex');
  };
}
