import { UsageError } from './failure.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

const TIME_COLUMNS = 'YYYY-MM-DD hh:mm:ss'.length;

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

/** `2026-11-26 06:52:00`, where this machine is. */
export function formatTime(date: Date | undefined): string {
  if (date === undefined || Number.isNaN(date.getTime())) return '-'.padEnd(TIME_COLUMNS);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}

/** `1048576`, `512k`, `1MiB`, `3 MB` (1024-based) -> bytes. @throws UsageError */
export function parseBytes(name: string, text: string): number {
  const [, digits, unit = ''] = /^(\d+)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  if (digits === undefined) throw new UsageError(`${name} must be a size such as 1048576, 512k or 1m, got '${text}'`);
  return Number(digits) * (FACTORS[unit.toLowerCase()] ?? 1);
}

/** `1048576` -> `1m`, as it can be typed. */
export function formatSize(bytes: number): string {
  const [unit, factor] = Object.entries(FACTORS).findLast(([, one]) => bytes >= one && bytes % one === 0) ?? ['', 1];
  return `${bytes / factor}${unit}`;
}

/** `1 file`, `2 files` */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** `a, b or c` */
export function list(words: readonly string[]): string {
  return words.join(', ').replace(/, ([^,]*)$/, ' or $1');
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

const AGES: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30m`, `12h`, `7d` -> ms. @throws UsageError */
export function parseAge(name: string, text: string): number {
  const [, digits, unit = ''] = /^(\d+)([mhd])$/i.exec(text.trim()) ?? [];
  if (digits === undefined) throw new UsageError(`${name} must be an age such as 30m, 12h or 7d, got '${text}'`);
  return Number(digits) * (AGES[unit.toLowerCase()] ?? 1);
}

/** `5400000` -> `1h`: whole ones of the largest unit that it has one of. */
export function formatAge(ageMs: number): string {
  const [unit, factor] = Object.entries(AGES).findLast(([, one]) => ageMs >= one) ?? ['s', 1000];
  return `${Math.max(0, Math.floor(ageMs / factor))}${unit}`;
}
