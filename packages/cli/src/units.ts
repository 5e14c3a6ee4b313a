import { UsageError } from './failure.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** `1536` -> `1.5 KiB` */
export function formatBytes(bytes: number): string {
  return scale(bytes).join(' ');
}

/** `1536` of `4096` -> `1.5/4.0 KiB` */
export function formatPart(bytes: number, totalBytes: number): string {
  const [value, unit] = scale(bytes);
  const [total, totalUnit] = scale(totalBytes);
  return unit === totalUnit ? `${value}/${total} ${unit}` : `${value} ${unit}/${total} ${totalUnit}`;
}

function scale(bytes: number): [value: string, unit: string | undefined] {
  let value = bytes;
  let unit = 0;
  // Rounded first, so that 1023.99 KiB does not read 1024 KiB.
  while (Math.round(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return [unit === 0 || value >= 99.95 ? String(Math.round(value)) : value.toFixed(1), UNITS[unit]];
}

/** `75000` -> `1m15s` */
export function formatDuration(durationMs: number): string {
  if (durationMs < 9950) return `${(durationMs / 1000).toFixed(1)}s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${String(seconds % 60).padStart(2, '0')}s`;
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, '0')}m`;
}

/** `1048576`, `512k`, `1MiB`, `3 MB` (1024-based) -> bytes. @throws UsageError */
function parseBytes(flag: string, text: string): number {
  const [, digits, unit = ''] = /^(\d+)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  if (digits === undefined) throw new UsageError(`${flag} must be a size such as 1048576, 512k or 1m, got '${text}'`);
  return Number(digits) * (FACTORS[unit.toLowerCase()] ?? 1);
}

/** The slice sizes that uploads can have: the checksums of slices want multiples of 64. @throws UsageError */
export function parseSliceSize(flag: string, text: string): number {
  const bytes = parseBytes(flag, text);
  if (bytes < 64 * 1024 || bytes > 16 * 1024 ** 2 || bytes % 64 !== 0) {
    throw new UsageError(`${flag} must be from 64k to 16m and a multiple of 64 bytes, got '${text}'`);
  }
  return bytes;
}

/** @throws UsageError */
export function parseWhole(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new UsageError(`${flag} must be a whole number from ${min} to ${max}, got '${text}'`);
  }
  return value;
}

/** @throws UsageError */
export function parseChoice<T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text);
  if (found === undefined) {
    const list = allowed.join(', ').replace(/, ([^,]*)$/, ' or $1');
    throw new UsageError(`${flag} must be ${list}, got '${text}'`);
  }
  return found;
}

/** Runs every check and reports what all of them found, not just the first. @throws UsageError */
export function checkAll<T extends readonly unknown[]>(...checks: { [K in keyof T]: () => T[K] }): T {
  const issues: string[] = [];
  const values = checks.map((check) => {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      issues.push(error.message);
      return undefined;
    }
  });
  if (issues.length > 0) throw new UsageError(issues.join('; '));
  return values as unknown as T;
}
