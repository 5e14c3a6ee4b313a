import { CosSliceError } from '../errors.ts';
import type { Checksum, Crc64 } from '../ports.ts';

/** As `x-cos-hash-crc64ecma` of COS is (CRC-64/XZ), and `x-amz-checksum-crc64nvme` of S3: bits in reverse, as tables are made. */
export const crc64Polynomials: Readonly<Record<Crc64, string>> = {
  'crc64-xz': 'c96c5795d7870f42',
  'crc64-nvme': '9a6c9329ac4bc9b5',
};

/**
 * The CRC-64 of a whole out of those of its parts, without a look at the bytes. That of `A` followed by `B` is that of `A` times x
 * to the power of `B`'s bits, modulo the polynomial over GF(2), plus that of `B`.
 *
 * @param parts by offset. What does not belong to a run from the start to the end is left alone
 * @returns 16 hex digits
 * @throws CosSliceError `hashing-failed` when a part is missing
 */
export function combineCrc64(algorithm: Crc64, parts: ReadonlyMap<number, Checksum>, sizeBytes: number): string {
  const polynomial = BigInt(`0x${crc64Polynomials[algorithm]}`);
  const shifts = new Map<number, bigint>();
  const shiftBy = (bytes: number): bigint => {
    const known = shifts.get(bytes) ?? powerOfX(8 * bytes, polynomial);
    shifts.set(bytes, known);
    return known;
  };
  let crc = 0n;
  for (let offset = 0; offset < sizeBytes; ) {
    const part = parts.get(offset);
    if (!part?.sizeBytes)
      throw new CosSliceError('hashing-failed', `the CRC-64 of the bytes from ${offset} is missing`);
    crc = multiply(crc, shiftBy(part.sizeBytes), polynomial) ^ BigInt(`0x${part.digest}`);
    offset += part.sizeBytes;
  }
  return crc.toString(16).padStart(16, '0');
}

/** Polynomials of degree 63 at most, the highest bit being the coefficient of 1. */
const ONE = 1n << 63n;

function multiply(a: bigint, b: bigint, polynomial: bigint): bigint {
  let product = 0n;
  for (let bit = ONE, shifted = b; bit > 0n; bit >>= 1n) {
    if ((a & bit) !== 0n) product ^= shifted;
    shifted = (shifted & 1n) === 1n ? (shifted >> 1n) ^ polynomial : shifted >> 1n;
  }
  return product;
}

function powerOfX(exponent: number, polynomial: bigint): bigint {
  let power = ONE;
  let square = ONE >> 1n;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power = multiply(power, square, polynomial);
    square = multiply(square, square, polynomial);
  }
  return power;
}
