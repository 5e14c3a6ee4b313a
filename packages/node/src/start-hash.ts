import { createHash } from 'node:crypto';
import { crc64Polynomials } from '@cos-slice/core';
import { createCRC64 } from 'hash-wasm';
import type { Algorithm } from './hash-jobs.ts';

interface StartedHash {
  update(bytes: Uint8Array): unknown;
  digest(encoding: 'hex'): string;
}

export async function startHash(algorithm: Algorithm): Promise<StartedHash> {
  const polynomial = polynomialOf(algorithm);
  return polynomial === undefined ? createHash(algorithm) : (await createCRC64(polynomial)).init();
}

/** Of a CRC-64. */
export function polynomialOf(algorithm: Algorithm): string | undefined {
  return algorithm === 'md5' || algorithm === 'sha1' ? undefined : crc64Polynomials[algorithm];
}
