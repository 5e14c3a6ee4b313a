import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Checksum, Crc64 } from '../ports.ts';
import { combineCrc64, crc64Polynomials } from './crc64.ts';

/** Bit by bit, as the definition has it. */
function crcOf(algorithm: Crc64, bytes: Uint8Array): string {
  const polynomial = BigInt(`0x${crc64Polynomials[algorithm]}`);
  const ones = (1n << 64n) - 1n;
  let crc = ones;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
  }
  return (crc ^ ones).toString(16).padStart(16, '0');
}

const split = (algorithm: Crc64, bytes: Uint8Array, lengths: readonly number[]): Map<number, Checksum> => {
  const parts = new Map<number, Checksum>();
  let offset = 0;
  for (const length of [...lengths, bytes.length]) {
    const part = bytes.subarray(offset, offset + length);
    if (part.length === 0) continue;
    parts.set(offset, { sizeBytes: part.length, digest: crcOf(algorithm, part) });
    offset += part.length;
  }
  return parts;
};

test.each([
  ['crc64-xz', '995dc9bbdf1939fa'],
  ['crc64-nvme', 'ae8b14860a799888'],
] as const)('%s has the check value of its catalogue', (algorithm, check) => {
  const bytes = new TextEncoder().encode('123456789');
  expect(crcOf(algorithm, bytes)).toBe(check);
  for (let cut = 0; cut <= 9; cut += 1) expect(combineCrc64(algorithm, split(algorithm, bytes, [cut]), 9)).toBe(check);
});

test.each(['crc64-xz', 'crc64-nvme'] as const)('%s of parts of any sizes is that of the whole', (algorithm) => {
  const lengths = fc.array(fc.nat(70), { maxLength: 12 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), lengths, (bytes, given) => {
      const parts = split(algorithm, bytes, given);
      expect(combineCrc64(algorithm, parts, bytes.length)).toBe(crcOf(algorithm, bytes));
    }),
    { numRuns: 50 },
  );
});

test('of parts that are larger than numbers of 32 bits', () => {
  const zeros = 2 ** 40;
  const part = { sizeBytes: zeros, digest: '1234567890abcdef' };
  const halves = new Map([0, zeros].map((offset) => [offset, part]));
  const quarters = new Map(halves).set(2 * zeros, part).set(3 * zeros, part);
  const half = combineCrc64('crc64-xz', halves, 2 * zeros);
  const twice = new Map([0, 2 * zeros].map((offset) => [offset, { sizeBytes: 2 * zeros, digest: half }]));
  expect(combineCrc64('crc64-xz', quarters, 4 * zeros)).toBe(combineCrc64('crc64-xz', twice, 4 * zeros));
});

test('what is left of parts of another size is not looked at, and what is missing is told', () => {
  const bytes = new TextEncoder().encode('123456789');
  const parts = split('crc64-xz', bytes, [3, 3]);
  parts.set(5, { sizeBytes: 4, digest: '0000000000000000' });
  expect(combineCrc64('crc64-xz', parts, 9)).toBe('995dc9bbdf1939fa');
  parts.delete(3);
  expect(() => combineCrc64('crc64-xz', parts, 9)).toThrowError(/CRC-64 of the bytes from 3 is missing/);
  expect(combineCrc64('crc64-xz', new Map(), 0)).toBe('0000000000000000');
});
