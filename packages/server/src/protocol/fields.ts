import { ProtocolError } from './codes.ts';

/** The named values of a request, whatever kind of body carried them. */
export type Fields = ReadonlyMap<string, string>;

/** @throws ProtocolError -5999 when the field is missing */
export function requiredField(fields: Fields, name: string): string {
  const value = fields.get(name);
  if (value === undefined || value === '') throw new ProtocolError('badParameter', `${name} is missing`);
  return value;
}

/** @throws ProtocolError -5999 when the field is missing or not a whole number from 0 to 2^53 - 1 */
export function integerField(fields: Fields, name: string): number {
  const text = requiredField(fields, name).trim();
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new ProtocolError('badParameter', `${name} is not a whole number`);
  }
  return value;
}

/** A hex digest in lowercase, or undefined when the field is absent or empty. @throws ProtocolError -5999 */
export function hexField(fields: Fields, name: string, sizeBytes: number): string | undefined {
  const text = fields.get(name)?.trim().toLowerCase();
  if (text === undefined || text === '') return undefined;
  if (text.length !== 2 * sizeBytes || !/^[0-9a-f]+$/.test(text)) {
    throw new ProtocolError('badParameter', `${name} is not ${2 * sizeBytes} hex digits`);
  }
  return text;
}

/**
 * Whether an existing file may be replaced. `insertOnly` 0 overwrites and 1 refuses; the Node client makes of a number so many
 * bytes without a meaning: nothing for 0, and a zero byte for 1. A request that does not say is refused, the vendor's documented
 * default: a field left out must not cost anyone a file.
 *
 * @throws ProtocolError -5999 for any other value
 */
export function mayOverwrite(fields: Fields): boolean {
  const text = fields.get('insertOnly');
  if (text === undefined) return false;
  if (text === '' || text.trim() === '0') return true;
  if (text === '\0' || text === '\u0001' || text.trim() === '1') return false;
  throw new ProtocolError('badParameter', 'insertOnly is neither 0 nor 1');
}
