import { current } from './current.ts';

export { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** What modules draw while they are loaded comes before any world. */
export function randomBytes(count: number): Buffer {
  return current()?.random.bytes(count) ?? Buffer.alloc(count);
}

export function randomUUID(): string {
  return randomBytes(16).toString('hex');
}
